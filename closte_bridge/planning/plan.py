"""Put a plan together. The one entry to the pure core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.state import LedgerState, Origin, Phase
from closte_bridge.planning.additions import Look, additions, present_names
from closte_bridge.planning.desired import Intentions, desired
from closte_bridge.planning.gate import NOTHING_APPROVED, Approval, gate
from closte_bridge.planning.model import Action, Bookkeeping, Change, Hold, Mode, Observed, Plan, Standing
from closte_bridge.planning.removals import Candidates, candidates

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.wordpress.snapshot import Snapshot

# An intent whose request may still be on its way is not forgotten for so many seconds.
_INTENT_LIFE = 3600.0


def make_plan(
    snapshot: Snapshot,
    observed: Observed,
    ledger: LedgerState,
    intentions: Intentions,
    standing: Standing,
    now: float,
    *,
    approval: Approval = NOTHING_APPROVED,
    retry: bool = False,
) -> Plan:
    """Compare both sides and return what would change, what is held back and why.

    `approval` is what a person let go beyond the limits; `retry` ignores back-off. What the mode forbids
    is still planned: who applies the plan looks at `standing` (an add-only plan has its removals held).
    """
    look = Look(snapshot, observed, ledger, intentions, desired(snapshot, intentions, ledger), now, retry)
    adds, holds = additions(look)
    found = candidates(look)
    removals, withheld = gate(look, found, approval)
    if standing.mode is Mode.ADD_ONLY:
        holds += [Hold(Action.REMOVE, c.name, "add-only", standing.reason) for c in removals]
        removals, withheld = [], []
    holds += found.holds
    holds += [
        Hold(Action.ADD, str(m.domain)[:255], "malformed", f"not a host name: {why}")
        for m, why in look.desire.malformed
    ]
    present = present_names(observed, ledger)
    return Plan(
        standing=standing,
        observed=observed,
        snapshot_faults=snapshot.faults,
        changes=(*adds, *removals),
        holds=tuple(holds),
        withheld=tuple(withheld),
        foreign=tuple(sorted(_foreign(look))),
        in_step=sum(1 for name in look.desire.mapped if name in present),
        bookkeeping=_bookkeeping(look, found, {c.name for c in adds}),
    )


def _foreign(look: Look) -> set[str]:
    """Names at Closte that are not ours and that nothing here wants; the network's own is no stranger."""
    rest = look.observed.names - look.ledger.ours.keys() - look.ledger.unsettled.keys() - look.desire.mapped.keys()
    return {name for name in rest if name != look.snapshot.network.domain and not look.desire.mention(name)}


def _bookkeeping(look: Look, found: Candidates, adding: set[str]) -> Bookkeeping:
    ledger, observed = look.ledger, look.observed
    confirmed: dict[str, Origin] = {}
    vanished: list[str] = []
    for name, unsettled in ledger.unsettled.items():
        if unsettled.phase is Phase.REMOVING:
            if observed.complete and name not in observed.names:
                vanished.append(name)
            elif name in observed.names and look.desire.mention(name):
                confirmed[name] = unsettled.origin
        elif name in observed.names:
            if unsettled.absent_before:
                confirmed[name] = unsettled.origin
            else:
                vanished.append(name)
        elif observed.complete and name not in adding and look.now - unsettled.since > _INTENT_LIFE:
            vanished.append(name)
    if observed.complete:
        # Ours, unwanted, and gone from Closte already: nothing is left to do but to forget it.
        gone = ledger.ours.keys() - observed.names - look.desire.mapped.keys() - adding
        vanished += [n for n in gone if n in ledger.leaving or not look.desire.mention(n)]
    # A name that is there and wanted has no trouble left; one that is there and unwanted may have failed to leave.
    settled = tuple(n for n in ledger.troubles if n in observed.names and look.desire.mention(n))
    return Bookkeeping(
        confirmed=confirmed,
        vanished=tuple(sorted(vanished)),
        absences=found.absences,
        mentioned_again=found.mentioned_again,
        settled=settled,
    )


def narrow(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan for `names` and their `www.` forms alone; its bookkeeping stays whole."""
    chosen = {*names, *(f"www.{name}" for name in names)}

    def keep(item: Change | Hold) -> bool:
        return item.name in chosen

    return Plan(
        standing=plan.standing,
        observed=plan.observed,
        snapshot_faults=plan.snapshot_faults,
        changes=tuple(filter(keep, plan.changes)),
        holds=tuple(filter(keep, plan.holds)),
        withheld=tuple(w for w in plan.withheld if chosen.intersection(w.names)),
        foreign=tuple(name for name in plan.foreign if name in chosen),
        in_step=plan.in_step,
        bookkeeping=plan.bookkeeping,
    )
