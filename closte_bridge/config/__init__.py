"""The configuration: what may be said, where it is looked for, and where the API key is read from."""
