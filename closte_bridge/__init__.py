"""Sync the mapped domains of an Ultimate Multisite network to Closte."""

__version__ = "0.1.0"
