"""Tests of properties that hold for every plan, in every state of both sides, the ledger and the config."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from closte_bridge.domains import normalise, not_public, wildcard_over
from closte_bridge.engine.bookkeeping import DAY, next_wait
from closte_bridge.engine.inventory import inventory
from closte_bridge.hosting import Action, Completeness, Listing
from closte_bridge.ledger.state import AliasPhase, Origin, RemovalClass
from closte_bridge.planning.additions import PlanContext
from closte_bridge.planning.completeness import assess_list
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import Approval, Authority, HoldCode, Mode
from closte_bridge.planning.plan import make_plan, narrow
from tests.property.network import mentions
from tests.property.strategies import STANDINGS, ledgers, lists, policy, snapshots, subsets
from tests.support.check_states import MAIN, NOW

if TYPE_CHECKING:
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.planning.desired import DomainPolicy
    from closte_bridge.planning.model import Plan
    from closte_bridge.wordpress.snapshot import Snapshot

QUICK = settings(max_examples=150)
FULL = Authority(Mode.FULL)
SIDES = {"snapshot": snapshots(), "observed": lists(), "ledger": ledgers(), "config": policy()}


def plan_of(snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy, **more: object) -> Plan:
    context = PlanContext(
        snapshot, observed, ledger, config, desired(snapshot, config, ledger), NOW, retry=bool(more.pop("retry", False))
    )
    return make_plan(context, **more)  # type: ignore[arg-type]


@QUICK
@given(**SIDES, authority=STANDINGS, seed=st.integers())
def test_plan_does_not_depend_on_the_order_of_its_input(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy, authority: Authority, seed: int
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=authority)
    assert plan_of(snapshot, observed, ledger, config, authority=authority) == plan
    chance = random.Random(seed)

    def shuffled(items: dict[Any, Any]) -> Any:  # noqa: ANN401 - of the same type
        return dict(chance.sample(list(items.items()), len(items)))

    other = replace(
        snapshot,
        mappings=chance.sample(snapshot.mappings, len(snapshot.mappings)),
        sites=shuffled(snapshot.sites),
    )
    tables = ("managed", "unsettled", "absences", "evidence", "failed_changes")
    mixed = replace(ledger, **{table: shuffled(getattr(ledger, table)) for table in tables})
    assert plan_of(other, observed, mixed, config, authority=authority) == plan


@QUICK
@given(**SIDES, authority=STANDINGS, retry=st.booleans(), approved=subsets())
def test_only_managed_and_unmentioned_domains_are_removed(
    snapshot: Snapshot,
    observed: Observed,
    ledger: LedgerState,
    config: DomainPolicy,
    authority: Authority,
    retry: bool,
    approved: frozenset[str],
) -> None:
    approval = Approval(names=approved)
    plan = plan_of(snapshot, observed, ledger, config, authority=authority, retry=retry, approval=approval)
    wildcards = {name for name in {*ledger.managed, *ledger.unsettled} if name.startswith("*.")}
    for change in plan.removals:
        name = change.name
        unsettled = ledger.unsettled.get(name)
        assert name in ledger.managed or (
            unsettled and (unsettled.phase is AliasPhase.REMOVING or unsettled.absent_before)
        )
        assert mentions(snapshot, config, set(ledger.pins), wildcards, name) is None
        assert not any(name in {own, f"www.{own}", f"*.{own}"} for own in (MAIN, *ledger.former_domains))
        assert not f".{name}".endswith(".closte.com")
        assert snapshot.complete
        assert authority.mode is Mode.FULL
        by_command = name in ledger.leaving
        assert by_command or change.origin not in {Origin.CONFIG, Origin.PIN}
        assert by_command or not name.startswith("*.")
        if change.removal_class in {RemovalClass.INFERENCE, RemovalClass.EVENT}:
            _rests_on_evidence(name, observed, ledger, config)
        assert change.removal_class is not RemovalClass.APPROVED or name in approved


@QUICK
@given(**SIDES, authority=STANDINGS, retry=st.booleans())
def test_plan_and_domain_list_have_the_same_counts(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy, authority: Authority, retry: bool
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=authority, retry=retry)
    desire = desired(snapshot, config, ledger)
    view = cast("Observation", SimpleNamespace(snapshot=snapshot, observed=observed, ledger=ledger, desire=desire))
    counts = Counter(known.state for known in inventory(view, plan))
    assert counts["in-sync" if observed.readable else "unknown"] == plan.in_sync
    # On Closte, and not on Closte.
    held = [hold for hold in plan.holds if hold.code is HoldCode.SITE_GONE and hold.action is Action.ADD]
    assert counts["orphaned"] == len(plan.orphaned) + len(held)
    assert counts["unmanaged"] == len(plan.unmanaged)
    assert counts["needs-approval"] == sum(len(kept.names) for kept in plan.over_limit)


def _rests_on_evidence(name: str, observed: Observed, ledger: LedgerState, config: DomainPolicy) -> None:
    if name in ledger.evidence:
        since = NOW if ledger.clock_jumped else ledger.evidence[name].received
        assert NOW - since >= config.removal_delay
        return
    assert observed.complete
    absence = ledger.absences[name]
    assert not ledger.clock_jumped
    assert absence.times >= 2
    assert NOW - absence.since >= config.removal_grace


@QUICK
@given(**SIDES)
def test_removal_limits_hold_in_every_plan(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=FULL)
    going = [name for name, unsettled in ledger.unsettled.items() if unsettled.phase is AliasPhase.REMOVING]
    size = len(ledger.managed) + len(going)
    for removal_class, window, floor, share in (
        (RemovalClass.INFERENCE, DAY, 3, 0.10),
        (RemovalClass.EVENT, 3600.0, 20, 0.25),
    ):
        names = [change.name for change in plan.removals if change.removal_class is removal_class]
        lately = [c for c, at in ledger.removals if ledger.clock_jumped or NOW - at < window]
        lost = [n for n in going if n not in names and n not in observed.names]
        limit = max(floor, int((size + len(lately) + len(lost)) * share))
        assert not names or len(names) + lately.count(removal_class) <= limit
        assert removal_class is RemovalClass.EVENT or not names or len(names) < size


@QUICK
@given(**SIDES, authority=STANDINGS)
def test_every_domain_has_one_outcome(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy, authority: Authority
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=authority)
    held = [hold.name for hold in plan.holds if hold.code != "malformed"]
    changed = [change.name for change in plan.changes]
    over_limit = [name for kept in plan.over_limit for name in kept.names]
    fates = [*held, *changed, *over_limit]
    assert len(fates) == len(set(fates)), sorted(name for name in fates if fates.count(name) > 1)
    assert not set(plan.unmanaged) & {*fates, *ledger.managed, *ledger.unsettled}
    books = plan.updates
    settled = [*books.confirmed, *books.vanished, *books.unclaimed, *books.lapsed]
    assert len(settled) == len(set(settled))
    assert not {*books.vanished, *books.unclaimed} & {change.name for change in plan.removals}


@QUICK
@given(**SIDES)
def test_wanted_and_missing_domain_is_added_or_on_hold(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=FULL)
    wanted = set(ledger.pins) | set(config.wildcards)
    malformed = 0
    for row in snapshot.mappings:
        try:
            wanted.add(normalise(row.domain))
        except ValueError:
            malformed += 1
    # The ledger decides about domains that a paged list does not show: they are not requested again in each run.
    by_ledger = observed.paged or not observed.readable
    present = observed.names | (ledger.managed.keys() if by_ledger else set())
    decided = {change.name for change in plan.additions} | {hold.name for hold in plan.holds}
    assert wanted - present <= decided
    assert len([hold for hold in plan.holds if hold.code == "malformed"]) == malformed
    for change in plan.additions:
        assert change.name not in present
    if observed.lost:
        assert not observed.lost & {hold.name for hold in plan.holds if hold.code == "list-lag"}
    for change in plan.additions:
        assert not_public(change.name.removeprefix("*.")) is None
        assert normalise(change.name) == change.name


@QUICK
@given(**SIDES)
def test_planned_addition_is_not_covered_by_a_present_wildcard(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy
) -> None:
    plan = plan_of(snapshot, observed, ledger, config, authority=FULL)
    there = set(observed.names if observed.readable else ledger.managed)
    there |= ledger.managed.keys() if observed.paged else set()
    kept = {name for name in there if name.startswith("*.")} - ledger.leaving
    for change in plan.additions:
        assert change.name.startswith("*.") or wildcard_over(change.name) not in kept
    for removal in plan.removals:
        if removal.name.startswith("*."):
            assert observed.complete


@QUICK
@given(**SIDES, names=subsets())
def test_narrowed_plan_is_a_subset(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, config: DomainPolicy, names: frozenset[str]
) -> None:
    whole = plan_of(snapshot, observed, ledger, config, authority=FULL)
    part = narrow(whole, names)
    assert set(part.changes) <= set(whole.changes)
    assert set(part.holds) <= set(whole.holds)
    assert {change.name for change in part.changes} <= names | {f"www.{name}" for name in names}


@QUICK
@given(
    state=st.sampled_from(Completeness),
    names=subsets(20),
    ledger=ledgers(),
    before=st.integers(0, 30),
    own=st.booleans(),
)
def test_list_is_complete_only_without_contrary_evidence(
    state: Completeness, names: frozenset[str], ledger: LedgerState, before: int, own: bool
) -> None:
    names = names | {MAIN} if own else names - {MAIN}
    observed = assess_list(Listing(state, "some reason", names), MAIN, replace(ledger, observed_count=before))
    doing = {n for n, u in ledger.unsettled.items() if u.phase is AliasPhase.REMOVING and n not in names}
    if observed.complete:
        assert state is Completeness.COMPLETE
        assert own
        late = (names & ledger.removed_lately) - ledger.managed.keys()
        assert len(names - late) >= (before - len(doing)) * 0.9
    assert not observed.lost or (own and observed.lost <= ledger.managed.keys() - names and len(observed.lost) > 3)
    assert observed.names <= names
    assert observed.complete or observed.reason


@QUICK
@given(st.integers(0, 10**9), st.booleans(), st.floats(0, 1))
def test_back_off_is_bounded_and_grows(attempts: int, refused: bool, chance: float) -> None:
    assert 0 < next_wait(attempts, refused=refused, chance=chance) <= 8.75 * DAY
    assert next_wait(attempts + 1, refused=refused, chance=chance) >= next_wait(
        attempts, refused=refused, chance=chance
    )
