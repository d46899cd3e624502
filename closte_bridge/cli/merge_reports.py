"""Merge the report of a run with those of its follow-up runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.hosting import Action

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.run import RunReport
    from closte_bridge.engine.verify import CheckResults
    from closte_bridge.planning.model import Change, Hold

Key = tuple[Action, str]


def merge(first: RunReport, later: RunReport) -> RunReport:
    """Return the report of `first`, updated with `later`, which covered only some of its domains.

    The rest stays as it was, for example removals that need approval.
    """
    verified = _merged_checks(first.verified, later.verified)
    if first.applied is None or later.applied is None:
        return replace(first, verified=verified)
    applied, tried = _merged_changes(first.applied, later.applied, later.view.observed.names)
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


def _merged_changes(first: Applied, later: Applied, listed: Collection[str]) -> tuple[Applied, set[Key]]:
    """Return the results of both runs, and the changes that the later one tried; `listed` is Closte's current list."""
    done = {_key(change): change for change in (*first.done, *later.done)}
    # A failed addition that is listed now was made: only its answer was lost.
    found = [failure.change for failure in first.failed if failure.change.name in listed]
    done |= {_key(change): change for change in found if change.action is Action.ADD}
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


def _merged_checks(first: CheckResults | None, later: CheckResults | None) -> CheckResults | None:
    """Return the checks of both runs, and the last change of each stage."""
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
