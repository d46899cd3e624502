"""Keep the domains of an Ultimate Multisite network and of a Closte application in step."""

__version__ = "0.1.0"
