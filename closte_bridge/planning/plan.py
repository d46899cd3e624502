"""Build a plan. Single entry point of the planning package."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW, shown
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import AliasPhase, LedgerState, Unsettled
from closte_bridge.planning.additions import PlanContext, additions, present_names
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import (
    NOTHING_APPROVED,
    Approval,
    Authority,
    Change,
    Hold,
    HoldCode,
    LedgerUpdates,
    Mode,
    Observed,
    OverLimit,
    Plan,
)
from closte_bridge.planning.removal_limits import limit_removals
from closte_bridge.planning.removals import Candidates, candidates

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot

# Seconds for which an intent is kept, because its request may still be on its way.
_INTENT_LIFE = 3600.0


def make_plan(  # noqa: PLR0913 - options by keyword, each with a default
    snapshot: Snapshot,
    observed: Observed,
    ledger: LedgerState,
    policy: DomainPolicy,
    authority: Authority,
    now: float,
    *,
    approval: Approval = NOTHING_APPROVED,
    retry: bool = False,
    desire: Desired | None = None,
) -> Plan:
    """Compare WordPress and Closte; return the changes, and the changes on hold with their reasons.

    `approval` allows removals above the limits; `retry` ignores back-off; `desire` is the result of `desired`, if the
    caller has it. Changes that the mode forbids are still planned: the caller checks `authority` before applying. In
    add-only mode, removals are on hold.
    """
    desire = desire or desired(snapshot, policy, ledger)
    # The domain is needed again, so cancel the pending removal.
    staying = frozenset(name for name in ledger.leaving if desire.ask(name))
    ledger = replace(ledger, leaving=ledger.leaving - staying)
    context = PlanContext(snapshot, observed, ledger, policy, desire, now, retry)
    adds, holds, unproven, there = additions(context)
    found = candidates(context)
    # The ledger updates depend on these domains alone.
    missing = [name for name in ledger.managed if name not in observed.names]
    relevant = {*ledger.unsettled, *ledger.failed_changes, *missing}
    wanted: set[str] = set()
    if relevant:
        wanted = relevant & unproven | relevant.intersection(item.name for items in (adds, holds) for item in items)
    # On hold without an end: these may never be tried again.
    idle = {*unproven, *(hold.name for hold in holds if not hold.until)} if ledger.unsettled else set()
    updates = _ledger_updates(context, found, wanted, missing, idle)
    updates = replace(updates, staying=tuple(sorted(staying)))
    removals, over_limit, forbidden = _allowed(*limit_removals(context, found, approval), authority)
    malformed = [
        Hold(Action.ADD, shown(m.domain[:255]), HoldCode.MALFORMED, f"invalid domain name: {why}")
        for m, why in context.desire.malformed
    ]
    unmanaged, orphaned = _unmanaged(context, there), _orphaned(context)
    busy = {item.name for items in (adds, holds, removals, forbidden, found.holds) for item in items}
    busy.update(name for kept in over_limit for name in kept.names)
    return Plan(
        authority=authority,
        observed=observed,
        snapshot_faults=snapshot.problems,
        changes=(*adds, *removals),
        held=(*holds, *forbidden, *found.holds, *malformed),
        unproven=unproven,
        over_limit=tuple(over_limit),
        unmanaged=tuple(sorted(unmanaged)),
        in_sync=_in_sync(context, unmanaged, orphaned, busy),
        updates=updates,
        lost=observed.lost,
        orphaned=orphaned,
    )


def _allowed(
    removals: list[Change], over_limit: list[OverLimit], authority: Authority
) -> tuple[list[Change], list[OverLimit], list[Hold]]:
    """Return the removals that the mode allows, the removals that need approval, and holds from the mode."""
    if authority.mode is Mode.ADD_ONLY:
        # Includes removals above a limit: without a hold they would count as in sync.
        names = [*(change.name for change in removals), *(name for kept in over_limit for name in kept.names)]
        return [], [], [Hold(Action.REMOVE, name, HoldCode.ADD_ONLY, authority.reason) for name in names]
    if authority.mode is Mode.INACTIVE:
        # Nothing is removed, so there is nothing to approve.
        why = "exceeds the removal limit"
        held = [Hold(Action.REMOVE, name, HoldCode.OVER_LIMIT, why) for kept in over_limit for name in kept.names]
        return removals, [], held
    return removals, over_limit, []


def own_domains(snapshot: Snapshot, desire: Desired) -> set[str]:
    """Return the forms of the network's main domain that nothing asks for; they do not count as in sync."""
    own = snapshot.network.domain
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in forms if name not in desire.mapped} - desire.configured - desire.pins


def _in_sync(context: PlanContext, unmanaged: set[str], orphaned: frozenset[str], busy: set[str]) -> int:
    """Count the domains in sync: on Closte, managed or in use, and not part of any change.

    If the list cannot be read, count the domains in the ledger.
    """
    names: Collection[str] = present_names(context.observed, context.ledger)
    if not context.observed.readable:
        names = context.ledger.managed.keys() | context.ledger.unsettled.keys()
    apart = busy.union(orphaned, own_domains(context.snapshot, context.desire))
    return len(names) - len(unmanaged) - sum(1 for name in apart if name in names)


