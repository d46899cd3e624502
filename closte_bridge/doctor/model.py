"""Findings of the checks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.config.places import page

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 5
NO_LEDGER = "Skipped: this network has not been adopted yet."


class Status(StrEnum):
    """Result of a check. `SKIP`: an earlier failure prevented the check."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIP = "skip"


class Finding(NamedTuple):
    """Result of one check: its name in kebab-case, its status, a message, and a hint if something is wrong."""

    check: str
    status: Status
    message: str
    hint: str = ""

    @property
    def link(self) -> str:
        """Return the address of the documentation of this check."""
        return f"{page('troubleshooting.md')}#{self.check}"


def some(names: Sequence[str]) -> str:
    """Return the first names with commas, and the number of the others."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def ok(check: str, message: str) -> Finding:
    """Create a finding without a problem."""
    return Finding(check, Status.OK, message)


def warning(check: str, message: str, hint: str) -> Finding:
    """Create a warning."""
    return Finding(check, Status.WARNING, message, hint)


def error(check: str, message: str, hint: str) -> Finding:
    """Create a finding that prevents closte-bridge from working."""
    return Finding(check, Status.ERROR, message, hint)


def skip(check: str, message: str) -> Finding:
    """Create a finding for a check that could not run."""
    return Finding(check, Status.SKIP, message)
