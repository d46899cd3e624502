"""Checks of the commands in the documentation: `python -m tests.docs --write` refreshes their outputs."""
