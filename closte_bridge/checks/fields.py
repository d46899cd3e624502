"""The columns of a check's row, apart from the code that makes rows: a command's options need them before any check."""

FIELDS = ("domain", "dns", "tls", "points_at", "expected", "issuer", "expires", "days_left", "next_step")
