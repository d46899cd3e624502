from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.hosting import Action
from closte_bridge.ledger.state import Absence, AliasPhase, LedgerState, Origin
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.planning.plan import narrow
from closte_bridge.wordpress.snapshot import Snapshot, WwwPolicy
from tests.support.check_states import (
    DAY,
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_row,
    a_snapshot,
    adds,
    holds,
    missing,
    partial,
    told,
    trouble,
    waiting_for,
)

if TYPE_CHECKING:
    from closte_bridge.planning.completeness import Observed

OLD = NOW - HOUR - MINUTE


def test_plan_is_empty_if_both_sides_agree() -> None:
    plan = a_plan(a_snapshot("a.com", "b.com"), a_list("a.com", "b.com"), a_ledger("a.com", "b.com"))
    assert (plan.changes, plan.holds, plan.over_limit, plan.unmanaged) == ((), (), (), ())
    assert plan.in_sync == 2
    assert plan.updates == type(plan.updates)()


def test_plan_separates_additions_and_removals() -> None:
    ledger = a_ledger("old.com", *(f"stay{n}.com" for n in range(5)), evidence={"old.com": told()})
    plan = a_plan(a_snapshot("new.com", *(f"stay{n}.com" for n in range(5))), a_list(*ledger.managed), ledger)
    assert [change.name for change in plan.additions] == ["new.com"]
    assert [change.name for change in plan.removals] == ["old.com"]
    assert plan.changes == (*plan.additions, *plan.removals)
    assert (plan.observed.complete is not None, plan.observed.readable, plan.snapshot_faults) == (True, True, ())


def test_alias_without_any_request_is_unmanaged() -> None:
    ledger = a_ledger(
        "ours.com", pins={"pin.com"}, unsettled={"open.com": waiting_for(AliasPhase.ADDING, absent_before=False)}
    )
    there = a_list("ours.com", "pin.com", "open.com", "mapped.com", "www.mapped.com", "b.com", "a.com")
    assert a_plan(a_snapshot("mapped.com"), there, ledger).unmanaged == ("a.com", "b.com")


@pytest.mark.parametrize(
    ("phase", "absent_before", "since", "snapshot", "observed", "fate"),
    [
        (AliasPhase.ADDING, True, NOW, a_snapshot("x.com"), a_list("x.com"), "confirmed"),
        (AliasPhase.ADDING, False, NOW, a_snapshot("x.com"), a_list("x.com"), "unclaimed"),
        (AliasPhase.UNCONFIRMED, False, NOW, a_snapshot(), partial("x.com"), "unclaimed"),
        (AliasPhase.ADDING, True, NOW, a_snapshot("x.com"), partial("x.com"), "confirmed"),
        (AliasPhase.ADDING, True, NOW, a_snapshot(), a_list(), "open"),
        (AliasPhase.ADDING, True, OLD, a_snapshot(), a_list(), "vanished"),
        (AliasPhase.ADDING, True, OLD, a_snapshot(), partial(), "open"),
        (AliasPhase.ADDING, True, OLD, a_snapshot(), UNREADABLE, "open"),
        (AliasPhase.UNCONFIRMED, True, OLD, a_snapshot("x.com"), a_list(), "lapsed"),
        (AliasPhase.UNCONFIRMED, False, OLD, a_snapshot("x.com"), a_list(), "open"),
        # The site is gone and its row may stay forever: WordPress does not request the domain again.
        (AliasPhase.UNCONFIRMED, True, OLD, a_snapshot(a_row("x.com", 77)), a_list(), "lapsed"),
        (AliasPhase.UNCONFIRMED, False, OLD, a_snapshot(a_row("x.com", 77)), a_list(), "vanished"),
        (AliasPhase.UNCONFIRMED, False, OLD, a_snapshot(a_row("x.com", 77)), partial(), "open"),
        (AliasPhase.REMOVING, True, NOW, a_snapshot(), a_list(), "vanished"),
        (AliasPhase.REMOVING, True, NOW, a_snapshot(), UNREADABLE, "open"),
        (AliasPhase.REMOVING, True, NOW, a_snapshot(), a_list("x.com"), "open"),
        (AliasPhase.REMOVING, True, NOW, a_snapshot("x.com"), a_list("x.com"), "confirmed"),
        (AliasPhase.REMOVING, True, NOW, a_snapshot("x.com"), UNREADABLE, "open"),
    ],
)
def test_list_settles_changes_with_lost_answers(
    phase: AliasPhase, absent_before: bool, since: float, snapshot: Snapshot, observed: Observed, fate: str
) -> None:
    unsettled = waiting_for(phase, since=since, absent_before=absent_before, origin=Origin.WWW)
    books = a_plan(snapshot, observed, a_ledger(unsettled={"x.com": unsettled})).updates
    found = {
        "confirmed": list(books.confirmed.items()) == [("x.com", Origin.WWW)],
        "vanished": books.vanished == ("x.com",),
        "lapsed": books.lapsed == ("x.com",),
        "unclaimed": books.unclaimed == ("x.com",),
    }
    assert [word for word, there in found.items() if there] == ([] if fate == "open" else [fate])


