"""Durations of the tests: recorded by each run, published in docs/test-durations.md, used to start long files first."""
