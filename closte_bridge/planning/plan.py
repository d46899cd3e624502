"""Put a plan together. The one entry to the pure core."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW, shown
from closte_bridge.ledger.state import LedgerState, Phase, Unsettled
from closte_bridge.planning.additions import Look, additions, present_names
from closte_bridge.planning.desired import Intentions, desired
from closte_bridge.planning.gate import gate
from closte_bridge.planning.model import (
    NOTHING_APPROVED,
    Action,
    Approval,
    Bookkeeping,
    Change,
    Hold,
    Mode,
    Observed,
    Plan,
    Standing,
    Withheld,
)
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
    intentions: Intentions,
    standing: Standing,
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
    desire = desire or desired(snapshot, intentions, ledger)
    # Asked for again since the command to remove it: the command is spent, and must not strike later.
    staying = frozenset(name for name in ledger.leaving if desire.ask(name))
    ledger = replace(ledger, leaving=ledger.leaving - staying)
    look = Look(snapshot, observed, ledger, intentions, desire, now, retry)
    adds, holds, unproven, there = additions(look)
    found = candidates(look)
    # Only of these the books ask.
    missing = [name for name in ledger.ours if name not in observed.names]
    asked = {*ledger.unsettled, *ledger.troubles, *missing}
    wanted: set[str] = set()
    if asked:
        wanted = asked & unproven | asked.intersection(item.name for items in (adds, holds) for item in items)
    # Kept back for a reason that time does not take away; those wait for their next try, and theirs is not forgotten.
    idle = {*unproven, *(hold.name for hold in holds if not hold.until)} if ledger.unsettled else set()
    books = _bookkeeping(look, found, wanted, missing, idle)
    books = replace(books, staying=tuple(sorted(staying)))
    removals, withheld, forbidden = _allowed(*gate(look, found, approval), standing)
    malformed = [
        Hold(Action.ADD, shown(m.domain[:255]), "malformed", f"not a host name: {why}")
        for m, why in look.desire.malformed
    ]
    foreign, orphaned = _foreign(look, there), _orphaned(look)
    busy = {item.name for items in (adds, holds, removals, forbidden, found.holds) for item in items}
    busy.update(name for kept in withheld for name in kept.names)
    return Plan(
        standing=standing,
        observed=observed,
        snapshot_faults=snapshot.problems,
        changes=(*adds, *removals),
        held=(*holds, *forbidden, *found.holds, *malformed),
        unproven=unproven,
        withheld=tuple(withheld),
        foreign=tuple(sorted(foreign)),
        in_step=_in_step(look, foreign, orphaned, busy),
        bookkeeping=books,
        lost=observed.lost,
        orphaned=orphaned,
    )


def _allowed(
    removals: list[Change], withheld: list[Withheld], standing: Standing
) -> tuple[list[Change], list[Withheld], list[Hold]]:
    """Return the removals that the mode allows, what the gate keeps for a person, and what the mode holds."""
    if standing.mode is Mode.ADD_ONLY:
        # What is over a limit as well: with no hold it would seem to be in step.
        names = [*(change.name for change in removals), *(name for kept in withheld for name in kept.names)]
        return [], [], [Hold(Action.REMOVE, name, "add-only", standing.reason) for name in names]
    if standing.mode is Mode.INACTIVE:
        # Nothing goes, so there is nothing for a person to decide.
        why = "these are more removals than may go at once"
        held = [Hold(Action.REMOVE, name, "over-limit", why) for kept in withheld for name in kept.names]
        return removals, [], held
    return removals, withheld, []


def own_domains(snapshot: Snapshot, desire: Desired) -> set[str]:
    """Return the forms of the network's own domain that nothing asks for by name: they are neither in sync nor not."""
    own = snapshot.network.domain
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in forms if name not in desire.mapped} - desire.configured - desire.pins


def _in_step(look: Look, foreign: set[str], orphaned: frozenset[str], busy: set[str]) -> int:
    """Count the domains that are in sync: on Closte, managed or mentioned, and nothing is to be done about them.

    If the list cannot be read, count those that the ledger knows.
    """
    names: Collection[str] = present_names(look.observed, look.ledger)
    if not look.observed.readable:
        names = look.ledger.ours.keys() | look.ledger.unsettled.keys()
    apart = busy.union(orphaned, own_domains(look.snapshot, look.desire))
    return len(names) - len(foreign) - sum(1 for name in apart if name in names)


def _orphaned(look: Look) -> frozenset[str]:
    """Return the domains on Closte that only the mapping of a site that is gone asks for."""
    present, sites, desire = present_names(look.observed, look.ledger), look.snapshot.sites, look.desire
    gone = (name for name, row in desire.mapped.items() if row.blog_id not in sites and name in present)
    return frozenset(name for name in gone if name not in desire.configured and name not in desire.pins)


