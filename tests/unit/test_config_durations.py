from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("24h", 86_400), ("1h30m", 5_400), ("90s", 90), ("7d", 604_800), ("0s", 0)]
)
def test_parses_valid_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5M", "30m1h", "1.5h", "-5m", "5m5m", "8:53", "\u0665m", "5m\n"])
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "5m"), (86_400, "24h"), (90_000, "25h"), (172_800, "2d"), (5_400, "1h30m"), (0.5, "0.5"), (0, "0")],
)
def test_formats_in_the_shortest_form(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 365 * 86_400))
def test_formatted_duration_parses_to_the_same_value(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
