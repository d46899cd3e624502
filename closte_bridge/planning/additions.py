"""Plan additions: find needed domains that are missing on Closte, and which of them can be added now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.domains import WWW, is_wildcard, not_public, only_public, registered_domain, wildcard_over
from closte_bridge.hosting import Action
from closte_bridge.ledger.state import Origin
from closte_bridge.planning.desired import Desired, DomainPolicy, origin_of
from closte_bridge.planning.model import Addition, Hold, HoldCode

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.wordpress.snapshot import Snapshot


class PlanContext(NamedTuple):
    """Input of a decision about one domain."""

    snapshot: Snapshot
    observed: Observed
    ledger: LedgerState
    policy: DomainPolicy
    desire: Desired
    now: float
    retry: bool


def present_names(observed: Observed, ledger: LedgerState) -> frozenset[str] | set[str]:
    """Return the domains that count as present on Closte: those of the list, or of the ledger if there is no list.

    A paged list shows only a part, so managed domains count as well: each run would otherwise add them again.
    """
    if observed.paged:
        return observed.names | ledger.managed.keys()
    return observed.names if observed.readable else set(ledger.managed)


class Additions(NamedTuple):
    """Additions to make now and additions on hold, both wildcards first, then sorted by domain.

    `unproven`: `www.` forms that the network's setting asks for, on hold until their DNS is known. `in_sync`: the
    number of mapped domains that are on Closte.
    """

    changes: list[Addition]
    holds: list[Hold]
    unproven: frozenset[str]
    in_sync: int


def additions(context: PlanContext) -> Additions:
    """Decide about every domain that is needed but missing on Closte."""
    present = present_names(context.observed, context.ledger)
    # A set difference would also iterate over all present domains, which can be as many.
    missing = {name for name in context.desire.mapped if name not in present}
    pending = _candidates(context, present, missing)
    in_place = {name for name in present if name[0] == "*"} - context.ledger.leaving
    coming: set[str] = set()
    changes: list[Addition] = []
    holds: list[Hold] = []
    budget = dict(context.ledger.added_per_registered)
    # Wildcards first: the domains they cover use no certificate budget.
    for name in sorted(pending, key=lambda n: (n[0] != "*", n)):
        hold = _on_hold(name, context, in_place, coming) or _over_budget(name, context, budget)
        if hold:
            holds.append(hold)
        else:
            changes.append(Addition(name, origin_of(name, context.desire), _cause(name, context)))
        # A wildcard that is about to be added covers its domains, unless it failed before.
        if (
            is_wildcard(name)
            and not context.ledger.trouble(name, Action.ADD)
            and (hold is None or hold.code is HoldCode.LIST_LAG)
        ):
            coming.add(name)
    return Additions(changes, holds, _unproven(context, present, pending), len(context.desire.mapped) - len(missing))


def _candidates(context: PlanContext, present: frozenset[str] | set[str], missing: set[str]) -> set[str]:
    """Return needed domains that are not present: the mapped ones (`missing`), and `www.` forms managed before."""
    desire, ledger, www = context.desire, context.ledger, int(Origin.WWW)
    pending = missing | ((desire.configured | desire.pins) - present)
    for name, origin in ledger.managed.items():
        # A managed `www.` form that Closte lost is added again while its base domain is mapped.
        if origin == www and name not in present and name[4:] in desire.mapped:
            pending.add(name)
    for name, unsettled in ledger.unsettled.items():
        if unsettled.origin == Origin.WWW and name not in present and name[4:] in desire.mapped:
            pending.add(name)
    if proven := ledger.pointing_www - present:
        pending |= proven & desire.www.keys()
    for wildcard in ledger.leaving:
        # Domains behind a removed wildcard must stay reachable: their `www.` forms need no DNS proof.
        if is_wildcard(wildcard):
            pending |= served_by(wildcard, context) - present
    return pending - ledger.leaving


def served_by(wildcard: str, context: PlanContext) -> set[str]:
    """Return the needed domains that `wildcard` covers, with the `www.` forms that the network's setting asks for."""
    desire = context.desire
    wanted = (*desire.mapped, *desire.pins, *desire.www)
    return {name for name in wanted if wildcard_over(name) == wildcard} - {wildcard}


def never_added(name: str, context: PlanContext) -> bool:
    """Return whether `name` can never be added."""
    unfit = _unfit(name, context)
    return unfit is not None and unfit[0] not in {HoldCode.CONFLICT, HoldCode.OTHER_NETWORK}