def _foreign(look: Look, there: int) -> set[str]:
    """Names at Closte that are not ours and that nothing here wants; no form of the network's own is a stranger.

    `there` counts the mapped ones.
    """
    names, own = look.observed.names, look.snapshot.network.domain
    # What a paged list does not show is in sync by the ledger.
    if not look.observed.paged and len(names) == there + (own in names and own not in look.desire.mapped):
        return set()  # nothing is there but what is mapped
    ours, unsettled, mapped = look.ledger.ours, look.ledger.unsettled, look.desire.mapped
    rest = (n for n in names.difference(mapped) if n not in ours and n not in unsettled)
    forms = {own, WWW + own, own.removeprefix(WWW)}
    return {name for name in rest if name not in forms and not look.desire.mention(name)}


def _bookkeeping(
    look: Look, found: Candidates, wanted: set[str], missing: list[str], idle: Collection[str]
) -> Bookkeeping:
    """`wanted` are the names that are to be added, now or once what holds them back is over.

    `missing` are those of ours that the list does not show, `idle` wanted ones that may be held back for ever.
    """
    ledger, observed = look.ledger, look.observed
    fates = {name: _fate(name, unsettled, look, wanted, idle) for name, unsettled in ledger.unsettled.items()}
    vanished = [name for name, fate in fates.items() if fate is _Fate.VANISHED]
    if observed.complete:
        # Ours, not wanted there, and gone from Closte already: nothing is left to do but to forget it.
        vanished += (name for name in missing if name not in wanted and name not in ledger.added_lately)
    return Bookkeeping(
        confirmed={name: ledger.unsettled[name].origin for name, fate in fates.items() if fate is _Fate.CONFIRMED},
        vanished=tuple(sorted(vanished)),
        unclaimed=tuple(sorted(name for name, fate in fates.items() if fate is _Fate.UNCLAIMED)),
        absences=found.absences,
        mentioned_again=found.mentioned_again,
        settled=tuple(sorted(name for name in ledger.troubles if _settled(name, look, wanted))),
        lapsed=tuple(sorted(name for name, fate in fates.items() if fate is _Fate.LAPSED)),
    )


class _Fate(Enum):
    """What the list says of a change whose answer was lost."""

    OPEN = 0
    CONFIRMED = 1
    VANISHED = 2
    LAPSED = 3
    UNCLAIMED = 4


def _fate(name: str, unsettled: Unsettled, look: Look, wanted: set[str], idle: Collection[str]) -> _Fate:
    there, gone = name in look.observed.names, look.observed.complete and name not in look.observed.names
    if unsettled.phase is Phase.REMOVING:
        if gone:
            return _Fate.VANISHED
        return _Fate.CONFIRMED if there and look.desire.mention(name) else _Fate.OPEN
    if there:
        # If nobody knows that it was missing before we asked, it is somebody else's.
        return _Fate.CONFIRMED if unsettled.absent_before else _Fate.UNCLAIMED
    if not gone or look.now - unsettled.since <= _INTENT_LIFE:
        return _Fate.OPEN
    if name not in wanted:
        return _Fate.VANISHED
    if unsettled.absent_before:
        return _Fate.LAPSED
    # Nothing is there, and nobody asks for it again as things are: there is nothing to wait for.
    return _Fate.VANISHED if name in idle else _Fate.OPEN


def _settled(name: str, look: Look, wanted: set[str]) -> bool:
    """Tell whether the trouble with `name` is over: it is there as wanted, or nobody wants anything of it any more."""
    if name in look.observed.names and look.desire.mention(name):
        return True
    ledger = look.ledger
    open_ = name in wanted or name in ledger.ours or name in ledger.unsettled
    # A paged list never becomes complete, and says nothing of what nobody wants.
    return not open_ and look.snapshot.complete and (look.observed.complete or look.observed.paged)


def narrow(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan for `names` and their `www.` forms alone; its bookkeeping stays whole.

    What is said of all domains, as that many are lost, is left to whole runs.
    """
    chosen = {*names, *(f"www.{name}" for name in names)}

    def keep(item: Change | Hold) -> bool:
        return item.name in chosen

    return Plan(
        standing=plan.standing,
        observed=plan.observed,
        snapshot_faults=plan.snapshot_faults,
        changes=tuple(filter(keep, plan.changes)),
        held=tuple(filter(keep, plan.held)),
        unproven=plan.unproven & chosen,
        withheld=tuple(w for w in plan.withheld if chosen.intersection(w.names)),
        foreign=tuple(name for name in plan.foreign if name in chosen),
        in_step=plan.in_step,
        orphaned=plan.orphaned & chosen,
        bookkeeping=plan.bookkeeping,
    )
