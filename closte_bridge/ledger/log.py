"""The append-only log: every change with its cause and its outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.ledger.store import Ledger


# Later than each entry, in seconds since the epoch.
LATEST = float("inf")


class LogAction(StrEnum):
    """What an entry reports.

    Entries of `domain remove` are requests; `remove` is the removal itself. `run` is a run that may not change
    everything.
    """

    ADD = "add"
    REMOVE = "remove"
    CONFIRM = "confirm"
    FORGET = "forget"
    BIND = "bind"
    REBIND = "rebind"
    ADOPT = "adopt"
    PIN = "pin"
    DISMISS = "dismiss"
    RELEASE = "release"
    RECORD = "record"
    STAGE = "stage"
    CHECK = "check"
    PAUSE = "pause"
    RESUME = "resume"
    RUN = "run"
    PRUNE = "prune"


# Actions that decide whether a domain is managed.
_OF_MANAGEMENT = (LogAction.ADD, LogAction.ADOPT, LogAction.CONFIRM, LogAction.REMOVE)


class LogEntry(NamedTuple):
    """One line of the log. `at` is in seconds since the epoch, `run` is the id of the run that wrote it."""

    at: float
    run: str
    action: LogAction
    name: str
    cause: str
    outcome: str
    detail: str = ""


def append(ledger: Ledger, entries: Iterable[LogEntry]) -> None:
    """Write entries, inside a transaction of the ledger, so that log and state cannot differ."""
    ledger.write(
        "INSERT INTO log (at, run, action, name, cause, outcome, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        entries,
    )


def was_managed(ledger: Ledger, name: str) -> bool:
    """Return whether the last successful change of this domain made it managed."""
    rows = ledger.query(
        "SELECT action FROM log WHERE name = ? AND outcome IN ('done', 'already') "
        "AND action IN (?, ?, ?, ?) ORDER BY id DESC LIMIT 1",
        name,
        *_OF_MANAGEMENT,
    )
    return bool(rows) and rows[0] != (LogAction.REMOVE,)


class Period(NamedTuple):
    """Entries from `since` to `until`, in seconds since the epoch, with ids above `after` up to `through`."""

    since: float = 0.0
    until: float = LATEST
    after: int = 0
    through: int = 2**63 - 1


ALWAYS = Period()


def read(ledger: Ledger, *, name: str | None = None, period: Period = ALWAYS, limit: int = 100) -> list[LogEntry]:
    """Return the newest `limit` entries, oldest first, of one domain or of all."""
    where, parameters = _where(name, period)
    rows = ledger.query(
        f"SELECT at, run, action, name, cause, outcome, detail FROM log WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - fixed text
        *parameters,
        limit,
    )
    return [LogEntry(*row) for row in reversed(rows)]


def count(ledger: Ledger, *, name: str | None = None, period: Period = ALWAYS) -> int:
    """Return the number of entries, of one domain or of all."""
    where, parameters = _where(name, period)
    [(number,)] = ledger.query(f"SELECT COUNT(*) FROM log WHERE {where}", *parameters)  # noqa: S608 - fixed text
    return int(number)


def newest(ledger: Ledger) -> int:
    """Return the id of the newest entry, 0 without one."""
    ((number,),) = ledger.query("SELECT COALESCE(MAX(id), 0) FROM log")
    return int(number)


def _where(name: str | None, period: Period) -> tuple[str, list[object]]:
    # A time that is no number is read as well, so that the damage is reported.
    where = "(at >= ? AND at < ? OR typeof(at) = 'text') AND id > ? AND id <= ?"
    return (where, [*period]) if name is None else (f"{where} AND name = ?", [*period, name])
