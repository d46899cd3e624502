"""Combined view of all domains for `domain list`, `get` and `explain`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import Origin
from closte_bridge.planning.additions import present_names
from closte_bridge.planning.desired import origin_of
from closte_bridge.planning.model import HoldCode, Mode
from closte_bridge.planning.plan import own_domains
from closte_bridge.planning.removals import protected

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Authority, Plan
    from closte_bridge.wordpress.snapshot import Mapping


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """Status of one domain. `at_closte` is None if the list could not be read; `reason` is a clause for people.

    `site` is `gone` or `other-network` if that applies to the site of its mapping, else empty. `leaving`: its removal
    is planned, on hold, or needs approval.
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


def inventory(view: Observation, plan: Plan, only: Collection[str] | None = None) -> list[DomainStatus]:
    """Return the status of every domain in WordPress, the config, the ledger, the plan or Closte's list, sorted.

    With `only`, return the status of these domains, of which each must be one of them.
    """
    desire = view.desire
    states = _States(view, plan, desire)
    if only is not None:
        return [states.status(name) for name in sorted(only)]
    names = {
        *desire.mapped,
        *desire.configured,
        *desire.pins,
        *view.ledger.managed,
        *view.ledger.unsettled,
        *(change.name for change in plan.changes),
        *(hold.name for hold in plan.holds if hold.code is not HoldCode.MALFORMED),
        *view.observed.names,
        view.snapshot.network.domain,
    }
    return [states.status(name) for name in sorted(names)]


class _States:
    """Status of each domain, from one read and its plan."""

    def __init__(self, view: Observation, plan: Plan, desire: Desired) -> None:
        self._view, self._plan, self._desire = view, plan, desire
        self._planned = {(c.name, c.action): c for c in plan.changes}
        self._on_hold = {(h.name, h.action): h for h in plan.holds}
        self._needs_approval = {name for w in plan.over_limit for name in w.names}
        self._own = own_domains(view.snapshot, desire)
        self._present = present_names(view.observed, view.ledger)

    def status(self, name: str) -> DomainStatus:
        view, desire = self._view, self._desire
        at_closte = name in self._present if view.observed.readable else None
        managed = name in view.ledger.managed or name in view.ledger.unsettled
        origin = Origin(view.ledger.managed[name]) if name in view.ledger.managed else origin_of(name, desire)
        blank = DomainStatus(
            name, desire.mapped.get(name), at_closte, managed, origin.word, "", "", site=self._site(name)
        )
        return self._in_plan(blank) or self._settled(blank)

    def _site(self, name: str) -> str:
        """Return `gone` or `other-network` for the site of the mapping, or an empty string."""
        mapping, snapshot = self._desire.mapped.get(name), self._view.snapshot
        if mapping is None:
            return ""
        site = snapshot.sites.get(mapping.blog_id)
        if site is None:
            return "gone"
        return "other-network" if site.network_id != snapshot.network.id else ""

    def _in_plan(self, known: DomainStatus) -> DomainStatus | None:
        """Return the status with the state from the plan, or None if the plan does not contain the domain."""
        for action, word in ((Action.ADD, "to-add"), (Action.REMOVE, "to-remove")):
            if change := self._planned.get((known.name, action)):
                return replace(known, state=word, reason=change.cause, leaving=action is Action.REMOVE)
        if known.name in self._needs_approval:
            return replace(known, state="needs-approval", reason="removal needs approval", leaving=True)
        for action in Action:
            if hold := self._on_hold.get((known.name, action)):
                # The mapping's site is gone, whether or not Closte has the domain.
                state = "orphaned" if hold.code == HoldCode.SITE_GONE and action is Action.ADD else "on-hold"
                found = replace(known, state=state, reason=hold.reason, until=hold.until, code=hold.code)
                return replace(found, leaving=action is Action.REMOVE)
        return None

    def _settled(self, known: DomainStatus) -> DomainStatus:
        """Return the status of a domain that the plan does not contain."""
        view, desire = self._view, self._desire
        reason, mapping = desire.mention(known.name) or "", known.mapping
        if known.name in self._own:
            return replace(known, state="own", reason="the network's main domain", origin="network")
        if not known.managed and not reason:
            why = protected(known.name, view.snapshot, view.ledger)
            text, code = (why, HoldCode.PROTECTED) if why else ("not used in this network", "")
            return replace(known, state="unmanaged", reason=text, code=code, origin="unmanaged")
        if known.name in self._plan.orphaned and mapping:
            gone = f"mapped to site {mapping.blog_id}, which does not exist"
            return replace(known, state="orphaned", reason=gone, code=HoldCode.SITE_GONE)
        if known.site == "other-network" and not (known.name in desire.configured or known.name in desire.pins):
            known, reason = replace(known, code=HoldCode.OTHER_NETWORK), "its site belongs to another network"
        if known.at_closte:
            return replace(known, state="in-sync", reason=reason)
        if not view.observed.complete:
            return replace(known, state="unknown", reason=reason)
        return replace(known, state="gone", reason=reason, code="kept" if desire.keeps(known.name) else "")


