"""Events: copied from WordPress, used as evidence, then acknowledged.

States: `waiting`: copied, and WordPress still has the row. `done`: WordPress has deleted the row. `quarantined`:
invalid. It is kept, reported and acknowledged like the others, so that it does not block later events. `aside`:
quarantined, and WordPress has deleted the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.ledger.state import Evidence
from closte_bridge.wordpress.events import EventKind, requested, taken, understand

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from closte_bridge.ledger.state import FailedChange
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Event


class NewEvents(NamedTuple):
    """Events that the ledger does not have yet, and what they prove together.

    `invalid`: the IDs of those that are not understood. `removed`: domains that they removed, each with the kind of its
    event. `in_use`: domains that came into use, so that no earlier evidence counts. `all_in_use`: any may have.
    `to_check` and `to_retry`: domains that a person asked to check, or whose failed change to retry, now.
    """

    events: Sequence[Event] = ()
    invalid: Collection[str] = ()
    removed: Mapping[str, EventKind] = {}
    in_use: Collection[str] = ()
    all_in_use: bool = False
    to_check: Collection[str] = ()
    to_retry: Collection[str] = ()

    def evidence(self, now: float) -> dict[str, Evidence]:
        """Return the evidence of these events, received `now`."""
        return {name: Evidence(kind, now) for name, kind in self.removed.items()}

    def after(self, earlier: dict[str, Evidence], now: float) -> dict[str, Evidence]:
        """Return the evidence after these events."""
        kept = {} if self.all_in_use else {name: e for name, e in earlier.items() if name not in self.in_use}
        return kept | self.evidence(now)

    def without_back_off(self, failed: dict[str, FailedChange], now: float) -> dict[str, FailedChange]:
        """Return the failed changes after these events: those of `to_retry` are due `now`."""
        ended = {name: failed[name] for name in self.to_retry if name in failed}
        return failed | {name: change._replace(next_try=min(change.next_try, now)) for name, change in ended.items()}


def read_events(events: Iterable[Event], known: Collection[str]) -> NewEvents:
    """Read the events whose IDs are not `known`.

    In their order: a domain that was removed and then came into use again has no evidence against it.
    """
    # Not at the top: `to_acknowledge` is needed before `wp` starts.
    # By ID, the last one wins: a duplicated row must not block later events.
    new = {event.uid: event for event in events if event.uid not in known}
    invalid, removed, in_use, all_in_use = set(), dict[str, EventKind](), set[str](), False
    for event in new.values():
        evidence, understood = understand(event)
        removed |= evidence
        if not understood:
            invalid.add(event.uid)
        if event.kind == EventKind.EVERYTHING:
            removed.clear()
            all_in_use = True
        for name in taken(event):
            removed.pop(name, None)
            in_use.add(name)
    to_check, to_retry = (
        {name for event in new.values() for name in requested(event, kind)}
        for kind in (EventKind.CHECK, EventKind.RETRY)
    )
    return NewEvents([*new.values()], invalid, removed, in_use, all_in_use, to_check, to_retry)


def copy_events(ledger: Ledger, events: Iterable[Event], new: NewEvents, now: float) -> None:
    """Copy the new ones of all `events` of WordPress, and save their evidence, inside a transaction.

    An acknowledged event that is not in `events` is done.
    """
    seen = {event.uid for event in events}
    gone = [(uid,) for uid in to_acknowledge(ledger) if uid not in seen]
    ledger.write("UPDATE events SET state = CASE state WHEN 'waiting' THEN 'done' ELSE 'aside' END WHERE uid = ?", gone)
    # WordPress has a row that counted as deleted: acknowledge it again.
    back = [(uid,) for uid in seen]
    ledger.write("UPDATE events SET state = 'waiting' WHERE uid = ? AND state = 'done'", back)
    ledger.write("UPDATE events SET state = 'quarantined' WHERE uid = ? AND state = 'aside'", back)
    ledger.write(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (uid, now, created, kind[:64], blog_id, domain[:255], detail[:2000], _state(uid, new))
            for uid, created, kind, blog_id, domain, detail in new.events
        ],
    )
    if new.all_in_use:
        ledger.write("DELETE FROM evidence", [()])
    ledger.clear("evidence", new.in_use)
    ledger.put_evidence(new.evidence(now))
    _note_requests(ledger, new, now)


def _note_requests(ledger: Ledger, new: NewEvents, now: float) -> None:
    """Save the requests, so that a run that ends early leaves them to the next one."""
    checks = [(now, name) for name in new.to_check]
    ledger.write("UPDATE check_state SET next_check = min(next_check, ?) WHERE name = ?", checks)
    retries = [(now, name) for name in new.to_retry]
    ledger.write("UPDATE failed_changes SET next_try = min(next_try, ?) WHERE name = ?", retries)


def _state(uid: str, new: NewEvents) -> str:
    return "quarantined" if uid in new.invalid else "waiting"


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
