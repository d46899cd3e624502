"""Rows and lines of a plan: shared by changes on Closte, stages and domain records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from closte_bridge.counts import counted

if TYPE_CHECKING:
    from closte_bridge.cli.formats import Row

SHOWN = 10
"""There can be thousands of one kind: people see the first ones, programs see all."""

Line: TypeAlias = tuple[str, str, str]
"""Sign, domain and text."""


def when(moment: float | None) -> str | None:
    """Return a moment, in seconds since the epoch, in ISO 8601 and UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def plan_row(network: str, domain: str, change: str, status: str, reason: str, until: float | None = None) -> Row:
    """Return a row of a plan, with the fields `FIELDS`."""
    return {
        "domain": domain,
        "change": change,
        "status": status,
        "reason": reason,
        "until": when(until),
        "network": network,
    }


def held_line(sign: str, domain: str, reason: str, until: float | None = None) -> Line:
    """Return the line of a change that is on hold."""
    return f"~{sign}", domain, f"on hold: {reason}{f' (until {when(until)})' if until else ''}"


def more(total: int, noun: str, rest: str = "") -> list[Line]:
    """Return the line for the items that are not shown, or none if all are."""
    count = total - SHOWN
    what = counted(count, f"more {noun}") if noun else f"{count} more"
    return [(" ", "…", f"{what} {rest}".rstrip())] if count > 0 else []