def test_unproven_www_form_closes_its_unclear_attempt() -> None:
    unsettled = {"www.x.com": waiting_for(AliasPhase.UNCONFIRMED, since=OLD, absent_before=False)}
    plan = a_plan(a_snapshot("x.com", www=WwwPolicy.ALWAYS), a_list("x.com"), a_ledger("x.com", unsettled=unsettled))
    assert (sorted(plan.unproven), plan.updates.vanished) == (["www.x.com"], ("www.x.com",))


def test_lapsed_attempt_stays_wanted_with_its_back_off() -> None:
    unsettled = {"x.com": waiting_for(AliasPhase.UNCONFIRMED, since=OLD)}
    ledger = a_ledger(unsettled=unsettled, failed_changes={"x.com": trouble(attempts=9)})
    plan = a_plan(a_snapshot("x.com"), a_list(), ledger)
    assert holds(plan) == {"x.com": "back-off"}
    assert (plan.updates.lapsed, plan.updates.settled) == (("x.com",), ())


@pytest.mark.parametrize(
    ("ledger", "snapshot"),
    [
        (a_ledger("x.com"), a_snapshot()),
        (a_ledger("x.com", leaving={"x.com"}), a_snapshot()),
        (a_ledger("www.x.com"), a_snapshot("x.com")),
        (a_ledger(f"one.{MAIN}"), a_snapshot()),
        (a_ledger("x.com", origins={"*.old.com": Origin.CONFIG}), a_snapshot()),
    ],
    ids=["unwanted", "leaving", "only mentioned", "under the network", "a wildcard that left the config"],
)
def test_missing_and_unwanted_alias_is_forgotten(ledger: LedgerState, snapshot: Snapshot) -> None:
    many = [f"stay{n}.com" for n in range(40)]
    ledger.managed.update(dict.fromkeys(many, 1))
    plan = a_plan(
        snapshot, a_list(*many, "x.com" if "x.com" in {m.domain for m in snapshot.mappings} else MAIN), ledger
    )
    assert set(plan.updates.vanished) == ledger.managed.keys() - set(many)


def test_missing_but_wanted_alias_is_not_forgotten() -> None:
    ledger = a_ledger(
        "back.com",
        "held.com",
        "lag.com",
        origins={"www.back.com": Origin.WWW, "pin.com": Origin.PIN},
        pins={"pin.com"},
        failed_changes={"held.com": trouble()},
        added_lately={"lag.com"},
    )
    plan = a_plan(a_snapshot("back.com", "held.com"), a_list(), ledger)
    assert plan.updates.vanished == ()


@pytest.mark.parametrize("observed", [partial(), UNREADABLE])
def test_incomplete_list_causes_no_forgetting(observed: Observed) -> None:
    assert a_plan(a_snapshot(), observed, a_ledger("x.com")).updates.vanished == ()


@pytest.mark.parametrize(
    ("snapshot", "observed", "ledger", "settled"),
    [
        (a_snapshot("x.com"), a_list("x.com"), a_ledger("x.com"), True),
        (a_snapshot("x.com"), a_list(), a_ledger(), False),
        (a_snapshot(), a_list("x.com"), a_ledger("x.com"), False),
        (a_snapshot(), a_list(), a_ledger(), True),
        (a_snapshot(), a_list(), a_ledger(unsettled={"x.com": waiting_for(AliasPhase.UNCONFIRMED)}), False),
        (a_snapshot(faults=("torn",)), a_list(), a_ledger(), False),
        (a_snapshot(), UNREADABLE, a_ledger(), False),
    ],
    ids=["there", "still wanted", "still to go", "nobody asks", "open", "partial", "unreadable"],
)
def test_failure_is_settled_once_nothing_depends_on_it(
    snapshot: Snapshot, observed: Observed, ledger: LedgerState, settled: bool
) -> None:
    ledger.failed_changes["x.com"] = trouble()
    assert a_plan(snapshot, observed, ledger).updates.settled == (("x.com",) if settled else ())


