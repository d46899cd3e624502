"""Which wanted names are missing at Closte, and which of those can be added now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.domains import WWW, is_wildcard, not_public, only_public, registered_domain, wildcard_over
from closte_bridge.ledger.state import Origin
from closte_bridge.planning.desired import Desired, DomainPolicy, origin_of
from closte_bridge.planning.model import NOT_LISTED_YET, Action, Change, Hold

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.model import Observed
    from closte_bridge.wordpress.snapshot import Snapshot


class PlanContext(NamedTuple):
    """Everything a decision about one name may look at."""

    snapshot: Snapshot
    observed: Observed
    ledger: LedgerState
    policy: DomainPolicy
    desire: Desired
    now: float
    retry: bool


def present_names(observed: Observed, ledger: LedgerState) -> frozenset[str] | set[str]:
    """Return the domains that count as present: the list's; what the list does not show at all, by the ledger.

    A paged list shows a part of what is there. To add the managed rest again would cost as many calls in each run.
    """
    if observed.paged:
        return observed.names | ledger.managed.keys()
    return observed.names if observed.readable else set(ledger.managed)


class Additions(NamedTuple):
    """The additions that may go now and those held back, both in the order of names.

    `unproven` are the `www.` forms that the network's setting asks for, held until it is known where they lead;
    `in_step` counts the mapped names that are there.
    """

    changes: list[Change]
    holds: list[Hold]
    unproven: frozenset[str]
    in_sync: int


def additions(context: PlanContext) -> Additions:
    """Decide about every name that is wanted and not there."""
    present = present_names(context.observed, context.ledger)
    # Name by name: a difference of sets would go through what is present as well, which can be as much.
    missing = {name for name in context.desire.mapped if name not in present}
    pending = _candidates(context, present, missing)
    in_place = {name for name in present if name[0] == "*"} - context.ledger.leaving
    coming: set[str] = set()
    changes: list[Change] = []
    holds: list[Hold] = []
    budget = dict(context.ledger.added_per_registered)
    # Wildcards first: what they cover needs no place in the budget.
    for name in sorted(pending, key=lambda n: (n[0] != "*", n)):
        hold = _held(name, context, in_place, coming) or _over_budget(name, context, budget)
        if hold:
            holds.append(hold)
        else:
            changes.append(Change(Action.ADD, name, origin_of(name, context.desire), _cause(name, context)))
        # What a wildcard on its way will cover need not be added beside it, unless it failed before.
        if (
            is_wildcard(name)
            and not context.ledger.trouble(name, Action.ADD)
            and (hold is None or hold.code == NOT_LISTED_YET)
        ):
            coming.add(name)
    return Additions(changes, holds, _unproven(context, present, pending), len(context.desire.mapped) - len(missing))


def _candidates(context: PlanContext, present: frozenset[str] | set[str], missing: set[str]) -> set[str]:
    """Names wanted and not there, of which `missing` are mapped; with them `www.` names that were ours once."""
    desire, ledger, www = context.desire, context.ledger, int(Origin.WWW)
    pending = missing | ((desire.configured | desire.pins) - present)
    for name, origin in ledger.managed.items():
        # Once added it stays: a `www.` that Closte lost comes back as long as its name is mapped.
        if origin == www and name not in present and name[4:] in desire.mapped:
            pending.add(name)
    for name, unsettled in ledger.unsettled.items():
        if unsettled.origin == Origin.WWW and name not in present and name[4:] in desire.mapped:
            pending.add(name)
    if proven := ledger.pointing_www - present:
        pending |= proven & desire.www.keys()
    for wildcard in ledger.leaving:
        # Whoever was reached through it must stay reachable: its `www.` names need no proof of where they lead.
        if is_wildcard(wildcard):
            pending |= served_by(wildcard, context) - present
    return pending - ledger.leaving


def served_by(wildcard: str, context: PlanContext) -> set[str]:
    """Return the wanted names that `wildcard` covers, with the `www.` forms that the network's setting asks for."""
    desire = context.desire
    wanted = (*desire.mapped, *desire.pins, *desire.www)
    return {name for name in wanted if wildcard_over(name) == wildcard} - {wildcard}


