"""Closte's client API: what its answers mean, and a client that never says the key aloud.

This package imports nothing by itself; `requests` and `tenacity` come in with `client` only.
"""
