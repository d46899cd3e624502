"""Events on their way through the ledger: copied from WordPress, used as evidence, then acknowledged.

`waiting`: copied, WordPress still has the row. `done`: the row was seen to be gone. `set-aside`: not understood; kept
and reported, and acknowledged like the others, so that one bad row cannot stop the ones behind it; `aside` once its
row is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Event


def copy_events(ledger: Ledger, events: Sequence[Event], now: float) -> int:
    """Copy events that are new, with the evidence they give or make void; inside a transaction. Return how many.

    They are taken in their order: a name that was given up and then came into use again has no evidence against it.

    An event that was acknowledged and is not among `events` is done with.
    """
    # `to_acknowledge` is needed before `wp` starts, and that must not wait for this.
    from closte_bridge.ledger.state import Evidence  # noqa: PLC0415
    from closte_bridge.wordpress.events import EVERYTHING, taken, understand  # noqa: PLC0415

    seen = {event.uid for event in events}
    gone = [(uid,) for uid in to_acknowledge(ledger) if uid not in seen]
    ledger.write("UPDATE events SET state = CASE state WHEN 'waiting' THEN 'done' ELSE 'aside' END WHERE uid = ?", gone)
    # WordPress still has, or has again, what counted as gone: it must be told once more.
    back = [(uid,) for uid in seen]
    ledger.write("UPDATE events SET state = 'waiting' WHERE uid = ? AND state = 'done'", back)
    ledger.write("UPDATE events SET state = 'quarantined' WHERE uid = ? AND state = 'aside'", back)
    known = known_events(ledger) if seen else set()
    # By uid, the last one wins: a row that somebody copied must not stop the ones behind it.
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
    """Return the marks of all events that were taken in."""
    return {str(uid) for (uid,) in ledger.query("SELECT uid FROM events")}


def to_acknowledge(ledger: Ledger) -> list[str]:
    """Return the marks of the events that WordPress may delete: the ledger holds them."""
    return [str(uid) for (uid,) in ledger.query("SELECT uid FROM events WHERE state IN ('waiting', 'quarantined')")]


def quarantined(ledger: Ledger) -> int:
    """Return how many events were not understood."""
    ((count,),) = ledger.query("SELECT COUNT(*) FROM events WHERE state IN ('quarantined', 'aside')")
    return int(str(count))
