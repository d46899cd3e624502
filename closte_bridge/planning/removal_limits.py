"""Removal limits (rule 4)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.ledger.state import AliasPhase, RemovalClass
from closte_bridge.planning.model import NOTHING_APPROVED, OverLimit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.planning.additions import PlanContext
    from closte_bridge.planning.model import Approval, Removal
    from closte_bridge.planning.removals import Candidates

HOUR = 3600.0
DAY = 86400.0


class Limit(NamedTuple):
    """At most `floor` domains or `share` of the managed ones, whichever is more, in any `window` seconds.

    `never_all`: never remove all managed domains without approval.
    """

    window: float
    floor: int
    share: float
    never_all: bool


# Confirmed removals come first: they count against the limit of inferred ones.
LIMITS = {
    RemovalClass.EVENT: Limit(window=HOUR, floor=20, share=0.25, never_all=False),
    RemovalClass.INFERENCE: Limit(window=DAY, floor=3, share=0.10, never_all=True),
}


def digest(network: str, removal_class: RemovalClass, names: Iterable[str]) -> str:
    """Return 12 hex digits that identify exactly these domains of this class in this network."""
    text = "\n".join([network, removal_class.value, *sorted(names)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class LimitedRemovals(NamedTuple):
    """Removals within the limits, and classes that need approval."""

    changes: list[Removal]
    over_limit: list[OverLimit]


def limit_removals(context: PlanContext, found: Candidates, approval: Approval = NOTHING_APPROVED) -> LimitedRemovals:
    """Allow each removal class, or block it completely if it exceeds its limit.

    All removals in the window count, of any class, and so do those of this plan: an approval makes no room for
    unapproved removals. A blocked class is removed if its digest was approved; single approved domains of it are
    removed as well. Approval lifts only the limit: removals that are not due yet stay on hold.
    """
    passed = LimitedRemovals([c for c in found.due if c.removal_class is RemovalClass.COMMAND], [])
    unsettled = _perhaps_removed(context, found)
    going = sum(1 for u in context.ledger.unsettled.values() if u.phase is AliasPhase.REMOVING)
    managed = len(context.ledger.managed) + going - unsettled
    for removal_class, limit in LIMITS.items():
        due = [c for c in found.due if c.removal_class is removal_class]
        if not due:
            continue
        removed = _removed_lately(context, limit.window) + unsettled + len(passed.changes)
        waiting = len(due) + len(found.waiting[removal_class])
        allowed = max(limit.floor, int(managed * limit.share))
        if removed + waiting <= allowed and not (limit.never_all and waiting >= managed):
            passed.changes.extend(due)
            continue
        whole = digest(context.snapshot.network.domain, removal_class, (c.name for c in due))
        approved = [c for c in due if whole in approval.digests or c.name in approval.names]
        passed.changes.extend(c._replace(removal_class=RemovalClass.APPROVED) for c in approved)
        names = tuple(c.name for c in due if c not in approved)
        if names:
            rest = digest(context.snapshot.network.domain, removal_class, names)
            passed.over_limit.append(OverLimit(removal_class, names, removed, waiting, allowed, limit.window, rest))
    return passed


def _perhaps_removed(context: PlanContext, found: Candidates) -> int:
    """Return how many removals may have happened: their response was lost, and this plan does not repeat them."""
    known = {change.name for change in found.due}.union(*found.waiting.values())
    return sum(
        1
        for name, unsettled in context.ledger.unsettled.items()
        if unsettled.phase is AliasPhase.REMOVING and name not in known and name not in context.observed.names
    )


def _removed_lately(context: PlanContext, window: float) -> int:
    """Return the number of removals in the window; after a clock jump, all removals in the ledger."""
    return sum(1 for _, at in context.ledger.removals if context.ledger.clock_jumped or context.now - at < window)
