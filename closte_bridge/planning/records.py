"""Plan missing domain records: find sites without one, and decide when to create each. Pure.

A site's record is the mapping of its address, whatever other mappings it has. Ultimate Multisite creates it together
with the site; the shim does so for old versions and for a new address of the site. If that failed and an event of the
shim shows the new site or address, closte-bridge creates the record. Any other new site may belong to an import whose
mappings arrive later with the IDs of their dump. Such a record waits for a day, only a few are created per day, and
none while rows still arrive. The same applies to an address that changed without an event. An address that once had a
record gets no other. `domain backfill` handles older sites.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.wordpress.events import CREATED, EventKind, declines_record, understand

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from closte_bridge.wordpress.snapshot import CompleteSnapshot, Event, Site, Snapshot
    from closte_bridge.wordpress.snapshot import Mapping as Row

UNSEEN_WAIT = 86400.0
"""Seconds for which a record waits if no event shows the creation or the move of its site."""
MOST_UNSEEN = 3
"""Limit of such records created in 24 hours."""


class RecordHold(StrEnum):
    """What a record waits for."""

    RETRY = "retry"
    UNSEEN = "unseen"  # the time `due`
    ARRIVING = "arriving"  # rows still arrive
    LIMIT = "limit"  # `MOST_UNSEEN`


class MissingRecord(NamedTuple):
    """A site without its record; `due` is when to create it, in seconds since the epoch.

    `seen`: an event shows the creation of the site, or its move to this address.
    """

    site: int
    domain: str
    due: float
    seen: bool = True
    hold: RecordHold | None = None


class RowCounts(NamedTuple):
    """The highest IDs and the numbers of rows that a complete read found."""

    highest_site: int
    highest_mapping: int
    sites: int
    mappings: int


class RecordHistory(NamedTuple):
    """What the ledger knows about new sites and their records.

    `above`: the highest site ID of earlier complete reads. `waiting` and `unseen`: sites without a record, with its due
    time; an event shows the creation or the move of the former. `had`: sites newer than `above` that once had a record.
    `moved`: sites whose address changed since the last complete read. `made`: the number of records of unseen sites
    created in the last 24 hours. `rows`: result of the last complete read. `events`: the events of the ledger that
    matter for records; `uids`: the IDs of all its events.
    """

    above: int
    waiting: Mapping[int, float] = {}
    unseen: Mapping[int, float] = {}
    had: Collection[int] = ()
    moved: Collection[int] = ()
    made: int = 0
    rows: RowCounts | None = None
    events: Sequence[Event] = ()
    uids: Collection[str] = ()

    def concerns(self, snapshot: Snapshot) -> bool:
        """Return whether `snapshot` can change the state of any record."""
        known = self.waiting or self.unseen or self.had or self.moved
        return snapshot.highest_site > self.above or bool(known) or any(map(_is_move, snapshot.events))


class RecordPlan(NamedTuple):
    """Sites without a record.

    `waiting` and `unseen` are for the ledger (site => due) and include sites that are not public. `settled`: sites that
    no longer need a record. `had`: new sites that have one. `moved`: sites without a record for their new address.
    """

    missing_records: tuple[MissingRecord, ...] = ()
    waiting: Mapping[int, float] = {}
    unseen: Mapping[int, float] = {}
    settled: frozenset[int] = frozenset()
    had: frozenset[int] = frozenset()
    moved: frozenset[int] = frozenset()

    @property
    def due(self) -> tuple[MissingRecord, ...]:
        """Return the records to create now."""
        return tuple(missing_record for missing_record in self.missing_records if not missing_record.hold)


NO_RECORDS = RecordPlan()


def rows_of(snapshot: Snapshot) -> RowCounts:
    """Return the row counts of a complete read."""
    return RowCounts(snapshot.highest_site, snapshot.highest_mapping, len(snapshot.sites), len(snapshot.mappings))


def plan_records(snapshot: Snapshot, known: RecordHistory, now: float) -> RecordPlan:
    """Return which sites need a record: new sites, sites with a new address, and sites that were waiting for one.

    An incomplete snapshot only shows which new sites have a record.
    """
    if not known.concerns(snapshot):
        return NO_RECORDS
    new = {site.id for site in _newer(snapshot, known.above)}
    own = {(site, _host(snapshot.sites[site])) for site in new}
    rows = (mapping for mapping in snapshot.mappings if mapping.blog_id in new)
    had = frozenset(row.blog_id for row in rows if (row.blog_id, _mapped(row)) in own)
    if (complete := snapshot.complete) is None:
        return RecordPlan(had=had)
    return _plan_missing(complete, known, now, new, had)


def _plan_missing(
    snapshot: CompleteSnapshot, known: RecordHistory, now: float, new: set[int], had: frozenset[int]
) -> RecordPlan:
    waited = known.waiting.keys() | known.unseen.keys()
    fresh = {event.blog_id for event in snapshot.events if _is_move(event) and event.uid not in known.uids}
    moved = fresh.union(known.moved)
    ids = sorted((((new | waited) - {*known.had}) | moved) & snapshot.sites.keys())
    lacking = _lacking(snapshot, [snapshot.sites[id_] for id_ in ids], known)
    waiting, unseen = _due(snapshot, lacking, known, now)
    return RecordPlan(
        tuple(_missing(snapshot, lacking, waiting, unseen, known, now)),
        waiting,
        unseen,
        frozenset(waited - waiting.keys() - unseen.keys()),
        had,
        frozenset(site.id for site in lacking if site.id in moved),
    )


def _lacking(snapshot: CompleteSnapshot, candidates: list[Site], known: RecordHistory) -> list[Site]:
    """Return the `candidates` without a record, except those whose record was declined or deleted."""
    events = [*known.events, *snapshot.events]
    declined = {event.blog_id for event in events if declines_record(event)}
    deleted = _deleted_records(events)
    return [
        site
        for site in without_record(snapshot, candidates)
        if site.id not in declined and (site.id, _host(site)) not in deleted
    ]


def _deleted_records(events: list[Event]) -> set[tuple[int, str]]:
    """Return site and domain of each mapping that was deleted or renamed, unless the site moved to the domain later."""
    moves: dict[tuple[int, str], int] = {}
    for event in filter(_is_move, events):
        moves[_place(event)] = max(event.created, moves.get(_place(event), event.created))
    deleted = set()
    for event in events:
        if event.kind == EventKind.REMOVED:
            places = {_place(event)}
        elif event.kind == EventKind.RENAMED:
            places = {(event.blog_id, domain) for domain in understand(event)[0]}
        else:
            continue
        deleted |= {place for place in places if moves.get(place, event.created) <= event.created}
    return deleted


def _is_move(event: Event) -> bool:
    return event.kind == EventKind.SITE_MOVED


def _place(event: Event) -> tuple[int, str]:
    return event.blog_id, event.domain.lower()


def _due(
    snapshot: CompleteSnapshot, lacking: list[Site], known: RecordHistory, now: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Return when each record is due: for sites whose creation or move an event shows, and for all others."""
    events = [*known.events, *snapshot.events]
    fresh = [event for event in snapshot.events if event.uid not in known.uids]
    # The ID of a deleted site may have been reused, so its events prove nothing.
    gone = {event.blog_id for event in events if event.kind == EventKind.SITE_DELETED}
    created = {event.blog_id for event in events if event.kind in CREATED} - gone
    moves = {_place(event) for event in events if _is_move(event) and event.blog_id not in gone}
    new = {event.blog_id for event in fresh if event.kind in CREATED} & created
    new_moves = {_place(event) for event in fresh if _is_move(event)} & moves
    waiting, unseen = {}, {}
    for site in lacking:
        place, moved = (site.id, _host(site)), site.id in known.moved
        if site.id in new or place in new_moves:
            waiting[site.id] = now
        elif moved and place not in moves:
            unseen[site.id] = now + UNSEEN_WAIT
        elif place in moves or site.id in known.waiting or (site.id in created and site.id not in known.unseen):
            waiting[site.id] = known.waiting.get(site.id, now)
        else:
            unseen[site.id] = known.unseen.get(site.id, now + UNSEEN_WAIT)
    return waiting, unseen


