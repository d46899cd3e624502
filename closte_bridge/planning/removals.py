"""Plan removals of managed aliases that nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.domains import WILDCARD, WWW, is_clostes_own, is_wildcard, wildcard_over
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import Absence, AliasPhase, Origin, RemovalClass
from closte_bridge.planning.additions import never_added, served_by
from closte_bridge.planning.model import Hold, HoldCode, Removal

if TYPE_CHECKING:
    from closte_bridge.ledger.state import Evidence, LedgerState
    from closte_bridge.planning.additions import PlanContext
    from closte_bridge.planning.completeness import CompleteList, Observed
    from closte_bridge.planning.desired import DomainPolicy
    from closte_bridge.wordpress.snapshot import CompleteSnapshot, Snapshot

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

    due: list[Removal]
    waiting: dict[RemovalClass, list[str]]
    holds: list[Hold]
    absences: dict[str, Absence]
    mentioned_again: tuple[str, ...]


class InferenceBasis(NamedTuple):
    """What a removal without an event is inferred from: both sides, complete (rule 1), and earlier reads."""

    snapshot: CompleteSnapshot
    observed: CompleteList
    ledger: LedgerState
    policy: DomainPolicy
    now: float


def candidates(context: PlanContext) -> Candidates:
    """Decide about each managed alias that is not mapped. Only a complete snapshot proves absence."""
    found = Candidates([], {cls: [] for cls in RemovalClass}, [], {}, _mentioned_again(context))
    for name, origin in sorted(_managed_on_closte(context).items()):
        if name not in context.desire.mapped:
            _classify(name, origin, context, found)
    return found


def _managed_on_closte(context: PlanContext) -> dict[str, Origin]:
    """Return the managed aliases that may be on Closte: settled ones, and unsettled ones that the list shows."""
    mapped, leaving, names = context.desire.mapped, context.ledger.leaving, context.observed.names
    unknown = context.observed.complete is None
    managed = {
        name: Origin(context.ledger.managed[name])
        for name in context.ledger.managed
        if name not in mapped
        # Skip the many `www.` forms of mapped domains early: they are in use.
        and (name[:4] != WWW or name[4:] not in mapped or name in leaving)
        and (unknown or name in names)
    }
    for name, unsettled in context.ledger.unsettled.items():
        removing = unsettled.phase is AliasPhase.REMOVING
        if (removing and (unknown or name in names)) or (unsettled.absent_before and name in names):
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
    requested, mention = name in context.ledger.leaving, context.desire.mention(name)
    if mention and not requested:
        return
    if why := protected(name, context.snapshot, context.ledger):
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.PROTECTED, why))
    elif mention:
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.MENTIONED, f"still in use by {mention}"))
    elif not requested and (origin in _SOURCES or is_wildcard(name)):
        # A wildcard may cover more domains than its mapping shows, so a deleted mapping proves too little.
        what = "it is a wildcard" if is_wildcard(name) else _SOURCES[origin]
        reason = f"{what}; remove it with `closte-bridge domain remove`"
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.BY_COMMAND_ONLY, reason))
    elif (snapshot := context.snapshot.complete) is None:
        # A wildcard may also cover a domain that was not read.
        found.holds.append(_incomplete(name, context.snapshot))
    elif requested:
        _classify_requested(name, origin, context, found)
    elif evidence := context.ledger.evidence.get(name):
        _classify_confirmed(Removal(name, origin, _cause(evidence), RemovalClass.EVENT), evidence, context, found)
    elif (observed := context.observed.complete) is None:
        found.holds.append(_unlisted(name, context.observed))
    else:
        basis = InferenceBasis(snapshot, observed, context.ledger, context.policy, context.now)
        found.absences[name], removal, wait = infer(name, origin, basis)
        _sort(removal, wait, context, found)


def _incomplete(name: str, snapshot: Snapshot) -> Hold:
    what = (
        "WordPress could not be read completely" if snapshot.faults else "the WordPress database was probably restored"
    )
    return Hold(Action.REMOVE, name, HoldCode.SNAPSHOT_PARTIAL, f"{what}: {snapshot.problems[0]}")


def _unlisted(name: str, observed: Observed) -> Hold:
    why = f"is incomplete: {observed.reason}" if observed.readable else "could not be read"
    return Hold(Action.REMOVE, name, HoldCode.LIST_NOT_COMPLETE, f"Closte's list {why}")


def _classify_requested(name: str, origin: Origin, context: PlanContext, found: Candidates) -> None:
    """Decide about a requested removal: never of a wildcard that others need."""
    if is_wildcard(name) and (dependent := _dependent(name, context)):
        reason = f'"{dependent}" still depends on it and must be added separately first'
        found.holds.append(Hold(Action.REMOVE, name, HoldCode.WILDCARD_COVERS, reason))
        return
    _sort(Removal(name, origin, "requested with `domain remove`", RemovalClass.COMMAND), None, context, found)


def _dependent(wildcard: str, context: PlanContext) -> str | None:
    """Return a domain that only this wildcard serves, or None if a complete list contains all that it covers."""
    observed = context.observed.complete
    if observed is None:
        return wildcard.removeprefix(WILDCARD)
    # Domains of unmapped sites and kept domains are never added automatically: a user has to pin them.
    unasked = context.desire.site_domains() | context.desire.kept
    served = {name for name in served_by(wildcard, context) if not never_added(name, context)}
    served |= {name for name in unasked if wildcard_over(name) == wildcard}
    return min(served - observed.names, default=None)


def _cause(evidence: Evidence) -> str:
    return evidence.kind.replace("_", " ")


def _classify_confirmed(removal: Removal, evidence: Evidence, context: PlanContext, found: Candidates) -> None:
    # After a clock jump the age of the event is unknown, so the delay starts over.
    received = context.now if context.ledger.clock_jumped else evidence.received
    due = received + context.policy.removal_delay
    wait = None
    if context.snapshot.events_waiting > len(context.snapshot.events):
        # A newer event may restore the mapping.
        reason = f"{removal.cause}; newer events have not been read yet"
        wait = Hold(Action.REMOVE, removal.name, HoldCode.WAITING, reason)
    elif due > context.now:
        reason = f"{removal.cause}; removal is delayed in case the mapping returns"
        wait = Hold(Action.REMOVE, removal.name, HoldCode.WAITING, reason, due)
    _sort(removal, wait, context, found)


def infer(name: str, origin: Origin, basis: InferenceBasis) -> tuple[Absence, Removal, Hold | None]:
    """Return the absence of a domain that nothing mentions and no event explains, its removal, and why that waits."""
    absence = _absence(name, basis)
    due = absence.since + basis.policy.removal_grace
    removal = Removal(name, origin, "no longer in WordPress", RemovalClass.INFERENCE)
    if absence.times >= ENOUGH_SNAPSHOTS and due <= basis.now:
        return absence, removal, None
    reason = f"missing from {counted(absence.times, 'complete read')} of WordPress"
    return absence, removal, Hold(Action.REMOVE, name, HoldCode.WAITING, reason, due)


def _absence(name: str, basis: InferenceBasis) -> Absence:
    earlier = basis.ledger.absences.get(name)
    if earlier is None or basis.ledger.clock_jumped or basis.now < earlier.last:
        return Absence(basis.now, 1, basis.now)
    return Absence(earlier.since, earlier.times + 1, basis.now)


def _sort(removal: Removal, wait: Hold | None, context: PlanContext, found: Candidates) -> None:
    """Add a removal to `due` or `waiting`. A failed one waits for its next try."""
    trouble = context.ledger.trouble(removal.name, Action.REMOVE)
    if wait is None and trouble and trouble.next_try > context.now and not context.retry:
        wait = Hold(Action.REMOVE, removal.name, HoldCode.BACK_OFF, trouble.message, trouble.next_try)
    if wait is None:
        found.due.append(removal)
        return
    found.holds.append(wait)
    found.waiting[removal.removal_class].append(removal.name)
