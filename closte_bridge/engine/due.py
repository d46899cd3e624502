"""Select domains whose checks are due."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import not_public
from closte_bridge.ledger import check_state as check_states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Snapshot


class Due(NamedTuple):
    """Domains to check, longest due first, and domains (`gone`) whose old results are no longer needed.

    `idle`: the preview made before `wp` answered, if it is still valid and nothing is due.
    """

    names: list[str]
    gone: Collection[str]
    idle: DuePreview | None = None


def watched_names(view: Observation) -> Iterator[str]:
    """Yield every domain to check, each once: needed domains and their possible `www.` forms."""
    desire = view.desire
    mapped, www, own = desire.mapped, desire.www, own_sites(view.snapshot)

    def mapped_here(name: str) -> bool:
        return name in mapped and mapped[name].blog_id in own

    def www_form_here(name: str) -> bool:
        return name in www and mapped[www[name]].blog_id in own

    yield from (name for name, mapping in mapped.items() if mapping.blog_id in own)
    yield from (form for form, name in www.items() if mapped[name].blog_id in own and not mapped_here(form))
    yield from (name for name in desire.configured | desire.pins if not mapped_here(name) and not www_form_here(name))


def own_sites(snapshot: Snapshot) -> set[int]:
    """Return the IDs of this network's sites."""
    return {site.id for site in snapshot.sites.values() if site.network_id == snapshot.network.id}


def due_names(ledger: Ledger, view: Observation, only: Collection[str], now: float) -> Due:
    """Return the domains to check: those due at `now`, or only the domains in `only`. Requested ones come first."""
    asked = view.events.to_check
    # The preview was made before the requests were known.
    preview = (None if asked else view.due_preview) or check_states.due_preview(ledger, now)
    names = set(watched_names(view))
    gone = [name for name in chain(preview.due, preview.others) if name not in names]
    due = names.intersection(only) if only else names - preview.others
    return Due(_in_order(due, preview.due, asked), gone, None if only or due or gone else preview)


def _in_order(names: Iterable[str], due_at: Mapping[str, float], first: Collection[str]) -> list[str]:
    public = (name for name in names if not not_public(name))
    return sorted(public, key=lambda name: (name not in first, due_at.get(name, 0.0), name))


def next_check(ledger: Ledger, due: Due) -> float | None:
    """Return when the next check is due after these, or None."""
    if due.idle:
        return due.idle.first
    if not due.gone:
        return check_states.first_check(ledger)
    gone = frozenset(due.gone)
    return min((at for name, at in check_states.next_checks(ledger) if name not in gone), default=None)