def never_added(name: str, context: PlanContext) -> bool:
    """Tell whether nobody would add `name` whatever happens: it need not be waited for."""
    unfit = _unfit(name, context)
    return unfit is not None and unfit[0] not in {"conflict", "other-network"}


def _held(name: str, context: PlanContext, in_place: set[str], coming: set[str]) -> Hold | None:
    reason = _unfit(name, context) or _covered(name, in_place, coming)
    if reason:
        code, text = reason
        return Hold(Action.ADD, name, code, text)
    return _not_yet(name, context)


def _unfit(name: str, context: PlanContext) -> tuple[str, str] | None:
    """What is wrong with the name or its claim; a `www.` form has no better one than the name that it stands beside."""
    desire = context.desire
    if why := not_public(name.removeprefix("*.")):
        return "not-public", f"no certificate can be had for it: {why}"
    asked = name in desire.configured or name in desire.pins
    base = name if asked or name in desire.mapped else name.removeprefix(WWW)
    blogs = desire.contested.get(base)
    if blogs:
        claimed = "it" if base == name else f'"{base}"'
        return "conflict", f"sites {', '.join(map(str, sorted(blogs)))} claim {claimed}"
    mapping = desire.mapped.get(base)
    if mapping is None or asked:
        return None
    site = context.snapshot.sites.get(mapping.blog_id)
    if site is None:
        return "site-gone", f"site {mapping.blog_id} of its mapping does not exist"
    if site.network_id != context.snapshot.network.id:
        return "other-network", f"its site belongs to network {site.network_id}"
    return None


def _covered(name: str, in_place: set[str], coming: set[str]) -> tuple[str, str] | None:
    if is_wildcard(name):
        return None
    over = wildcard_over(name)
    if over in in_place:
        return "covered", f'covered by "{over}"'
    if over in coming:
        return "covered", f'will be covered by "{over}", which is added first'
    return None


def _not_yet(name: str, context: PlanContext) -> Hold | None:
    """Names that were tried, and are tried again later; and those that may be there and were let go."""
    if name in context.ledger.released and not context.observed.complete and not _known(name, context.ledger):
        # It is most likely there, and Closte's yes would make it ours again.
        return Hold(Action.ADD, name, "released", "it was released, and no complete list tells whether it is there")
    trouble = context.ledger.trouble(name, Action.ADD)
    if trouble and trouble.next_try > context.now and not context.retry:
        code = trouble.code or ("refused" if trouble.refused else "back-off")
        return Hold(Action.ADD, name, code, trouble.message, trouble.next_try)
    late = name in context.ledger.added_lately and name in context.ledger.managed and name not in context.observed.lost
    if late and not context.retry:
        return Hold(Action.ADD, name, NOT_LISTED_YET, "just added; the list does not show it yet")
    return None


def _known(name: str, ledger: LedgerState) -> bool:
    return name in ledger.managed or name in ledger.unsettled


def _over_budget(name: str, context: PlanContext, budget: dict[str, int]) -> Hold | None:
    """Count the name against its registered domain's week, unless it is not new: what had its place keeps it."""
    if name in context.ledger.added_this_week or name in context.ledger.managed:
        return None
    registered = registered_domain(name)
    used = budget.get(registered, 0)
    if used >= context.policy.certificate_budget:
        return Hold(
            Action.ADD,
            name,
            "certificate-budget",
            f'{counted(used, "name")} of "{registered}" {"was" if used == 1 else "were"} new this week; '
            f'a wildcard (`wildcards: ["*.{name.partition(".")[2]}"]`) needs only one',
        )
    budget[registered] = used + 1
    return None


def _cause(name: str, context: PlanContext) -> str:
    if name in context.ledger.managed:
        return "gone from Closte's list"
    if name in context.ledger.unsettled:
        return "an earlier attempt had no clear answer"
    mapping = context.desire.mapped.get(name)
    if name in context.desire.configured:
        return "in the config"
    if name in context.desire.pins:
        return "pinned"
    return f"mapped to site {mapping.blog_id}" if mapping else "the www. form of a mapped name"


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
