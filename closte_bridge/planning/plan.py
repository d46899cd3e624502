"""Put a plan together. The one entry to the pure core."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW, shown
from closte_bridge.ledger.state import AliasPhase, LedgerState, Unsettled
from closte_bridge.planning.additions import PlanContext, additions, present_names
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import (
    NOTHING_APPROVED,
    Action,
    Approval,
    Authority,
    Change,
    Hold,
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

# An intent whose request may still be on its way is not forgotten for so many seconds.
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
    """Compare both sides and return what would change, what is held back and why.

    `approval` is what a person let go beyond the limits; `retry` ignores back-off; `desire` is what `desired` says, for
    a caller who knows it already. What the mode forbids is still planned: who applies the plan looks at `standing` (an
    add-only plan has its removals held).
    """
    desire = desire or desired(snapshot, policy, ledger)
    # Asked for again since the command to remove it: the command is spent, and must not strike later.
    staying = frozenset(name for name in ledger.leaving if desire.ask(name))
    ledger = replace(ledger, leaving=ledger.leaving - staying)
    context = PlanContext(snapshot, observed, ledger, policy, desire, now, retry)
    adds, holds, unproven, there = additions(context)
    found = candidates(context)
    # Only of these the books ask.
    missing = [name for name in ledger.managed if name not in observed.names]
    asked = {*ledger.unsettled, *ledger.failed_changes, *missing}
    wanted: set[str] = set()
    if asked:
        wanted = asked & unproven | asked.intersection(item.name for items in (adds, holds) for item in items)
    # Kept back for a reason that time does not take away; those wait for their next try, and theirs is not forgotten.
    idle = {*unproven, *(hold.name for hold in holds if not hold.until)} if ledger.unsettled else set()
    books = _bookkeeping(context, found, wanted, missing, idle)
    books = replace(books, staying=tuple(sorted(staying)))
    removals, over_limit, forbidden = _allowed(*limit_removals(context, found, approval), authority)
    malformed = [
        Hold(Action.ADD, shown(m.domain[:255]), "malformed", f"not a host name: {why}")
        for m, why in context.desire.malformed
    ]
    unmanaged, orphaned = _foreign(context, there), _orphaned(context)
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
        in_sync=_in_step(context, unmanaged, orphaned, busy),
        updates=books,
        lost=observed.lost,
        orphaned=orphaned,
    )


def _allowed(
    removals: list[Change], over_limit: list[OverLimit], authority: Authority
) -> tuple[list[Change], list[OverLimit], list[Hold]]:
    """Return the removals that the mode allows, what the gate keeps for a person, and what the mode holds."""
    if authority.mode is Mode.ADD_ONLY:
        # What is over a limit as well: with no hold it would seem to be in step.
        names = [*(change.name for change in removals), *(name for kept in over_limit for name in kept.names)]
        return [], [], [Hold(Action.REMOVE, name, "add-only", authority.reason) for name in names]
    if authority.mode is Mode.INACTIVE:
        # Nothing goes, so there is nothing for a person to decide.
        why = "these are more removals than may go at once"
        held = [Hold(Action.REMOVE, name, "over-limit", why) for kept in over_limit for name in kept.names]
        return removals, [], held
    return removals, over_limit, []


def own_domains(snapshot: Snapshot, desire: Desired) -> set[str]:
    """Return the forms of the network's own domain that nothing asks for by name: they are neither in sync nor not."""
    own = snapshot.network.domain
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in forms if name not in desire.mapped} - desire.configured - desire.pins


def _in_step(context: PlanContext, unmanaged: set[str], orphaned: frozenset[str], busy: set[str]) -> int:
    """Count the domains that are in sync: on Closte, managed or mentioned, and nothing is to be done about them.

    If the list cannot be read, count those that the ledger knows.
    """
    names: Collection[str] = present_names(context.observed, context.ledger)
    if not context.observed.readable:
        names = context.ledger.managed.keys() | context.ledger.unsettled.keys()
    apart = busy.union(orphaned, own_domains(context.snapshot, context.desire))
    return len(names) - len(unmanaged) - sum(1 for name in apart if name in names)


def _orphaned(context: PlanContext) -> frozenset[str]:
    """Return the domains on Closte that only the mapping of a site that is gone asks for."""
    present, sites, desire = present_names(context.observed, context.ledger), context.snapshot.sites, context.desire
    gone = (name for name, row in desire.mapped.items() if row.blog_id not in sites and name in present)
    return frozenset(name for name in gone if name not in desire.configured and name not in desire.pins)


def _foreign(context: PlanContext, there: int) -> set[str]:
    """Names at Closte that are not ours and that nothing here wants; no form of the network's own is a stranger.

    `there` counts the mapped ones.
    """
    names, own = context.observed.names, context.snapshot.network.domain
    # What a paged list does not show is in sync by the ledger.
    if not context.observed.paged and len(names) == there + (own in names and own not in context.desire.mapped):
        return set()  # nothing is there but what is mapped
    managed, unsettled, mapped = context.ledger.managed, context.ledger.unsettled, context.desire.mapped
    rest = (n for n in names.difference(mapped) if n not in managed and n not in unsettled)
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in rest if name not in forms and not context.desire.mention(name)}


def _bookkeeping(
    context: PlanContext, found: Candidates, wanted: set[str], missing: list[str], idle: Collection[str]
) -> LedgerUpdates:
    """`wanted` are the names that are to be added, now or once what holds them back is over.

    `missing` are those of ours that the list does not show, `idle` wanted ones that may be held back for ever.
    """
    ledger, observed = context.ledger, context.observed
    fates = {name: _lost_answer(name, unsettled, context, wanted, idle) for name, unsettled in ledger.unsettled.items()}
    vanished = [name for name, fate in fates.items() if fate is _LostAnswer.VANISHED]
    if observed.complete:
        # Ours, not wanted there, and gone from Closte already: nothing is left to do but to forget it.
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
    """What the list says of a change whose answer was lost."""

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
        # If nobody knows that it was missing before we asked, it is somebody else's.
        return _LostAnswer.CONFIRMED if unsettled.absent_before else _LostAnswer.UNCLAIMED
    if not gone or context.now - unsettled.since <= _INTENT_LIFE:
        return _LostAnswer.OPEN
    if name not in wanted:
        return _LostAnswer.VANISHED
    if unsettled.absent_before:
        return _LostAnswer.LAPSED
    # Nothing is there, and nobody asks for it again as things are: there is nothing to wait for.
    return _LostAnswer.VANISHED if name in idle else _LostAnswer.OPEN


def _settled(name: str, context: PlanContext, wanted: set[str]) -> bool:
    """Tell whether the trouble with `name` is over: it is there as wanted, or nobody wants anything of it any more."""
    if name in context.observed.names and context.desire.mention(name):
        return True
    ledger = context.ledger
    open_ = name in wanted or name in ledger.managed or name in ledger.unsettled
    # A paged list never becomes complete, and says nothing of what nobody wants.
    return not open_ and context.snapshot.complete and (context.observed.complete or context.observed.paged)


def narrow(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan for `names` and their `www.` forms alone; its bookkeeping stays whole.

    What is said of all domains, as that many are lost, is left to whole runs.
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
