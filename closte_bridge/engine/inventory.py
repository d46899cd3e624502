"""Everything that is known of each name, from both sides and the ledger: for `domain list`, `get` and `explain`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from closte_bridge.ledger.state import Origin
from closte_bridge.planning.additions import present_names
from closte_bridge.planning.desired import desired, origin_of
from closte_bridge.planning.model import NOT_LISTED, NOT_LISTED_YET, NOT_MANAGED, Action, Mode
from closte_bridge.planning.plan import own_domains
from closte_bridge.planning.removals import protected

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Authority, Plan
    from closte_bridge.wordpress.snapshot import Mapping


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """One name. `at_closte` is None when the list could not be read; `state` is a word or two, `reason` says why.

    `site` is `gone` or `other-network` if that is so of the site of its mapping. `leaving`: its removal is planned or
    held.
    """

    name: str
    mapping: Mapping | None
    at_closte: bool | None
    managed: bool
    origin: str
    state: str
    reason: str
    until: float | None = None
    code: str = ""
    site: str = ""
    leaving: bool = False


def inventory(engine: Engine, view: Observation, plan: Plan) -> list[DomainStatus]:
    """Return what is known of every name, sorted: what WordPress, the config, the ledger, the plan or Closte has."""
    desire = desired(view.snapshot, engine.policy(), view.ledger)
    names = {
        *desire.mapped,
        *desire.configured,
        *desire.pins,
        *view.ledger.managed,
        *view.ledger.unsettled,
        *(change.name for change in plan.changes),
        *(hold.name for hold in plan.holds if hold.code != "malformed"),
        *view.observed.names,
        view.snapshot.network.domain,
    }
    stated = _States(view, plan, desire)
    return [stated.known(name) for name in sorted(names)]


class _States:
    """What is known of each name, put together from one look and its plan."""

    def __init__(self, view: Observation, plan: Plan, desire: Desired) -> None:
        self._view, self._plan, self._desire = view, plan, desire
        self._planned = {(c.name, c.action): c for c in plan.changes}
        self._held = {(h.name, h.action): h for h in plan.holds}
        self._withheld = {name for w in plan.over_limit for name in w.names}
        self._own = own_domains(view.snapshot, desire)
        self._present = present_names(view.observed, view.ledger)

    def known(self, name: str) -> DomainStatus:
        view, desire = self._view, self._desire
        at_closte = name in self._present if view.observed.readable else None
        managed = name in view.ledger.managed or name in view.ledger.unsettled
        origin = Origin(view.ledger.managed[name]) if name in view.ledger.managed else origin_of(name, desire)
        blank = DomainStatus(
            name, desire.mapped.get(name), at_closte, managed, origin.word, "", "", site=self._site(name)
        )
        return self._in_plan(blank) or self._settled(blank)

    def _site(self, name: str) -> str:
        """Return `gone` or `other-network` for the site that the name is mapped to, or nothing."""
        mapping, snapshot = self._desire.mapped.get(name), self._view.snapshot
        if mapping is None:
            return ""
        site = snapshot.sites.get(mapping.blog_id)
        if site is None:
            return "gone"
        return "other-network" if site.network_id != snapshot.network.id else ""

    def _in_plan(self, known: DomainStatus) -> DomainStatus | None:
        """Return the name with the state that the plan gives it, if it says anything about it."""
        for action, word in ((Action.ADD, "to-add"), (Action.REMOVE, "to-remove")):
            if change := self._planned.get((known.name, action)):
                return replace(known, state=word, reason=change.cause, leaving=action is Action.REMOVE)
        if known.name in self._withheld:
            return replace(known, state="needs-approval", reason="the gate keeps its removal", leaving=True)
        for action in Action:
            if hold := self._held.get((known.name, action)):
                found = replace(known, state="on-hold", reason=hold.reason, until=hold.until, code=hold.code)
                return replace(found, leaving=action is Action.REMOVE)
        return None

    def _settled(self, known: DomainStatus) -> DomainStatus:
        """Return a name with its state that the plan leaves alone."""
        view, desire = self._view, self._desire
        reason, mapping = desire.mention(known.name) or "", known.mapping
        if known.name in self._own:
            return replace(known, state="own", reason="the network's own domain", origin="network")
        if not known.managed and not reason:
            why = protected(known.name, view.snapshot, view.ledger)
            text, code = (why, "protected") if why else ("not ours and not wanted here", "")
            return replace(known, state="unmanaged", reason=text, code=code, origin="unmanaged")
        if known.name in self._plan.orphaned and mapping:
            gone = f"site {mapping.blog_id} of its mapping does not exist"
            return replace(known, state="orphaned", reason=gone, code="site-gone")
        if known.site == "other-network" and not (known.name in desire.configured or known.name in desire.pins):
            known, reason = replace(known, code="other-network"), "its site belongs to another network"
        if known.at_closte:
            return replace(known, state="in-sync", reason=reason)
        if not view.observed.complete:
            return replace(known, state="unknown", reason=reason)
        return replace(known, state="gone", reason=reason, code="kept" if desire.keeps(known.name) else "")


# What there is to be done, by a name's code, or else by its state.
_STEPS = {
    "in-sync": "Nothing: both sides agree.",
    "to-add": "Nothing: the next `closte-bridge sync` adds it.",
    "to-remove": "Nothing: the next `closte-bridge sync` removes it.",
    "needs-approval": "Review the withheld removals: `closte-bridge plan`.",
    "unmanaged": "Nothing, if somebody put it there on purpose; else remove it in Closte's dashboard.",
    "unknown": "Closte's list does not tell: try `closte-bridge integration test`.",
    "gone": "Nothing: `closte-bridge sync` forgets it.",
    "own": "Nothing: it is the network's own domain.",
    "kept": "If it is to be there: `closte-bridge domain add`. `keep` adds nothing.",
    "conflict": "Remove the mapping from all sites but one.",
    "not-public": "Map a name that exists on the public internet.",
    "site-gone": "Delete the mapping: its site is gone.",
    "other-network": "Nothing here: its site belongs to another network, which has a closte-bridge of its own.",
    "certificate-budget": "Set the wildcard in the config, or wait: room comes back within a week.",
    "exists-elsewhere": "Ask Closte's support to release it from the other application.",
    "refused": "Check the spelling of the name; Closte does not take it.",
    "released": "It was released, and Closte's list does not tell: try `closte-bridge integration test`.",
    "covered": "Nothing: a wildcard covers it.",
    "by-command-only": "If it is no longer needed: `closte-bridge domain remove`.",
    "www-unproven": "Point the www. name where its name points.",
    "protected": "Nothing: it is never removed.",
    "waiting": "Nothing: a sync removes it after its wait, unless something uses it again.",
    "snapshot-partial": "It stays until WordPress can be read completely: `closte-bridge doctor` says what is wrong.",
    "list-not-complete": "It stays until Closte's list can be read completely: `closte-bridge plan` tells the reason.",
    "wildcard-covers": "Nothing if the next sync adds that domain; else pin it: `closte-bridge domain add`.",
    "mentioned": "Nothing: it stays as long as something uses it.",
}


# DNS and certificate come first with these, as what keeps visitors from valid HTTPS; with all others the step does.
_DNS_FIRST = frozenset({"in-sync", "to-add", "unknown", "own", "on-hold"})
_HOLDS_AFTER_DNS = frozenset({"", "www-unproven", "covered", NOT_LISTED_YET, NOT_MANAGED, NOT_LISTED})
# Holds that only this engine's standing makes.
_OF_THE_STANDING = frozenset({"add-only", "over-limit"})


def _waits_for_standing(known: DomainStatus, authority: Authority) -> bool:
    """Tell whether no run does anything about this name as long as the standing is what it is."""
    nothing_goes = authority.mode in {Mode.READ_ONLY, Mode.INACTIVE}
    return known.code in _OF_THE_STANDING or (nothing_goes and known.state in {"to-add", "to-remove"})


def _not_done_yet(known: DomainStatus) -> str:
    """Return what is to be said of a change that Closte did not make yet, or nothing."""
    if known.code == "back-off":
        did = "remove" if known.leaving else "add"
        at = datetime.fromtimestamp(known.until or 0.0, UTC).isoformat(timespec="seconds")
        return f"Closte did not {did} it yet. It is tried again at {at}; `closte-bridge sync --retry` tries now."
    if known.state == "to-add" and known.at_closte is None:
        got = "It is not known whether Closte got it:" if known.managed else "Closte did not get it yet, and"
        return f"{got} its list cannot be read. Each sync tries to add it."
    if known.state == "own" and known.at_closte is False:
        return "Look at it in Closte's dashboard: Closte's list lacks the network's own domain."
    return ""


def next_step(known: DomainStatus, authority: Authority, dns_step: str = "") -> str:
    """Return what somebody has to do for this name, in a sentence or two.

    `dns_step` is what its DNS and certificate need, if anything; it counts only if Closte has the domain, or gets it.
    """
    if _waits_for_standing(known, authority):
        return f"{authority.reason[:1].upper()}{authority.reason[1:]}. {authority.hint}"
    if undone := _not_done_yet(known):
        return undone
    step = _STEPS.get(known.code) or _STEPS.get(known.state) or "Nothing for now: it is looked at again by itself."
    dns_first = known.state in _DNS_FIRST and known.code in _HOLDS_AFTER_DNS and not known.leaving
    return dns_step if dns_step and dns_first else step