# Next step by the code of a domain, or else by its state.
_STEPS = {
    "in-sync": "Nothing to do. The domain is in sync.",
    "to-add": "Nothing to do. The next sync adds it.",
    "to-remove": "Nothing to do. The next sync removes it.",
    "needs-approval": "Run `closte-bridge plan` to review and approve the removal.",
    "unmanaged": ("If this domain is not needed, remove it in Closte's dashboard. closte-bridge does not manage it."),
    "unknown": "Unknown: Closte's list could not be read completely. Run `closte-bridge integration test`.",
    "gone": "Nothing to do. The next sync removes it from the ledger.",
    "own": "Nothing to do. It is the network's main domain.",
    "kept": ("To add it to Closte, run `closte-bridge domain add`. The `keep` setting only prevents removal."),
    "conflict": "Several sites use this domain. Delete the mapping from all sites but one.",
    "not-public": "Use a public domain name. No certificate can be issued for this one.",
    "site-gone": "Delete the mapping with `closte-bridge domain prune`. Its site no longer exists.",
    "other-network": "Nothing to do here. Its site belongs to another network with its own closte-bridge.",
    "certificate-budget": (
        "Enable a wildcard in the config, or wait: the weekly certificate limit frees up within 7 days."
    ),
    "exists-elsewhere": "Ask Closte's support to release it from the other application.",
    "refused": "Check the spelling. Closte rejected this domain as invalid.",
    "released": "Unknown: it was released, and Closte's list is incomplete. Run `closte-bridge integration test`.",
    "covered": "Nothing to do. A wildcard covers it.",
    "by-command-only": "If you no longer need it, run `closte-bridge domain remove`.",
    "www-unproven": "Point {name} to the same address as {base}.",
    "protected": "Nothing to do. It is never removed.",
    "waiting": "Nothing to do. A sync removes it after the delay, unless something uses it again.",
    "snapshot-partial": "WordPress could not be read completely. Run `closte-bridge doctor` to see why.",
    "list-not-complete": "Closte's list could not be read completely. Run `closte-bridge plan` to see why.",
    "wildcard-covers": (
        "Wait for the next sync to add the dependent domain. If it does not, run `closte-bridge domain add` to pin it."
    ),
    "mentioned": "Nothing to do. It stays while something uses it.",
}
# Next steps that follow from more than that.
_OTHER_STEPS = {
    "changes-nothing": "closte-bridge changes nothing: {reason}. {hint}",
    "removes-nothing": "closte-bridge removes nothing: {reason}. {hint}",
    "add-later": (
        "Closte has not added it yet. The next try is at {until}. Retry now with `closte-bridge sync --retry`."
    ),
    "remove-later": (
        "Closte has not removed it yet. The next try is at {until}. Retry now with `closte-bridge sync --retry`."
    ),
    "addition-unknown": ("It is unknown whether Closte added it: its list cannot be read. Each sync tries to add it."),
    "addition-unlisted": ("Closte has not added it yet, and its list cannot be read. Each sync tries to add it."),
    "own-missing": "Check Closte's dashboard: the network's main domain is missing from Closte's list.",
    "rechecked": "Nothing to do for now. closte-bridge rechecks it automatically.",
}
STEP_CODES = frozenset({*_STEPS, *_OTHER_STEPS})
"""Every code that `plan_step` returns."""


# In these states, DNS and certificate problems come first, because they affect visitors.
_DNS_FIRST = frozenset({"in-sync", "to-add", "unknown", "own", "on-hold"})
_HOLDS_AFTER_DNS = frozenset(
    {"", HoldCode.WWW_UNPROVEN, HoldCode.COVERED, HoldCode.LIST_LAG, HoldCode.NOT_MANAGED, HoldCode.NOT_LISTED}
)
# Holds that follow only from the authority of this installation.
_AUTHORITY_HOLDS = frozenset({HoldCode.ADD_ONLY, HoldCode.OVER_LIMIT})


def _blocked_by_authority(known: DomainStatus, authority: Authority) -> bool:
    """Return whether the current mode (read-only, inactive) blocks all changes to this domain."""
    no_changes = authority.mode in {Mode.READ_ONLY, Mode.INACTIVE}
    return known.code in _AUTHORITY_HOLDS or (no_changes and known.state in {"to-add", "to-remove"})


def _pending(known: DomainStatus) -> str:
    """Return the code of the next step for a change that Closte has not made yet, or an empty string."""
    if known.code == HoldCode.BACK_OFF:
        return "remove-later" if known.leaving else "add-later"
    if known.state == "to-add" and known.at_closte is None:
        return "addition-unknown" if known.managed else "addition-unlisted"
    return "own-missing" if known.state == "own" and known.at_closte is False else ""


def plan_step(known: DomainStatus, authority: Authority, *, has_dns_step: bool = False) -> str:
    """Return the code of the operator's next step, one of `STEP_CODES`; empty if the customer's comes first.

    `has_dns_step`: its DNS, its certificate or its visitors need something. This applies only if the domain is or will
    be on Closte.
    """
    if _blocked_by_authority(known, authority):
        return "removes-nothing" if authority.mode is Mode.ADD_ONLY else "changes-nothing"
    if pending := _pending(known):
        return pending
    dns_first = known.state in _DNS_FIRST and known.code in _HOLDS_AFTER_DNS and not known.leaving
    if has_dns_step and dns_first:
        return ""
    return next((step for step in (known.code, known.state) if step in _STEPS), "rechecked")


def next_step(known: DomainStatus, authority: Authority, dns_step: str = "") -> str:
    """Return the next step for this domain, in a sentence or two. `dns_step`: see `plan_step`."""
    code = plan_step(known, authority, has_dns_step=dns_step != "")
    text = _STEPS.get(code) or _OTHER_STEPS.get(code, "")
    return (
        text.format(
            name=known.name,
            base=known.name.removeprefix(WWW),
            until=datetime.fromtimestamp(known.until or 0.0, UTC).isoformat(timespec="seconds"),
            reason=authority.reason,
            hint=authority.hint,
        )
        if code
        else dns_step
    )