def _missing(
    snapshot: CompleteSnapshot,
    lacking: list[Site],
    waiting: Mapping[int, float],
    unseen: Mapping[int, float],
    known: RecordHistory,
    now: float,
) -> Iterable[MissingRecord]:
    arriving = bool(unseen) and rows_arrive(snapshot, known)
    left = MOST_UNSEEN - known.made
    for site in lacking:
        if not site.public:
            continue  # Its record is created once it is public again.
        seen = site.id in waiting
        due = waiting[site.id] if seen else unseen[site.id]
        hold = None
        if due > now:
            hold = RecordHold.RETRY if seen else RecordHold.UNSEEN
        elif not seen:
            hold = RecordHold.ARRIVING if arriving else RecordHold.LIMIT if left <= 0 else None
            left -= not hold
        yield MissingRecord(site.id, _host(site), due, seen, hold)


def rows_arrive(snapshot: Snapshot, known: RecordHistory) -> bool:
    """Return whether rows changed since the last complete read without an event that explains it."""
    if known.rows is None:
        return True
    before, now = known.rows, rows_of(snapshot)
    fresh = [event for event in snapshot.events if event.uid not in known.uids]
    created = {event.blog_id for event in fresh if event.kind in CREATED}
    deleted = {event.blog_id for event in fresh if event.kind == EventKind.SITE_DELETED}
    mapped = sum(event.kind == EventKind.MAPPED for event in fresh)
    removed = sum(event.kind == EventKind.REMOVED for event in fresh)
    return not (
        now.sites - before.sites == len(created) - len(deleted)
        and 0 <= now.highest_site - before.highest_site <= len(created)
        and now.mappings - before.mappings == mapped - removed
        and 0 <= now.highest_mapping - before.highest_mapping <= mapped
    )


