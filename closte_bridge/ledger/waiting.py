"""Sites that lack their domain record, and when each is to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.marks import RECORD_DUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from closte_bridge.ledger.store import Ledger


def records_due(ledger: Ledger) -> dict[int, float]:
    """Return the sites that wait for their record, each with when it is due, in seconds since the epoch."""
    rows = ledger.query("SELECT name, since FROM marks WHERE kind = ?", RECORD_DUE)
    return {int(name): float(due) for name, due in rows}


def await_records(ledger: Ledger, due: Mapping[int, float]) -> None:
    """Remember sites with when their record is due; inside a transaction."""
    rows = [(str(site), RECORD_DUE, at) for site, at in due.items()]
    ledger.write("INSERT OR REPLACE INTO marks (name, kind, since) VALUES (?, ?, ?)", rows)


def forget_records(ledger: Ledger, sites: Iterable[int]) -> None:
    """Wait no more for these sites; inside a transaction."""
    ledger.unmark(RECORD_DUE, [str(site) for site in sites])
