"""Build a plan. Single entry point of the planning package."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW, shown
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import AliasPhase, Unsettled
from closte_bridge.planning.additions import Additions, PlanContext, additions, present_names
from closte_bridge.planning.model import (
    NOTHING_APPROVED,
    Approval,
    Authority,
    Change,
    Hold,
    HoldCode,
    LedgerUpdates,
    Mode,
    Plan,
)
from closte_bridge.planning.removal_limits import LimitedRemovals, limit_removals
from closte_bridge.planning.removals import Candidates, candidates

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot

# Seconds for which an intent is kept, because its request may still be on its way.
_INTENT_LIFE = 3600.0


def make_plan(context: PlanContext, authority: Authority, approval: Approval = NOTHING_APPROVED) -> Plan:
    """Compare WordPress and Closte; return the changes, and the changes on hold with their reasons.

    `approval` allows removals above the limits. Changes that the mode forbids are still planned: the caller checks
    `authority` before applying. In add-only mode, removals are on hold.
    """
    # A domain that is needed again cancels its pending removal.
    staying = frozenset(name for name in context.ledger.leaving if context.desire.ask(name))
    context = context._replace(ledger=replace(context.ledger, leaving=context.ledger.leaving - staying))
    adds, found = additions(context), candidates(context)
    limited, forbidden = _allowed(limit_removals(context, found, approval), authority)
    unmanaged, orphaned = _unmanaged(context, adds.in_sync), _orphaned(context)
    held = (*adds.holds, *forbidden, *found.holds)
    busy = {item.name for items in (adds.changes, limited.changes, held) for item in items}
    busy.update(name for kept in limited.over_limit for name in kept.names)
    return Plan(
        authority=authority,
        observed=context.observed,
        snapshot_faults=context.snapshot.problems,
        changes=(*adds.changes, *limited.changes),
        held=(*held, *_malformed(context.desire)),
        unproven=adds.unproven,
        over_limit=tuple(limited.over_limit),
        unmanaged=tuple(sorted(unmanaged)),
        in_sync=_in_sync(context, unmanaged, orphaned, busy),
        updates=replace(_ledger_updates(context, adds, found), staying=tuple(sorted(staying))),
        lost=context.observed.lost,
        orphaned=orphaned,
    )


def _allowed(limited: LimitedRemovals, authority: Authority) -> tuple[LimitedRemovals, list[Hold]]:
    """Return the removals that the mode allows or that need approval, and holds from the mode."""
    blocked = [name for kept in limited.over_limit for name in kept.names]
    if authority.mode is Mode.ADD_ONLY:
        # Includes removals above a limit: without a hold they would count as in sync.
        names = [*(removal.name for removal in limited.changes), *blocked]
        return LimitedRemovals([], []), [_forbidden(name, HoldCode.ADD_ONLY, authority.reason) for name in names]
    if authority.mode is Mode.INACTIVE:
        # Nothing is removed, so there is nothing to approve.
        held = [_forbidden(name, HoldCode.OVER_LIMIT, "exceeds the removal limit") for name in blocked]
        return limited._replace(over_limit=[]), held
    return limited, []


def _forbidden(name: str, code: HoldCode, why: str) -> Hold:
    return Hold(Action.REMOVE, name, code, why)


def _malformed(desire: Desired) -> list[Hold]:
    return [
        Hold(Action.ADD, shown(row.domain[:255]), HoldCode.MALFORMED, f"invalid domain name: {why}")
        for row, why in desire.malformed
    ]


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


def _ledger_updates(context: PlanContext, adds: Additions, found: Candidates) -> LedgerUpdates:
    ledger, observed = context.ledger, context.observed
    missing = [name for name in ledger.managed if name not in observed.names]
    # The updates depend on these domains alone.
    relevant = {*ledger.unsettled, *ledger.failed_changes, *missing}
    # To add now, or after their hold ends.
    wanted: set[str] = set()
    if relevant:
        asked = (item.name for items in (adds.changes, adds.holds) for item in items)
        wanted = relevant & adds.unproven | relevant.intersection(asked)
    # On hold without an end: these may never be tried again.
    idle = {*adds.unproven, *(hold.name for hold in adds.holds if not hold.until)} if ledger.unsettled else set()
    fates: dict[_LostAnswer, list[str]] = {fate: [] for fate in _LostAnswer}
    for name, unsettled in sorted(ledger.unsettled.items()):
        fates[_lost_answer(name, unsettled, context, wanted, idle)].append(name)
    vanished = fates[_LostAnswer.VANISHED]
    if observed.complete:
        # Managed, no longer needed and already gone from Closte: only the ledger entry is left.
        vanished += (name for name in missing if name not in wanted and name not in ledger.added_lately)
    return LedgerUpdates(
        confirmed={name: ledger.unsettled[name].origin for name in fates[_LostAnswer.CONFIRMED]},
        vanished=tuple(sorted(vanished)),
        unclaimed=tuple(fates[_LostAnswer.UNCLAIMED]),
        absences=found.absences,
        mentioned_again=found.mentioned_again,
        settled=tuple(sorted(name for name in ledger.failed_changes if _settled(name, context, wanted))),
        lapsed=tuple(fates[_LostAnswer.LAPSED]),
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
    there = name in context.observed.names
    gone = context.observed.complete is not None and not there
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
    listed = context.observed.complete is not None or context.observed.paged
    return not open_ and listed and context.snapshot.complete is not None


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
