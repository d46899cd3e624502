"""Events: copied from WordPress, used as evidence, then acknowledged.

States: `waiting`: copied, and WordPress still has the row. `done`: WordPress has deleted the row. `quarantined`:
invalid. It is kept, reported and acknowledged like the others, so that it does not block later events. `aside`:
quarantined, and WordPress has deleted the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Event


def copy_events(ledger: Ledger, events: Sequence[Event], now: float) -> int:
    """Copy new events, and add or delete their evidence, inside a transaction. Return the number of new events.

    Events are processed in order: a domain that was removed and then came into use again has no evidence against it.
    An acknowledged event that is not in `events` is done.
    """
    # Not at the top: `to_acknowledge` is needed before `wp` starts.
    from closte_bridge.ledger.state import Evidence  # noqa: PLC0415
    from closte_bridge.wordpress.events import EVERYTHING, taken, understand  # noqa: PLC0415

    seen = {event.uid for event in events}
    gone = [(uid,) for uid in to_acknowledge(ledger) if uid not in seen]
    ledger.write("UPDATE events SET state = CASE state WHEN 'waiting' THEN 'done' ELSE 'aside' END WHERE uid = ?", gone)
    # WordPress has a row that counted as deleted: acknowledge it again.
    back = [(uid,) for uid in seen]
    ledger.write("UPDATE events SET state = 'waiting' WHERE uid = ? AND state = 'done'", back)
    ledger.write("UPDATE events SET state = 'quarantined' WHERE uid = ? AND state = 'aside'", back)
    known = known_events(ledger) if seen else set()
    # By uid, the last one wins: a duplicated row must not block later events.
    new = list({event.uid: event for event in events if event.uid not in known}.values())
    for event in new:
        evidence, understood = understand(event)
        ledger.write(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    event.uid,
                    now,
                    event.created,
                    event.kind[:64],
                    event.blog_id,
                    event.domain[:255],
                    event.detail[:2000],
                    "waiting" if understood else "quarantined",
                )
            ],
        )
        ledger.put_evidence({name: Evidence(kind, now) for name, kind in evidence.items()})
        if event.kind == EVERYTHING:
            ledger.write("DELETE FROM evidence", [()])
        ledger.clear("evidence", taken(event))
    return len(new)


def known_events(ledger: Ledger) -> set[str]:
    """Return the ids of all copied events."""
    return {str(uid) for (uid,) in ledger.query("SELECT uid FROM events")}


def to_acknowledge(ledger: Ledger) -> list[str]:
    """Return the ids of events that WordPress may delete, because the ledger has them."""
    return [str(uid) for (uid,) in ledger.query("SELECT uid FROM events WHERE state IN ('waiting', 'quarantined')")]


def quarantined(ledger: Ledger) -> int:
    """Return the number of quarantined events."""
    ((count,),) = ledger.query("SELECT COUNT(*) FROM events WHERE state IN ('quarantined', 'aside')")
    return int(str(count))
