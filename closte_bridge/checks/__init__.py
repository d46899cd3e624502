"""DNS and TLS checks: what visitors get, and what to do about it."""
