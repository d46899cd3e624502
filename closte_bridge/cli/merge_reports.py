"""One report of a run and of those that followed it, which were about some of its names alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.planning.model import Action

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.run import RunReport
    from closte_bridge.engine.verify import CheckResults
    from closte_bridge.planning.model import Change, Hold

Key = tuple[Action, str]


def merge(first: RunReport, later: RunReport) -> RunReport:
    """Return the report of `first` as it stands after `later`.

    What the later one did not concern itself with, such as removals that the gate withheld, is as it was.
    """
    verified = _seen_since(first.verified, later.verified)
    if first.applied is None or later.applied is None:
        return replace(first, verified=verified)
    applied, tried = _done_since(first.applied, later.applied, later.view.observed.names)
    known = {_key(change) for change in first.plan.changes}
    more = [change for change in later.plan.changes if _key(change) in tried - known]
    plan = replace(
        first.plan,
        changes=(*first.plan.changes, *more),
        held=tuple(hold for hold in first.plan.held if _key(hold) not in tried),
        unproven=first.plan.unproven - {change.name for change in more},
    )
    return replace(first, plan=plan, applied=applied, verified=verified)


def _key(change: Change | Hold) -> Key:
    return change.action, change.name


def _done_since(first: Applied, later: Applied, there: Collection[str]) -> tuple[Applied, set[Key]]:
    """Return what became of the changes of both, and those that the later one tried; `there` is Closte's list now."""
    done = {_key(change): change for change in (*first.done, *later.done)}
    # An answer was lost, and the addition was made.
    lost = [failure.change for failure in first.failed if failure.change.name in there]
    done |= {_key(change): change for change in lost if change.action is Action.ADD}
    failed = {_key(failure.change): failure for failure in (*first.failed, *later.failed)}
    tried = {_key(change) for change in later.done} | {_key(failure.change) for failure in later.failed}
    applied = replace(
        first,
        done=[*done.values()],
        failed=[failure for key, failure in failed.items() if key not in done],
        held=[hold for hold in first.held if _key(hold) not in tried],
        not_begun=[change for change in first.not_begun if _key(change) not in tried],
        key_rejected=first.key_rejected or later.key_rejected,
    )
    return applied, tried


def _seen_since(first: CheckResults | None, later: CheckResults | None) -> CheckResults | None:
    """Return what was seen of all names, and where each stage has moved in the end."""
    if first is None or later is None:
        return later or first
    moving = {change.name for change in later.stages.changes}
    before = tuple(change for change in first.stages.changes if change.name not in moving)
    moved = [move for move in first.moved if move.name not in moving]
    return replace(
        later,
        checked=first.checked | later.checked,
        stages=later.stages._replace(changes=before + later.stages.changes),
        moved=moved + later.moved,
        due_later=first.due_later,
    )
