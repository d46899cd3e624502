"""Durations such as `90s`, `5m`, `1h30m` and `7d`."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration. Raises ValueError if `text` is not a duration."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError("not a duration")
    return float(sum(int(part or 0) * unit for part, unit in zip(match.groups(), _UNITS.values(), strict=True)))


def format_duration(seconds: float) -> str:
    """Return an integer number of seconds in the shortest form (`5m`), any other as a number (`0.5`)."""
    if seconds != int(seconds) or seconds <= 0:
        return f"{seconds:g}"
    rest, text = int(seconds), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if unit == "d" and (rest or count == 1):
            # `24h` and `36h` read better than `1d` and `1d12h`.
            rest += count * size
        elif count:
            text += f"{count}{unit}"
    return text
