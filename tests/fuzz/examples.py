"""The number of examples for each fuzz test; `CLOSTE_BRIDGE_FUZZ` sets it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FUZZ = settings(
    max_examples=int(os.environ.get("CLOSTE_BRIDGE_FUZZ", "200")),
    database=None,
    # `deadline` detects a hang: each example takes milliseconds.
    deadline=10_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
