"""Which sites lack their domain record, and when each is to get it. Pure.

Ultimate Multisite, or the shim where that is too old, makes a site's record in the request that creates the site. What
is missing later failed there, and is made up for: but only for sites that are new since the last complete look, so that
a record that somebody deleted stays deleted. Older sites are a person's decision (`domain backfill`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.wordpress.events import REMOVED, declines_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from closte_bridge.wordpress.snapshot import Site, Snapshot

# A site that nothing says is complete may still be in the making (a large one is being copied): seconds.
IN_THE_MAKING = 600.0
# The request that made the site is over when one of these is written.
_COMPLETE = frozenset({"site_created", "site_duplicated"})


class Lack(NamedTuple):
    """A site without its record; `due` is when that is made, in seconds since the epoch."""

    site: int
    domain: str
    due: float


class RecordPlan(NamedTuple):
    """Sites that lack their record.

    `waiting` is what has to be remembered of them (site => due), also of those that nobody can visit now; `settled` are
    those that were waited for and need it no more.
    """

    lacks: tuple[Lack, ...]
    waiting: dict[int, float]
    settled: frozenset[int]

    def due(self, now: float) -> tuple[Lack, ...]:
        """Return those whose time has come."""
        return tuple(lack for lack in self.lacks if lack.due <= now)


NO_RECORDS = RecordPlan((), {}, frozenset())


def plan_records(snapshot: Snapshot, *, above: int, waiting: Mapping[int, float], now: float) -> RecordPlan:
    """Return which sites newer than `above` lack their record, and which of those `waiting` (site => due) still do.

    Of a snapshot that is not complete nothing follows.
    """
    if not snapshot.complete or (snapshot.highest_site <= above and not waiting):
        return NO_RECORDS
    new = {site.id for site in _newer(snapshot, above)}
    candidates = [snapshot.sites[number] for number in sorted(new | (waiting.keys() & snapshot.sites.keys()))]
    declined = {event.blog_id for event in snapshot.events if declines_record(event)}
    given_up = {event.domain.lower() for event in snapshot.events if event.kind == REMOVED}
    over = {event.blog_id for event in snapshot.events if event.kind in _COMPLETE}
    lacking = [
        site for site in without_record(snapshot, candidates) if _host(site) not in given_up and site.id not in declined
    ]
    due = {site.id: now if site.id in over else waiting.get(site.id, now + IN_THE_MAKING) for site in lacking}
    return RecordPlan(
        # Nobody visits an archived site: its record is made when it is back.
        tuple(Lack(site.id, _host(site), due[site.id]) for site in lacking if site.public),
        due,
        frozenset(waiting.keys() - due.keys()),
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


def backfillable(snapshot: Snapshot) -> list[Lack]:
    """Return every site that lacks its record, old or new."""
    everyone = without_record(snapshot, snapshot.sites.values())
    return [Lack(site.id, _host(site), 0.0) for site in everyone if site.public]
