"""Runs the commands of the documentation and compares, or rewrites, their outputs: `python -m tests.docs --write`."""
