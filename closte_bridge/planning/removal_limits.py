"""The gate: how many removals may go at once, whatever the evidence says (rule 4)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.ledger.state import AliasPhase, RemovalClass
from closte_bridge.planning.model import NOTHING_APPROVED, OverLimit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.planning.additions import PlanContext
    from closte_bridge.planning.model import Approval, Change
    from closte_bridge.planning.removals import Candidates

HOUR = 3600.0
DAY = 86400.0


class Limit(NamedTuple):
    """At most `floor` domains or `share` of what is managed now, whichever is more, in any `window` seconds."""

    window: float
    floor: int
    share: float
    never_all: bool


# The better founded class first: what it lets through counts against the other.
LIMITS = {
    RemovalClass.EVENT: Limit(window=HOUR, floor=20, share=0.25, never_all=False),
    RemovalClass.INFERENCE: Limit(window=DAY, floor=3, share=0.10, never_all=True),
}


def digest(network: str, removal_class: RemovalClass, names: Iterable[str]) -> str:
    """Return the 12 hex digits that stand for exactly these names of this class in this network."""
    text = "\n".join([network, removal_class.value, *sorted(names)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class LimitedRemovals(NamedTuple):
    """What the gate lets through and what it keeps."""

    changes: list[Change]
    over_limit: list[OverLimit]


def limit_removals(context: PlanContext, found: Candidates, approval: Approval = NOTHING_APPROVED) -> LimitedRemovals:
    """Let each class of removals through, or keep all of it if it is over its limit.

    Whatever went in the window counts, by event, by inference, by command or by approval, and so does what goes in this
    plan: an approval makes no room for what was not approved. A kept class goes if its digest was approved, and of it
    whatever domains were approved one by one. Approval lifts the limit and nothing else: what is not due by its
    evidence is not here.
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
        mark = digest(context.snapshot.network.domain, removal_class, (c.name for c in due))
        agreed = [c for c in due if mark in approval.digests or c.name in approval.names]
        passed.changes.extend(c._replace(removal_class=RemovalClass.APPROVED) for c in agreed)
        names = tuple(c.name for c in due if c not in agreed)
        if names:
            mark = digest(context.snapshot.network.domain, removal_class, names)
            passed.over_limit.append(OverLimit(removal_class, names, removed, waiting, allowed, limit.window, mark))
    return passed


def _perhaps_removed(context: PlanContext, found: Candidates) -> int:
    """Return how many removals may have happened: their answer was lost, and they are not asked for anew."""
    counted = {change.name for change in found.due}.union(*found.waiting.values())
    return sum(
        1
        for name, unsettled in context.ledger.unsettled.items()
        if unsettled.phase is AliasPhase.REMOVING and name not in counted and name not in context.observed.names
    )


def _removed_lately(context: PlanContext, window: float) -> int:
    """Return how many removals the window holds; after a jump of the clock all that the ledger has count."""
    return sum(1 for _, at in context.ledger.removals if context.ledger.clock_jumped or context.now - at < window)