def _on_hold(name: str, context: PlanContext, in_place: set[str], coming: set[str]) -> Hold | None:
    reason = _unfit(name, context) or _covered(name, in_place, coming)
    if reason:
        code, text = reason
        return Hold(Action.ADD, name, code, text)
    return _not_yet(name, context)


def _unfit(name: str, context: PlanContext) -> tuple[HoldCode, str] | None:
    """Return code and reason if the domain or its mapping is unsuitable; a `www.` form depends on its base domain."""
    desire = context.desire
    if why := not_public(name.removeprefix("*.")):
        return HoldCode.NOT_PUBLIC, f"no certificate can be issued: {why}"
    asked = name in desire.configured or name in desire.pins
    base = name if asked or name in desire.mapped else name.removeprefix(WWW)
    blogs = desire.contested.get(base)
    if blogs:
        mapped = "mapped" if base == name else f'"{base}" is mapped'
        return HoldCode.CONFLICT, f"{mapped} to several sites ({', '.join(map(str, sorted(blogs)))})"
    mapping = desire.mapped.get(base)
    if mapping is None or asked:
        return None
    site = context.snapshot.sites.get(mapping.blog_id)
    if site is None:
        return HoldCode.SITE_GONE, f"mapped to site {mapping.blog_id}, which does not exist"
    if site.network_id != context.snapshot.network.id:
        return HoldCode.OTHER_NETWORK, f"its site belongs to another network ({site.network_id})"
    return None


def _covered(name: str, in_place: set[str], coming: set[str]) -> tuple[HoldCode, str] | None:
    if is_wildcard(name):
        return None
    over = wildcard_over(name)
    if over in in_place:
        return HoldCode.COVERED, f'covered by "{over}"'
    if over in coming:
        return HoldCode.COVERED, f'will be covered by "{over}" (being added)'
    return None


def _not_yet(name: str, context: PlanContext) -> Hold | None:
    """Return the hold of a domain that must wait: after a failure, after an addition, or because it was released."""
    if name in context.ledger.released and not context.observed.complete and not _known(name, context.ledger):
        # It is probably on Closte, and a successful request would make it managed again.
        why = "released; it may still be on Closte: Closte's list is incomplete"
        return Hold(Action.ADD, name, HoldCode.RELEASED, why)
    trouble = context.ledger.trouble(name, Action.ADD)
    if trouble and trouble.next_try > context.now and not context.retry:
        code = HoldCode.REFUSED if trouble.refused else HoldCode.BACK_OFF
        code = HoldCode(trouble.code) if trouble.code else code
        return Hold(Action.ADD, name, code, trouble.message, trouble.next_try)
    late = name in context.ledger.added_lately and name in context.ledger.managed and name not in context.observed.lost
    if late and not context.retry:
        return Hold(Action.ADD, name, HoldCode.LIST_LAG, "just added; not in Closte's list yet")
    return None


def _known(name: str, ledger: LedgerState) -> bool:
    return name in ledger.managed or name in ledger.unsettled


def _over_budget(name: str, context: PlanContext, budget: dict[str, int]) -> Hold | None:
    """Count a new domain against the weekly certificate budget of its registered domain; return the hold, if any."""
    if name in context.ledger.added_this_week or name in context.ledger.managed:
        return None
    registered = registered_domain(name)
    used = budget.get(registered, 0)
    if used >= context.policy.certificate_budget:
        return Hold(
            Action.ADD,
            name,
            HoldCode.CERTIFICATE_BUDGET,
            f'weekly certificate limit reached ({counted(used, "new domain")} under "{registered}"); '
            f'a wildcard (`wildcards: ["*.{name.partition(".")[2]}"]`) needs only one certificate',
        )
    budget[registered] = used + 1
    return None


def _cause(name: str, context: PlanContext) -> str:
    if name in context.ledger.managed:
        return "missing from Closte's list"
    if name in context.ledger.unsettled:
        return "retry: the result of the last attempt is unknown"
    mapping = context.desire.mapped.get(name)
    if name in context.desire.configured:
        return "in the config"
    if name in context.desire.pins:
        return "pinned"
    return f"mapped to site {mapping.blog_id}" if mapping else "www variant of a mapped domain"


def _unproven(context: PlanContext, present: frozenset[str] | set[str], pending: set[str]) -> frozenset[str]:
    managed, mapped = context.ledger.managed, context.desire.mapped
    return frozenset(
        only_public(
            [
                www
                for www in context.desire.www
                if www not in present and www not in managed and www not in mapped and www not in pending
            ]
        )
    )