def _newer(snapshot: Snapshot, above: int) -> Iterable[Site]:
    # Sites are sorted by ID, and nearly all are old.
    for id_ in reversed(snapshot.sites):
        if id_ <= above:
            return
        yield snapshot.sites[id_]


def without_record(snapshot: CompleteSnapshot, sites: Collection[Site]) -> list[Site]:
    """Return the `sites` that could have a domain record but have none: no mapping has their address.

    WordPress checks the rest (shared base domains, paths, filters) before it creates a record.
    """
    network = snapshot.network
    own = {network.domain, f"www.{network.domain}"}
    possible = {
        site.id: _host(site)
        for site in sites
        if site.network_id == network.id and site.id != network.main_site and _host(site) not in own
    }
    if not possible:
        return []
    names = set(possible.values())
    taken = {domain for mapping in snapshot.mappings if (domain := _mapped(mapping)) in names}
    return [site for site in sites if site.id in possible and possible[site.id] not in taken]


def _host(site: Site) -> str:
    return site.domain.lower().partition(":")[0]


def _mapped(mapping: Row) -> str:
    return mapping.domain.lower().rstrip(".")


def addresses_of(snapshot: Snapshot) -> dict[int, str]:
    """Return the address of each site of the network."""
    own = snapshot.network.id
    addresses = {site.id: _host(site) for site in snapshot.sites.values() if site.network_id == own}
    return {site: domain for site, domain in addresses.items() if domain.isascii()}


def backfillable(snapshot: CompleteSnapshot) -> list[MissingRecord]:
    """Return every public site without a record, old or new."""
    sites = without_record(snapshot, snapshot.sites.values())
    return [MissingRecord(site.id, _host(site), 0.0) for site in sites if site.public]
