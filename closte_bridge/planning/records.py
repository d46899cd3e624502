"""Which sites lack their domain record, and when each gets it. Pure.

Ultimate Multisite, or the shim where that is too old, makes a site's record in the request that creates the site. What
is missing later failed there, and is made up for, if an event of the shim shows the creation. Any other new site may be
the first half of an import, whose mappings arrive later with the ids of their dump: its record waits for a day, only a
few are made in a day, and none while rows arrive. A site that had a record once gets no other. Older sites are a
person's decision (`domain backfill`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.wordpress.events import CREATED, MAPPED, REMOVED, SITE_DELETED, declines_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from closte_bridge.wordpress.snapshot import Event, Site, Snapshot

UNSEEN_WAIT = 86400.0
"""So long the record of a site waits whose creation no event shows, in seconds."""
MOST_UNSEEN = 3
"""So many records of such sites are made in 24 hours."""


class MissingRecord(NamedTuple):
    """A site without its record; `due` is when that is made, in seconds since the epoch.

    `seen`: an event shows its creation. `hold` says what the record waits for: empty if for nothing, else `retry`,
    `unseen` (its time), `arriving` (rows still arrive) or `limit` (of `MOST_UNSEEN`).
    """

    site: int
    domain: str
    due: float
    seen: bool = True
    hold: str = ""


class RowCounts(NamedTuple):
    """What a complete read found: the highest ids, and how many rows there are."""

    highest_site: int
    highest_mapping: int
    sites: int
    mappings: int


class RecordHistory(NamedTuple):
    """What the ledger knows of new sites and their records.

    `above` is the highest site of earlier complete reads. `waiting` and `unseen` are sites that lack their record, with
    when that is due: those whose creation an event shows, and all others. `had` are sites newer than `above` that had a
    record once, `made` is how many records of unseen sites were made in the last 24 hours, `rows` is what the last
    complete read found. `events` are those of the ledger that `planning.records` asks for, `uids` all that it holds.
    """

    above: int
    waiting: Mapping[int, float] = {}
    unseen: Mapping[int, float] = {}
    had: Collection[int] = ()
    made: int = 0
    rows: RowCounts | None = None
    events: Sequence[Event] = ()
    uids: Collection[str] = ()

    def concerns(self, snapshot: Snapshot) -> bool:
        """Return whether anything can follow for any record."""
        return snapshot.highest_site > self.above or bool(self.waiting or self.unseen or self.had)


class RecordPlan(NamedTuple):
    """Sites that lack their record.

    `waiting` and `unseen` are what the ledger has to remember of them (site => due), also of those that nobody can
    visit now; `settled` are those that waited and need it no more; `had` are new sites that have a record.
    """

    missing_records: tuple[MissingRecord, ...] = ()
    waiting: Mapping[int, float] = {}
    unseen: Mapping[int, float] = {}
    settled: frozenset[int] = frozenset()
    had: frozenset[int] = frozenset()

    @property
    def due(self) -> tuple[MissingRecord, ...]:
        """Return those whose time has come."""
        return tuple(missing_record for missing_record in self.missing_records if not missing_record.hold)


NO_RECORDS = RecordPlan()


def rows_of(snapshot: Snapshot) -> RowCounts:
    """Return what a complete read found."""
    return RowCounts(snapshot.highest_site, snapshot.highest_mapping, len(snapshot.sites), len(snapshot.mappings))


def plan_records(snapshot: Snapshot, known: RecordHistory, now: float) -> RecordPlan:
    """Return which new sites lack their record, and which of those that waited still do.

    Of a snapshot that is not complete it follows only which new sites have one.
    """
    if not known.concerns(snapshot):
        return NO_RECORDS
    new = {site.id for site in _newer(snapshot, known.above)}
    had = frozenset(mapping.blog_id for mapping in snapshot.mappings if mapping.blog_id in new)
    if not snapshot.complete:
        return RecordPlan(had=had)
    waited = known.waiting.keys() | known.unseen.keys()
    numbers = sorted((new | (waited & snapshot.sites.keys())) - {*known.had})
    lacking = _lacking(snapshot, [snapshot.sites[number] for number in numbers], known)
    waiting, unseen = _due(snapshot, lacking, known, now)
    return RecordPlan(
        tuple(_lacks(snapshot, lacking, waiting, unseen, known, now)),
        waiting,
        unseen,
        frozenset(waited - waiting.keys() - unseen.keys()),
        had,
    )


def _lacking(snapshot: Snapshot, candidates: list[Site], known: RecordHistory) -> list[Site]:
    """Return those of `candidates` that lack a record which nobody objected to or deleted."""
    told = [*known.events, *snapshot.events]
    declined = {event.blog_id for event in told if declines_record(event)}
    given_up = {(event.blog_id, event.domain.lower()) for event in told if event.kind == REMOVED}
    return [
        site
        for site in without_record(snapshot, candidates)
        if site.id not in declined and (site.id, _host(site)) not in given_up
    ]


def _due(
    snapshot: Snapshot, lacking: list[Site], known: RecordHistory, now: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Return when each record is due: of sites whose creation an event shows, and of all others."""
    told = [*known.events, *snapshot.events]
    fresh = {event.blog_id for event in snapshot.events if event.kind in CREATED and event.uid not in known.uids}
    # An id that was given out before says nothing of the site that has it now.
    created = {e.blog_id for e in told if e.kind in CREATED} - {e.blog_id for e in told if e.kind == SITE_DELETED}
    waiting, unseen = {}, {}
    for site in lacking:
        if site.id in fresh & created:
            waiting[site.id] = now
        elif site.id in created or site.id in known.waiting:
            waiting[site.id] = known.waiting.get(site.id, now)
        else:
            unseen[site.id] = known.unseen.get(site.id, now + UNSEEN_WAIT)
    return waiting, unseen


