"""Configuration: keys, file lookup and API key sources."""
