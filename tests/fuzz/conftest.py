"""The same examples every time in CI; more of them with `CLOSTE_BRIDGE_FUZZ`, the number for each test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_MANY = int(os.environ.get("CLOSTE_BRIDGE_FUZZ", "200"))
settings.register_profile(
    "fuzz",
    derandomize=bool(os.environ.get("CI")),
    database=None,
    max_examples=_MANY,
    # A hang is found by `deadline`: each example takes milliseconds.
    deadline=10_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fuzz")
