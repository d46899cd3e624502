"""The gate: how many removals may go at once, whatever the evidence says (rule 4)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.ledger.state import Phase, RemovalClass
from closte_bridge.planning.model import NOTHING_APPROVED, Withheld
from closte_bridge.planning.removals import lost_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.planning.additions import Look
    from closte_bridge.planning.model import Approval, Change
    from closte_bridge.planning.removals import Candidates

HOUR = 3600.0
DAY = 86400.0


class Limit(NamedTuple):
    """At most `floor` names or `share` of the ledger, whichever is more, in any `window` seconds.

    The ledger's size is what it was before the removals of the window.
    """

    window: float
    floor: int
    share: float
    never_all: bool


LIMITS = {
    RemovalClass.INFERENCE: Limit(window=DAY, floor=3, share=0.10, never_all=True),
    RemovalClass.EVENT: Limit(window=HOUR, floor=20, share=0.25, never_all=False),
}


def digest(network: str, removal_class: RemovalClass, names: Iterable[str]) -> str:
    """Return the 12 hex digits that stand for exactly these names of this class in this network."""
    text = "\n".join([network, removal_class.value, *sorted(names)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Passed(NamedTuple):
    """What the gate lets through and what it keeps."""

    changes: list[Change]
    withheld: list[Withheld]


def gate(look: Look, found: Candidates, approval: Approval = NOTHING_APPROVED) -> Passed:
    """Let each class of removals through, or keep all of it when it is over its limit.

    A kept class goes when its digest was approved, and of it whatever names were approved one by one. Approval lifts
    the limit and nothing else: what is not due by its evidence is not here.
    """
    passed = Passed([c for c in found.due if c.removal_class is RemovalClass.COMMAND], [])
    going = sum(1 for u in look.ledger.unsettled.values() if u.phase is Phase.REMOVING)
    size = len(look.ledger.ours) + going
    unsettled = _perhaps_removed(look, found)
    for removal_class, limit in LIMITS.items():
        due = [c for c in found.due if c.removal_class is removal_class]
        if not due:
            continue
        lately = _removed_lately(look, limit.window) + unsettled
        removed = lately.count(removal_class)
        waiting = len(due) + len(found.waiting[removal_class])
        # Of what there was before: a run that was interrupted half-way must find the limit that it began with.
        allowed = max(limit.floor, int((size + len(lately)) * limit.share))
        if removed + waiting <= allowed and not (limit.never_all and waiting >= size):
            passed.changes.extend(due)
            continue
        mark = digest(look.snapshot.network.domain, removal_class, (c.name for c in due))
        agreed = [c for c in due if mark in approval.digests or c.name in approval.names]
        passed.changes.extend(c._replace(removal_class=RemovalClass.APPROVED) for c in agreed)
        names = tuple(c.name for c in due if c not in agreed)
        if names:
            mark = digest(look.snapshot.network.domain, removal_class, names)
            passed.withheld.append(Withheld(removal_class, names, removed, waiting, allowed, limit.window, mark))
    return passed


def _perhaps_removed(look: Look, found: Candidates) -> list[RemovalClass]:
    """Return the class of each removal that may have happened: its answer was lost, and it is not asked for anew."""
    counted = {change.name for change in found.due}.union(*found.waiting.values())
    return [
        lost_class(name, look.ledger)
        for name, unsettled in look.ledger.unsettled.items()
        if unsettled.phase is Phase.REMOVING and name not in counted and name not in look.observed.names
    ]


def _removed_lately(look: Look, window: float) -> list[RemovalClass]:
    """Return the class of each removal inside the window; after a jump of the clock all that the ledger has count."""
    return [cls for cls, at in look.ledger.removals if look.ledger.clock_jumped or look.now - at < window]
