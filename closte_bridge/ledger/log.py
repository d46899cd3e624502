"""The append-only log: every change with its cause and its outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.ledger.store import Ledger


class LogAction(StrEnum):
    """What an entry reports. Entries of `domain remove` are requests; `remove` is the removal itself."""

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


def read(ledger: Ledger, *, name: str | None = None, since: float = 0.0, limit: int = 100) -> list[LogEntry]:
    """Return the newest `limit` entries, oldest first, of one domain or of all."""
    where, parameters = _where(name, since)
    rows = ledger.query(
        f"SELECT at, run, action, name, cause, outcome, detail FROM log WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - fixed text
        *parameters,
        limit,
    )
    return [LogEntry(at, run, LogAction(action), *rest) for at, run, action, *rest in reversed(rows)]


def count(ledger: Ledger, *, name: str | None = None, since: float = 0.0) -> int:
    """Return the number of entries, of one domain or of all."""
    where, parameters = _where(name, since)
    [(number,)] = ledger.query(f"SELECT COUNT(*) FROM log WHERE {where}", *parameters)  # noqa: S608 - fixed text
    return int(number)


def _where(name: str | None, since: float) -> tuple[str, list[object]]:
    return ("at >= ?", [since]) if name is None else ("at >= ? AND name = ?", [since, name])