def _lacks(
    snapshot: Snapshot,
    lacking: list[Site],
    waiting: Mapping[int, float],
    unseen: Mapping[int, float],
    known: RecordHistory,
    now: float,
) -> Iterable[MissingRecord]:
    moving = bool(unseen) and rows_arrive(snapshot, known)
    room = MOST_UNSEEN - known.made
    for site in lacking:
        if not site.public:
            continue  # Nobody visits it: its record is made when it is back.
        seen = site.id in waiting
        due = waiting[site.id] if seen else unseen[site.id]
        hold = ""
        if due > now:
            hold = "retry" if seen else "unseen"
        elif not seen:
            hold = "arriving" if moving else "limit" if room <= 0 else ""
            room -= not hold
        yield MissingRecord(site.id, _host(site), due, seen, hold)


def rows_arrive(snapshot: Snapshot, known: RecordHistory) -> bool:
    """Return whether rows came or went since the last complete read which no event explains."""
    if known.rows is None:
        return True
    before, now = known.rows, rows_of(snapshot)
    fresh = [event for event in snapshot.events if event.uid not in known.uids]
    created = {event.blog_id for event in fresh if event.kind in CREATED}
    deleted = {event.blog_id for event in fresh if event.kind == SITE_DELETED}
    mapped = sum(event.kind == MAPPED for event in fresh)
    removed = sum(event.kind == REMOVED for event in fresh)
    return not (
        now.sites - before.sites == len(created) - len(deleted)
        and 0 <= now.highest_site - before.highest_site <= len(created)
        and now.mappings - before.mappings == mapped - removed
        and 0 <= now.highest_mapping - before.highest_mapping <= mapped
    )


def _newer(snapshot: Snapshot, above: int) -> Iterable[Site]:
    # They come in the order of their ids, and nearly all are old.
    for number in reversed(snapshot.sites):
        if number <= above:
            return
        yield snapshot.sites[number]


def without_record(snapshot: Snapshot, sites: Collection[Site]) -> list[Site]:
    """Return those of `sites` that could have a domain record, and have none.

    What only WordPress knows (shared base domains, paths, filters) is asked there before anything is made.
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
    served = {mapping.blog_id for mapping in snapshot.mappings if mapping.blog_id in possible}
    taken = {mapping.domain for mapping in snapshot.mappings if mapping.domain in names}
    return [site for site in sites if site.id in possible and site.id not in served and possible[site.id] not in taken]


def _host(site: Site) -> str:
    return site.domain.lower().partition(":")[0]


def backfillable(snapshot: Snapshot) -> list[MissingRecord]:
    """Return every site that lacks its record, old or new."""
    everyone = without_record(snapshot, snapshot.sites.values())
    return [MissingRecord(site.id, _host(site), 0.0) for site in everyone if site.public]
