"""Diagnostics of `closte-bridge doctor`."""
