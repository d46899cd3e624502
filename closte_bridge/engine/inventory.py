"""Everything that is known of each name, from both sides and the ledger: for `domain list`, `get` and `explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from closte_bridge.ledger.state import Origin
from closte_bridge.planning.desired import desired, origin_of
from closte_bridge.planning.model import Action, Mode

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.view import View
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Plan, Standing
    from closte_bridge.wordpress.snapshot import Mapping


@dataclass(frozen=True, slots=True)
class Known:
    """One name. `at_closte` is None when the list could not be read; `state` is a word or two, `reason` says why."""

    name: str
    mapping: Mapping | None
    at_closte: bool | None
    ours: bool
    origin: str
    state: str
    reason: str
    until: float | None = None
    code: str = ""


def inventory(engine: Engine, view: View, plan: Plan) -> list[Known]:
    """Return what is known of every name, sorted: mapped, wanted, ours, planned and foreign ones."""
    desire = desired(view.snapshot, engine.intentions(), view.ledger)
    planned = {(c.name, c.action): c for c in plan.changes}
    held = {(h.name, h.action): h for h in plan.holds}
    withheld = {name for w in plan.withheld for name in w.names}
    names = {
        *desire.mapped,
        *desire.configured,
        *desire.pins,
        *view.ledger.ours,
        *view.ledger.unsettled,
        *(change.name for change in plan.changes),
        *(hold.name for hold in plan.holds if hold.code != "malformed"),
        *plan.foreign,
    }

    def state_of(name: str, at_closte: bool | None, *, wanted: bool) -> tuple[str, str, float | None, str]:
        for action, word in ((Action.ADD, "to add"), (Action.REMOVE, "to remove")):
            if change := planned.get((name, action)):
                return word, change.cause, None, ""
        if name in withheld:
            return "withheld", "the gate keeps its removal", None, ""
        for action in Action:
            if hold := held.get((name, action)):
                return "held", hold.reason, hold.until, hold.code
        if not wanted:
            return "foreign", "not ours and not wanted here", None, ""
        if at_closte:
            return "in step", desire.mention(name) or "", None, ""
        return _absent(name, view, desire)

    found = []
    for name in sorted(names):
        at_closte = name in view.observed.names if view.observed.readable else None
        ours = name in view.ledger.ours or name in view.ledger.unsettled
        origin = Origin(view.ledger.ours[name]) if name in view.ledger.ours else origin_of(name, desire)
        wanted = ours or desire.mention(name) is not None
        state, reason, until, code = state_of(name, at_closte, wanted=wanted)
        word = origin.word if wanted else "foreign"
        found.append(Known(name, desire.mapped.get(name), at_closte, ours, word, state, reason, until, code))
    return found


def _absent(name: str, view: View, desire: Desired) -> tuple[str, str, float | None, str]:
    """Return the state of a name of ours that the list does not show and that nothing would add."""
    reason = desire.mention(name) or ""
    if not view.observed.complete:
        return "unknown", reason, None, ""
    return "gone", reason, None, "kept" if desire.keeps(name) else ""


_STEPS = {
    "in step": "Nothing: both sides agree.",
    "to add": "Nothing: the next `closte-bridge sync` adds it.",
    "to remove": "Nothing: the next `closte-bridge sync` removes it.",
    "withheld": "Review the withheld removals: `closte-bridge plan`.",
    "foreign": "Nothing, if somebody put it there on purpose; else remove it in Closte's dashboard.",
    "unknown": "Closte's list does not tell: try `closte-bridge integration test`.",
    "gone": "Nothing: `closte-bridge sync` forgets it.",
    "kept": "If it is to be there: `closte-bridge domain add`. `keep` adds nothing.",
    "conflict": "Remove the mapping from all sites but one.",
    "not-public": "Map a name that exists on the public internet.",
    "site-gone": "Delete the mapping: its site is gone.",
    "certificate-budget": "Set the wildcard in the config, or wait: room comes back within a week.",
    "exists-elsewhere": "Ask Closte's support to release it from the other application.",
    "refused": "Check the spelling of the name; Closte does not take it.",
    "by-command-only": "If it is no longer needed: `closte-bridge domain remove`.",
    "www-unproven": "Point the www. name where its name points.",
}


# Who points a name's DNS here gains nothing while one of these stands.
_FIRST = frozenset(_STEPS) - {"in step", "to add", "unknown", "www-unproven"}
# Holds that only this engine's standing makes.
_OF_THE_STANDING = frozenset({"add-only", "over-limit"})


def _waits_for_standing(known: Known, standing: Standing) -> bool:
    """Tell whether no run does anything about this name as long as the standing is what it is."""
    nothing_goes = standing.mode in {Mode.READ_ONLY, Mode.INACTIVE}
    return known.code in _OF_THE_STANDING or (nothing_goes and known.state in {"to add", "to remove"})


def stands_first(known: Known, standing: Standing) -> bool:
    """Tell whether what `next_step` says is to be done before anything about the name's DNS and certificate."""
    return known.code in _FIRST or known.state in _FIRST or _waits_for_standing(known, standing)


def next_step(known: Known, standing: Standing) -> str:
    """Return what somebody has to do for this name, in a sentence or two."""
    if _waits_for_standing(known, standing):
        return f"{standing.reason[:1].upper()}{standing.reason[1:]}. {standing.hint}"
    return _STEPS.get(known.code) or _STEPS.get(known.state) or "Nothing for now: it is looked at again by itself."
