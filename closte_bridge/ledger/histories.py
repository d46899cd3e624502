"""What was last seen of each domain's DNS and certificate, and when it is looked at next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.checks.life import History

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.ledger.store import Ledger

_COLUMNS = ", ".join(History._fields)
_MARKS = ", ".join("?" * (len(History._fields) + 1))
# SQLite takes so many parameters in one statement everywhere.
_CHUNK = 500


def _history(row: tuple[object, ...]) -> History:
    history = History(*row)  # type: ignore[arg-type]  # the columns have the fields' types
    return history._replace(leads_here=bool(history.leads_here), serves=bool(history.serves))


def load(ledger: Ledger, names: Collection[str]) -> dict[str, History]:
    """Return the histories of those `names` that have one."""
    found: dict[str, History] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        marks = ", ".join("?" * len(chunk))
        rows = ledger.query(f"SELECT name, {_COLUMNS} FROM histories WHERE name IN ({marks})", *chunk)  # noqa: S608 - fixed columns, marks
        found.update({str(name): _history(tuple(rest)) for name, *rest in rows})
    return found


def troubled(ledger: Ledger) -> dict[str, History]:
    """Return the histories of domains that failed at their last looks: their stage may have to go backwards."""
    rows = ledger.query(f"SELECT name, {_COLUMNS} FROM histories WHERE failures > 0")  # noqa: S608 - fixed columns
    return {str(name): _history(tuple(rest)) for name, *rest in rows}


def known(ledger: Ledger) -> dict[str, float]:
    """Return when each domain that was ever looked at is looked at next, in seconds since the epoch."""
    return dict(ledger.query("SELECT name, next_look FROM histories"))


def leading(ledger: Ledger) -> frozenset[str]:
    """Return the names that were seen to lead where they should."""
    return frozenset(str(name) for (name,) in ledger.query("SELECT name FROM histories WHERE leads_here = 1"))


def save(ledger: Ledger, histories: dict[str, History]) -> None:
    """Write histories; inside a transaction."""
    ledger.write(
        f"INSERT OR REPLACE INTO histories (name, {_COLUMNS}) VALUES ({_MARKS})",  # noqa: S608 - fixed columns
        [(name, *history) for name, history in histories.items()],
    )


def forget(ledger: Ledger, names: Iterable[str]) -> None:
    """Drop the histories of names that nobody wants any more."""
    ledger.write("DELETE FROM histories WHERE name = ?", [(name,) for name in names])
