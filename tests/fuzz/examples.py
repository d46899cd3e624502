"""How many examples each test gets: more of them with `CLOSTE_BRIDGE_FUZZ`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FUZZ = settings(
    max_examples=int(os.environ.get("CLOSTE_BRIDGE_FUZZ", "200")),
    database=None,
    # A hang is found by `deadline`: each example takes milliseconds.
    deadline=10_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
