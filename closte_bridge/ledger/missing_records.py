"""Sites without a domain record: when each record is due, and what is known about new sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.flags import RECORD_DUE, RECORD_HAD, RECORD_MADE, RECORD_UNSEEN
from closte_bridge.ledger.meta import ROWS
from closte_bridge.ledger.state import DAY
from closte_bridge.wordpress.events import CREATED, EventKind
from closte_bridge.wordpress.snapshot import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from closte_bridge.ledger.store import Ledger


def records_due(ledger: Ledger, kind: str = RECORD_DUE) -> dict[int, float]:
    """Return the sites that wait for their record, each with its due time in seconds since the epoch.

    `kind` is one of `RECORD_DUE` and `RECORD_UNSEEN`.
    """
    rows = ledger.query("SELECT CAST(name AS INTEGER), CAST(since AS REAL) FROM flags WHERE kind = ?", kind)
    return {int(site): float(since) for site, since in rows}


def await_records(ledger: Ledger, due: Mapping[int, float], kind: str = RECORD_DUE) -> None:
    """Save sites with the due times of their records, inside a transaction."""
    rows = [(str(site), kind, at) for site, at in due.items()]
    ledger.write("INSERT OR REPLACE INTO flags (name, kind, since) VALUES (?, ?, ?)", rows)


def forget_records(ledger: Ledger, sites: Iterable[int], kinds: Iterable[str] = (RECORD_DUE, RECORD_UNSEEN)) -> None:
    """Stop waiting for the records of these sites, inside a transaction."""
    names = [str(site) for site in sites]
    for kind in kinds:
        ledger.clear_flag(kind, names)


def had_record(ledger: Ledger) -> frozenset[int]:
    """Return the sites that had a record, if they are newer than the last complete read that counted."""
    return frozenset(records_due(ledger, RECORD_HAD))


def note_had(ledger: Ledger, sites: Iterable[int], now: float) -> None:
    """Save that these sites have a record, inside a transaction."""
    ledger.set_flag(RECORD_HAD, map(str, sites), now)


def made_lately(ledger: Ledger, now: float) -> int:
    """Return the number of records made in the last 24 hours for sites without a creation event."""
    ((count,),) = ledger.query("SELECT COUNT(*) FROM flags WHERE kind = ? AND since > ?", RECORD_MADE, now - DAY)
    return int(str(count))


def note_made(ledger: Ledger, sites: Iterable[int], now: float) -> None:
    """Count records made for sites without a creation event, inside a transaction."""
    ledger.write("DELETE FROM flags WHERE kind = ? AND since <= ?", [(RECORD_MADE, now - DAY)])
    await_records(ledger, dict.fromkeys(sites, now), RECORD_MADE)


def last_rows(ledger: Ledger) -> tuple[int, ...] | None:
    """Return the numbers that `keep_rows` saved."""
    return ROWS.of(ledger.meta())


def keep_rows(ledger: Ledger, rows: tuple[int, ...]) -> None:
    """Save the numbers of a complete read if they changed."""
    if rows != last_rows(ledger):
        with ledger.transaction(durable=False):
            ledger.save(ROWS.to(rows))


def events_of_records(ledger: Ledger) -> list[Event]:
    """Return the events that decide whether a site needs a record."""
    sql = (
        "SELECT uid, CAST(created AS INTEGER), kind, CAST(blog_id AS INTEGER), domain, detail FROM events "
        "WHERE kind IN (?, ?, ?, ?, ?, ?)"
    )
    kinds = (*CREATED, EventKind.SITE_MOVED, EventKind.SITE_DELETED, EventKind.REMOVED, EventKind.RENAMED)
    return [Event(*row) for row in ledger.query(sql, *kinds)]
