"""What a check found."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.config.places import page

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 5


class Status(StrEnum):
    """How a check ended. `SKIP`: it could not be made, because something before it failed."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIP = "skip"


class Finding(NamedTuple):
    """One check: its name in kebab-case, how it ended, what was seen, and what to do when that is not well."""

    check: str
    status: Status
    message: str
    hint: str = ""

    @property
    def link(self) -> str:
        """Return where the documentation says more."""
        return f"{page('troubleshooting.md')}#{self.check}"


def some(names: Sequence[str]) -> str:
    """Return how many names there are when that is more than a few, and the first of them."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def ok(check: str, message: str) -> Finding:
    """Return a check that found all well."""
    return Finding(check, Status.OK, message)


def warning(check: str, message: str, hint: str) -> Finding:
    """Return a check that found something to look at."""
    return Finding(check, Status.WARNING, message, hint)


def error(check: str, message: str, hint: str) -> Finding:
    """Return a check that found something that keeps the bridge from working."""
    return Finding(check, Status.ERROR, message, hint)


def skip(check: str, message: str) -> Finding:
    """Return a check that could not be made."""
    return Finding(check, Status.SKIP, message)