def _orphaned(context: PlanContext) -> frozenset[str]:
    """Return the domains on Closte whose only mapping belongs to a deleted site."""
    present, sites, desire = present_names(context.observed, context.ledger), context.snapshot.sites, context.desire
    gone = (name for name, row in desire.mapped.items() if row.blog_id not in sites and name in present)
    return frozenset(name for name in gone if name not in desire.configured and name not in desire.pins)


def _unmanaged(context: PlanContext, there: int) -> set[str]:
    """Return the domains on Closte that are neither managed nor in use, except forms of the network's main domain.

    `there` is the number of mapped domains on Closte.
    """
    names, own = context.observed.names, context.snapshot.network.domain
    # With a paged list, `there` includes domains that only the ledger knows.
    if not context.observed.paged and len(names) == there + (own in names and own not in context.desire.mapped):
        return set()  # all domains on Closte are mapped
    managed, unsettled, mapped = context.ledger.managed, context.ledger.unsettled, context.desire.mapped
    rest = (n for n in names.difference(mapped) if n not in managed and n not in unsettled)
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in rest if name not in forms and not context.desire.mention(name)}


def _ledger_updates(
    context: PlanContext, found: Candidates, wanted: set[str], missing: list[str], idle: Collection[str]
) -> LedgerUpdates:
    """Return the ledger updates.

    `wanted`: domains to add now, or after their hold ends. `missing`: managed domains that the list does not show.
    `idle`: wanted domains whose hold may never end.
    """
    ledger, observed = context.ledger, context.observed
    fates = {name: _lost_answer(name, unsettled, context, wanted, idle) for name, unsettled in ledger.unsettled.items()}
    vanished = [name for name, fate in fates.items() if fate is _LostAnswer.VANISHED]
    if observed.complete:
        # Managed, no longer needed and already gone from Closte: only the ledger entry is left.
        vanished += (name for name in missing if name not in wanted and name not in ledger.added_lately)
    return LedgerUpdates(
        confirmed={
            name: ledger.unsettled[name].origin for name, fate in fates.items() if fate is _LostAnswer.CONFIRMED
        },
        vanished=tuple(sorted(vanished)),
        unclaimed=tuple(sorted(name for name, fate in fates.items() if fate is _LostAnswer.UNCLAIMED)),
        absences=found.absences,
        mentioned_again=found.mentioned_again,
        settled=tuple(sorted(name for name in ledger.failed_changes if _settled(name, context, wanted))),
        lapsed=tuple(sorted(name for name, fate in fates.items() if fate is _LostAnswer.LAPSED)),
    )


class _LostAnswer(Enum):
    """What the list shows about a change whose response was lost."""

    OPEN = 0
    CONFIRMED = 1
    VANISHED = 2
    LAPSED = 3
    UNCLAIMED = 4


def _lost_answer(
    name: str, unsettled: Unsettled, context: PlanContext, wanted: set[str], idle: Collection[str]
) -> _LostAnswer:
    there, gone = name in context.observed.names, context.observed.complete and name not in context.observed.names
    if unsettled.phase is AliasPhase.REMOVING:
        if gone:
            return _LostAnswer.VANISHED
        return _LostAnswer.CONFIRMED if there and context.desire.mention(name) else _LostAnswer.OPEN
    if there:
        # It is managed only if it was certainly missing before the request.
        return _LostAnswer.CONFIRMED if unsettled.absent_before else _LostAnswer.UNCLAIMED
    if not gone or context.now - unsettled.since <= _INTENT_LIFE:
        return _LostAnswer.OPEN
    if name not in wanted:
        return _LostAnswer.VANISHED
    if unsettled.absent_before:
        return _LostAnswer.LAPSED
    # It does not exist, and may never be requested again.
    return _LostAnswer.VANISHED if name in idle else _LostAnswer.OPEN


def _settled(name: str, context: PlanContext, wanted: set[str]) -> bool:
    """Return whether the failed change of `name` is over: the domain exists as needed, or is no longer needed."""
    if name in context.observed.names and context.desire.mention(name):
        return True
    ledger = context.ledger
    open_ = name in wanted or name in ledger.managed or name in ledger.unsettled
    # A paged list never becomes complete.
    return not open_ and context.snapshot.complete and (context.observed.complete or context.observed.paged)


def narrow(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan for `names` and their `www.` forms only; its ledger updates stay complete.

    Only complete runs report facts about all domains, such as lost aliases.
    """
    chosen = {*names, *(f"www.{name}" for name in names)}

    def keep(item: Change | Hold) -> bool:
        return item.name in chosen

    return Plan(
        authority=plan.authority,
        observed=plan.observed,
        snapshot_faults=plan.snapshot_faults,
        changes=tuple(filter(keep, plan.changes)),
        held=tuple(filter(keep, plan.held)),
        unproven=plan.unproven & chosen,
        over_limit=tuple(w for w in plan.over_limit if chosen.intersection(w.names)),
        unmanaged=tuple(name for name in plan.unmanaged if name in chosen),
        in_sync=plan.in_sync,
        orphaned=plan.orphaned & chosen,
        updates=plan.updates,
    )
