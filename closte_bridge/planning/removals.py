"""Plan removals of managed aliases that nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.domains import WILDCARD, WWW, is_clostes_own, is_wildcard, wildcard_over
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import Absence, AliasPhase, Origin, RemovalClass
from closte_bridge.planning.additions import never_added, served_by
from closte_bridge.planning.model import Change, Hold, HoldCode

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.additions import PlanContext
    from closte_bridge.wordpress.snapshot import Snapshot

# Rule 4: a domain counts as absent after this many complete reads of WordPress.
ENOUGH_SNAPSHOTS = 3

_SOURCES = {Origin.CONFIG: "it came from the config", Origin.PIN: "it was pinned"}


def lost_class(name: str, ledger: LedgerState) -> RemovalClass:
    """Return the class of a removal with a lost response, from the evidence that the ledger still has."""
    if name in ledger.leaving:
        return RemovalClass.COMMAND
    return RemovalClass.EVENT if name in ledger.evidence else RemovalClass.INFERENCE


class Candidates(NamedTuple):
    """Removals before the limits apply: due, waiting (by class), and on hold."""

    due: list[Change]
    waiting: dict[RemovalClass, list[str]]
    holds: list[Hold]
    absences: dict[str, Absence]
    mentioned_again: tuple[str, ...]


def candidates(context: PlanContext) -> Candidates:
    """Decide about each managed alias that is not mapped. Only a complete snapshot proves absence."""
    found = Candidates([], {cls: [] for cls in RemovalClass}, [], {}, _mentioned_again(context))
    for name, origin in sorted(_managed_on_closte(context).items()):
        if name in context.desire.mapped:
            continue
        _classify(name, origin, context, found)
    return found


def _managed_on_closte(context: PlanContext) -> dict[str, Origin]:
    """Return the managed aliases that may be on Closte: settled ones, and unsettled ones that the list shows."""
    mapped, leaving = context.desire.mapped, context.ledger.leaving
    observed = context.observed
    managed = {
        name: Origin(context.ledger.managed[name])
        for name in context.ledger.managed
        if name not in mapped
        # Skip the many `www.` forms of mapped domains early: they are in use.
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
    """Return the domains whose absence or evidence is void, because something uses them."""
    suspects = context.ledger.absences.keys() | context.ledger.evidence.keys()
    return tuple(sorted(name for name in suspects if context.desire.mention(name)))


def protected(name: str, snapshot: Snapshot, ledger: LedgerState) -> str | None:
    """Return why `name` is protected from removal (rule 3), or None.

    The config's `keep` is not checked here: its domains count as in use.
    """
    for own in (snapshot.network.domain, *ledger.former_domains):
        if name.removeprefix(WILDCARD) in {own, WWW + own, own.removeprefix(WWW)}:
            former = "" if own == snapshot.network.domain else "former "
            return f'protected as the network\'s {former}main domain ("{own}")'
    if is_clostes_own(name):
        return "protected as a closte.com domain"
    return None


def _classify(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    if name in context.ledger.leaving:
        _classify_requested(name, origin, context, found)
        return
    if context.desire.mention(name):
        return
    if why := protected(name, context.snapshot, context.ledger):
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.PROTECTED, why))
    elif origin in {Origin.CONFIG, Origin.PIN} or is_wildcard(name):
        # A wildcard may cover more domains than its mapping shows, so a deleted mapping proves too little.
        what = "it is a wildcard" if is_wildcard(name) else _SOURCES[origin]
        reason = f"{what}; remove it with `closte-bridge domain remove`"
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.BY_COMMAND_ONLY, reason))
    elif not context.snapshot.complete:
        found.holds.append(_incomplete(name, context.snapshot))
    else:
        _classify_evidence(name, origin, context, found)


def _incomplete(name: str, snapshot: Snapshot) -> Hold:
    what = (
        "WordPress could not be read completely" if snapshot.faults else "the WordPress database was probably restored"
    )
    return Hold(Action.REMOVE, name, HoldCode.SNAPSHOT_PARTIAL, f"{what}: {snapshot.problems[0]}")


def _classify_requested(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    """Decide about a requested removal: never of a domain in use, protected, or needed by others as their wildcard."""
    if why := protected(name, context.snapshot, context.ledger):
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.PROTECTED, why))
        return
    if mention := context.desire.mention(name):
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.MENTIONED, f"still in use by {mention}"))
        return
    if not context.snapshot.complete:
        # A wildcard may cover a domain that was not read.
        found.holds.append(_incomplete(name, context.snapshot))
        return
    if is_wildcard(name) and (dependent := _dependent(name, context)):
        reason = f'"{dependent}" still depends on it and must be added separately first'
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.WILDCARD_COVERS, reason))
        return
    change = Change(Action.REMOVE, name, origin, "requested with `domain remove`", RemovalClass.COMMAND)
    _sort(change, None, context, found)


def _dependent(wildcard: str, context: PlanContext) -> str | None:
    """Return a domain that only this wildcard serves, or None if the list contains all that it covers."""
    if not context.observed.complete:
        return wildcard.removeprefix(WILDCARD)
    # Domains of unmapped sites and kept domains are never added automatically: a user has to pin them.
    unasked = context.desire.site_domains() | context.desire.kept
    served = {name for name in served_by(wildcard, context) if not never_added(name, context)}
    served |= {name for name in unasked if wildcard_over(name) == wildcard}
    return min(served - context.observed.names, default=None)


def _classify_evidence(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    evidence = context.ledger.evidence.get(name)
    if evidence:
        cause = evidence.kind.replace("_", " ")
        change = Change(Action.REMOVE, name, origin, cause, RemovalClass.EVENT)
        # After a clock jump the age of the event is unknown, so the delay starts over.
        received = context.now if context.ledger.clock_jumped else evidence.received
        due = received + context.policy.removal_delay
        reason = f"{cause}; removal is delayed in case the mapping returns"
        wait = Hold(Action.REMOVE, name, HoldCode.WAITING, reason, due)
        if context.snapshot.events_waiting > len(context.snapshot.events):
            # A newer event may restore the mapping.
            wait = wait._replace(reason=f"{cause}; newer events have not been read yet", until=None)
        _sort(change, wait if wait.until is None or due > context.now else None, context, found)
        return
    if not context.observed.complete:
        observed = context.observed
        reason = "Closte's list could not be read"
        if observed.readable:
            reason = f"Closte's list is incomplete: {observed.reason}"
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.LIST_NOT_COMPLETE, reason))
        return
    absence = _absence(name, context)
    found.absences[name] = absence
    due = absence.since + context.policy.removal_grace
    change = Change(Action.REMOVE, name, origin, "no longer in WordPress", RemovalClass.INFERENCE)
    reason = f"missing from {counted(absence.times, 'complete read')} of WordPress"
    ready = absence.times >= ENOUGH_SNAPSHOTS and due <= context.now
    _sort(change, None if ready else Hold(Action.REMOVE, name, HoldCode.WAITING, reason, due), context, found)


def _absence(name: str, context: PlanContext) -> Absence:
    earlier = context.ledger.absences.get(name)
    if earlier is None or context.ledger.clock_jumped or context.now < earlier.last:
        return Absence(context.now, 1, context.now)
    return Absence(earlier.since, earlier.times + 1, context.now)


def _sort(change: Change, wait: Hold | None, context: PlanContext, found: Candidates) -> None:
    """Add a removal to `due` or `waiting`. A failed one waits for its next try."""
    trouble = context.ledger.trouble(change.name, Action.REMOVE)
    if wait is None and trouble and trouble.next_try > context.now and not context.retry:
        wait = Hold(Action.REMOVE, change.name, HoldCode.BACK_OFF, trouble.message, trouble.next_try)
    if wait is None:
        found.due.append(change)
        return
    found.holds.append(wait)
    assert change.removal_class is not None  # noqa: S101 - every removal has its class
    found.waiting[change.removal_class].append(change.name)
