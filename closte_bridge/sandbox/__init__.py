"""A stand-in for Closte's client API on this machine: to try the bridge without touching a real application."""
