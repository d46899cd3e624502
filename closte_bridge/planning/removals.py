"""Which aliases of ours nothing mentions any more, and on what evidence they may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.domains import WILDCARD, WWW, is_clostes_own, is_wildcard, wildcard_over
from closte_bridge.ledger.state import Absence, AliasPhase, Origin, RemovalClass
from closte_bridge.planning.additions import never_added, served_by
from closte_bridge.planning.model import Action, Change, Hold

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.additions import PlanContext
    from closte_bridge.wordpress.snapshot import Snapshot

# Rule 4: an absence counts after so many complete snapshots.
ENOUGH_SNAPSHOTS = 3


def lost_class(name: str, ledger: LedgerState) -> RemovalClass:
    """Return what a removal with a lost answer rested on: its intent does not say, but its grounds are still there."""
    if name in ledger.leaving:
        return RemovalClass.COMMAND
    return RemovalClass.EVENT if name in ledger.evidence else RemovalClass.INFERENCE


class Candidates(NamedTuple):
    """Removals before the gate: those due, those that wait (by class), those held for another reason."""

    due: list[Change]
    waiting: dict[RemovalClass, list[str]]
    holds: list[Hold]
    absences: dict[str, Absence]
    mentioned_again: tuple[str, ...]


def candidates(context: PlanContext) -> Candidates:
    """Look at each alias that is ours and not wanted. Only a complete snapshot gives evidence of absence."""
    found = Candidates([], {cls: [] for cls in RemovalClass}, [], {}, _mentioned_again(context))
    for name, origin in sorted(_ours_at_closte(context).items()):
        if name in context.desire.mapped:
            continue
        _judge(name, origin, context, found)
    return found


def _ours_at_closte(context: PlanContext) -> dict[str, Origin]:
    """Aliases of ours that may be there: settled ones, and unsettled ones that are ours when the list shows them."""
    mapped, leaving = context.desire.mapped, context.ledger.leaving
    observed = context.observed
    managed = {
        name: Origin(context.ledger.managed[name])
        for name in context.ledger.managed
        if name not in mapped
        # The `www.` forms of mapped names, of which there may be as many: `_judge` would pass over each.
        and (name[:4] != WWW or name[4:] not in mapped or name in leaving)
        and (name in observed.names or not observed.complete)
    }
    for name, unsettled in context.ledger.unsettled.items():
        removing = unsettled.phase is AliasPhase.REMOVING
        if (removing and (name in observed.names or not observed.complete)) or (
            unsettled.absent_before and name in observed.names
        ):
            managed[name] = unsettled.origin
    return managed


def _mentioned_again(context: PlanContext) -> tuple[str, ...]:
    """Names whose absence or evidence no longer holds, because something mentions them."""
    suspects = context.ledger.absences.keys() | context.ledger.evidence.keys()
    return tuple(sorted(name for name in suspects if context.desire.mention(name)))


def protected(name: str, snapshot: Snapshot, ledger: LedgerState) -> str | None:
    """Return why `name` is never removed whatever is known of it (rule 3), or None.

    What the config keeps is not asked for here: it counts as mentioned.
    """
    for own in (snapshot.network.domain, *ledger.former_domains):
        if name.removeprefix(WILDCARD) in {own, WWW + own, own.removeprefix(WWW)}:
            return f'"{own}" is the network\'s own domain'
    if is_clostes_own(name):
        return "it belongs to Closte"
    return None


def _judge(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    if name in context.ledger.leaving:
        _judge_leaving(name, origin, context, found)
        return
    if context.desire.mention(name):
        return
    if why := protected(name, context.snapshot, context.ledger):
        found.holds.append(Hold(Action.REMOVE, name, "protected", why))
    elif origin in {Origin.CONFIG, Origin.PIN} or is_wildcard(name):
        # A wildcard covers more than whoever asked for it knows of, so a row that is gone says too little.
        what = "it is a wildcard" if is_wildcard(name) else f"it came from the {origin.word}"
        reason = f"{what} and leaves only by `closte-bridge domain remove`"
        found.holds.append(Hold(Action.REMOVE, name, "by-command-only", reason))
    elif not context.snapshot.complete:
        reason = f"the snapshot is not complete: {context.snapshot.problems[0]}"
        found.holds.append(Hold(Action.REMOVE, name, "snapshot-partial", reason))
    else:
        _judge_evidence(name, origin, context, found)


def _judge_leaving(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    """A person named it. Still: nothing mapped, nothing protected, and no name left bare behind a wildcard."""
    if why := protected(name, context.snapshot, context.ledger):
        found.holds.append(Hold(Action.REMOVE, name, "protected", why))
        return
    if mention := context.desire.mention(name):
        found.holds.append(Hold(Action.REMOVE, name, "mentioned", f"{mention} mentions it"))
        return
    if not context.snapshot.complete:
        # Also for a wildcard: what it covers may be among what was not read.
        reason = f"the snapshot is not complete: {context.snapshot.problems[0]}"
        found.holds.append(Hold(Action.REMOVE, name, "snapshot-partial", reason))
        return
    if is_wildcard(name) and (bare := _left_bare(name, context)):
        reason = f'"{bare}" is covered by it and must be an alias of its own first'
        found.holds.append(Hold(Action.REMOVE, name, "wildcard-covers", reason))
        return
    _sort(Change(Action.REMOVE, name, origin, "removed by command", RemovalClass.COMMAND), None, context, found)


def _left_bare(wildcard: str, context: PlanContext) -> str | None:
    """Return a name that only this wildcard serves, or None when all it covers are aliases by the list itself."""
    if not context.observed.complete:
        return wildcard.removeprefix(WILDCARD)
    # A site that no row maps is not added by itself, nor is what the config keeps: a person pins it, or keeps the
    # wildcard.
    unasked = context.desire.site_domains() | context.desire.kept
    served = {name for name in served_by(wildcard, context) if not never_added(name, context)}
    served |= {name for name in unasked if wildcard_over(name) == wildcard}
    return min(served - context.observed.names, default=None)


def _judge_evidence(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    evidence = context.ledger.evidence.get(name)
    if evidence:
        cause = evidence.kind.replace("_", " ")
        change = Change(Action.REMOVE, name, origin, cause, RemovalClass.EVENT)
        # After a jump of the clock nobody knows how long ago that was: the delay starts over.
        received = context.now if context.ledger.clock_jumped else evidence.received
        due = received + context.policy.removal_delay
        wait = Hold(Action.REMOVE, name, "waiting", f"{cause}; waits in case it comes back", due)
        if context.snapshot.events_waiting > len(context.snapshot.events):
            # One of them may say that the name is back.
            wait = wait._replace(reason=f"{cause}; not all later events have been read", until=None)
        _sort(change, wait if wait.until is None or due > context.now else None, context, found)
        return
    if not context.observed.complete:
        reason = f"Closte's list is not complete: {context.observed.reason}"
        found.holds.append(Hold(Action.REMOVE, name, "list-not-complete", reason))
        return
    absence = _absence(name, context)
    found.absences[name] = absence
    due = absence.since + context.policy.removal_grace
    change = Change(Action.REMOVE, name, origin, "missing in WordPress", RemovalClass.INFERENCE)
    reason = f"missing in {counted(absence.times, 'complete snapshot')}"
    ready = absence.times >= ENOUGH_SNAPSHOTS and due <= context.now
    _sort(change, None if ready else Hold(Action.REMOVE, name, "waiting", reason, due), context, found)


def _absence(name: str, context: PlanContext) -> Absence:
    earlier = context.ledger.absences.get(name)
    if earlier is None or context.ledger.clock_jumped or context.now < earlier.last:
        return Absence(context.now, 1, context.now)
    return Absence(earlier.since, earlier.times + 1, context.now)


def _sort(change: Change, wait: Hold | None, context: PlanContext, found: Candidates) -> None:
    """File a removal under due or waiting. One that failed before waits for its next try, and counts as waiting."""
    trouble = context.ledger.trouble(change.name, Action.REMOVE)
    if wait is None and trouble and trouble.next_try > context.now and not context.retry:
        wait = Hold(Action.REMOVE, change.name, "back-off", trouble.message, trouble.next_try)
    if wait is None:
        found.due.append(change)
        return
    found.holds.append(wait)
    assert change.removal_class is not None  # noqa: S101 - every removal has its class
    found.waiting[change.removal_class].append(change.name)
