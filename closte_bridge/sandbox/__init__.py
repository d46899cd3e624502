"""The sandbox: a local mock of Closte's API, to try closte-bridge without a real application."""
