"""Which names are to have their DNS and certificate looked at now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import not_public
from closte_bridge.ledger import check_state as check_states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Snapshot


class Due(NamedTuple):
    """The names to look at, the longest due first, and those that were looked at once and matter no more.

    `idle` is what was known before `wp` answered, when there is nothing to look at and that still holds.
    """

    names: list[str]
    gone: Collection[str]
    idle: DuePreview | None = None


def watched_names(engine: Engine, view: Observation) -> Iterator[str]:
    """Give every name whose DNS and certificate may matter, each once: wanted ones, and `www.` forms that may be."""
    desire = view.desire(engine)
    mapped, www, own = desire.mapped, desire.www, own_sites(view.snapshot)

    def managed(name: str) -> bool:
        return name in mapped and mapped[name].blog_id in own

    def form_of_ours(name: str) -> bool:
        return name in www and mapped[www[name]].blog_id in own

    yield from (name for name, mapping in mapped.items() if mapping.blog_id in own)
    yield from (
        form for form, name in www.items() if mapped[name].blog_id in own and not (form in mapped and managed(form))
    )
    yield from (name for name in desire.configured | desire.pins if not managed(name) and not form_of_ours(name))


def own_sites(snapshot: Snapshot) -> set[int]:
    """Return the ids of this network's sites."""
    return {site.id for site in snapshot.sites.values() if site.network_id == snapshot.network.id}


def due_names(engine: Engine, ledger: Ledger, view: Observation, only: Collection[str], now: float) -> Due:
    """Return what is to be looked at: what is due at `now`, or `only` those names."""
    ahead = view.ahead
    # Mostly nothing is due, and a set of 200,000 names would be made for nothing.
    if ahead and not only and not ahead.due and ahead.are_the_others(watched_names(engine, view)):
        return Due([], (), ahead)
    names = set(watched_names(engine, view))
    if ahead and not only and ahead.due.keys() <= names and ahead.are_the_others(names.difference(ahead.due)):
        return Due(_in_order(ahead.due, ahead.due), ())
    # One pass over what the ledger holds: there can be 200,000 names.
    due_at: dict[str, float] = {}
    gone = []
    for name, next_check in check_states.next_checks(ledger):
        if name not in names:
            gone.append(name)
        elif next_check <= now or only:
            due_at[name] = next_check
        else:
            names.discard(name)
    return Due(_in_order((name for name in names if not only or name in only), due_at), gone)


def _in_order(names: Iterable[str], due_at: Mapping[str, float]) -> list[str]:
    public = (name for name in names if not not_public(name))
    return sorted(public, key=lambda name: (due_at.get(name, 0.0), name))


def next_check(ledger: Ledger, due: Due) -> float | None:
    """Return when the next name is due, after these have been looked at; None when none ever is."""
    if due.idle:
        return due.idle.first
    if not due.gone:
        return check_states.first_check(ledger)
    # What is remembered of names that are not looked at any more is never due.
    over = frozenset(due.gone)
    return min((at for name, at in check_states.next_checks(ledger) if name not in over), default=None)