def test_domain_mentioned_again_loses_its_evidence() -> None:
    ledger = a_ledger("a.com", "b.com", absences={"a.com": missing(), "c.com": missing()}, evidence={"b.com": told()})
    plan = a_plan(a_snapshot("a.com", "b.com", faults=("torn",)), a_list("a.com", "b.com"), ledger)
    assert plan.updates.mentioned_again == ("a.com", "b.com")


def test_inactive_plan_needs_no_approval_and_removes_nothing() -> None:
    """Rule 10: an inactive run exits with 0 even if removals are over a limit. The plan lists them as holds."""
    names = [f"old{n}.com" for n in range(30)]
    ledger = a_ledger(*names, "stay.com", evidence={name: told() for name in names})
    whole = a_plan(a_snapshot("stay.com"), a_list(*ledger.managed), ledger)
    assert [len(over_limit.names) for over_limit in whole.over_limit] == [30]
    off = Authority(Mode.INACTIVE, "integration-off", "the Closte integration is disabled in Ultimate Multisite")
    plan = a_plan(a_snapshot("stay.com"), a_list(*ledger.managed), ledger, authority=off)
    assert plan.over_limit == ()
    assert holds(plan) == dict.fromkeys(names, "over-limit")


def test_add_only_plan_needs_no_approval_and_removes_nothing() -> None:
    """Removals over a limit are on hold like any removal. Otherwise their domains would appear to be in sync."""
    gone = ("a.com", "b.com", "c.com", "d.com")
    ledger = a_ledger(*gone, "y.com", absences=dict.fromkeys(gone, missing()), evidence={"y.com": told()})
    assert [over_limit.names for over_limit in a_plan(a_snapshot(), a_list(*ledger.managed), ledger).over_limit] == [
        gone
    ]
    authority = Authority(Mode.ADD_ONLY, "moved", "it was moved")
    plan = a_plan(a_snapshot(), a_list(*ledger.managed), ledger, authority=authority)
    assert (plan.changes, plan.over_limit) == ((), ())
    assert holds(plan) == dict.fromkeys((*gone, "y.com"), "add-only")


def test_narrowed_plan_keeps_www_forms_and_updates() -> None:
    many = [f"stay{n}.com" for n in range(20)]
    gone = [f"gone{n}.com" for n in range(4)]
    ledger = a_ledger(*many, *gone, "c.com", absences=dict.fromkeys(gone, missing()), evidence={"c.com": told()})
    snapshot = a_snapshot(*many, "a.com", "b.com", a_row("d.com", 9), www=WwwPolicy.ALWAYS)
    whole = a_plan(snapshot, a_list(*ledger.managed, "e.com"), ledger)
    part = narrow(whole, ["a.com", "c.com", "stay1.com", "gone1.com", "e.com"])
    assert adds(part) == ["a.com"]
    assert [change.name for change in part.removals] == ["c.com"]
    assert holds(part) == {"www.a.com": "www-unproven", "www.stay1.com": "www-unproven"}
    assert part.over_limit == whole.over_limit
    assert part.unmanaged == ("e.com",)
    assert (part.updates, part.in_sync) == (whole.updates, whole.in_sync)
    assert narrow(whole, ["d.com"]).over_limit == ()


def test_missing_domain_is_counted_once_per_read() -> None:
    ledger = a_ledger("x.com", "y.com", absences={"x.com": missing(1, since=NOW - DAY, last=NOW - HOUR)})
    books = a_plan(a_snapshot("y.com"), a_list("x.com", "y.com"), ledger).updates
    assert books.absences == {"x.com": Absence(NOW - DAY, 2, NOW)}


def test_no_domain_is_both_changed_and_on_hold() -> None:
    ledger = a_ledger(unsettled={"www.x.com": waiting_for(AliasPhase.UNCONFIRMED, origin=Origin.WWW)})
    plan = a_plan(a_snapshot("x.com", www=WwwPolicy.ALWAYS), a_list("x.com"), ledger)
    assert [(c.action, c.name) for c in plan.changes] == [(Action.ADD, "www.x.com")]
    assert not plan.holds


def test_unwanted_failure_is_settled_under_a_paged_list() -> None:
    ledger = a_ledger("there.com", failed_changes={"gone.com": trouble(), "wanted.com": trouble()})
    for observed, settled in ((replace(partial(), paged=True), ("gone.com",)), (partial(), ())):
        plan = a_plan(a_snapshot("wanted.com", "there.com"), observed, ledger)
        assert plan.updates.settled == settled
