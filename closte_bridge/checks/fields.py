"""Columns of a check's row. They are a module of their own because options need them without the checks' code."""

FIELDS = (
    "domain", "dns", "tls", "http", "live", "points_at", "expected", "issuer", "expires", "days_left", "next_step",
)  # fmt: skip
