"""Client for Closte's API that never exposes the API key.

Importing the package itself loads no other module. Only `client` loads `requests`.
"""
