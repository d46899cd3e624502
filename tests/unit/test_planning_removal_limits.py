from __future__ import annotations

import pytest

from closte_bridge.ledger.state import AliasPhase, Origin, RemovalClass
from closte_bridge.planning.model import Approval, Plan
from closte_bridge.planning.removal_limits import digest
from tests.support.check_states import (
    DAY,
    HOUR,
    MAIN,
    NOW,
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_snapshot,
    missing,
    removes,
    told,
    trouble,
    waiting_for,
)

EVENT, INFERENCE = RemovalClass.EVENT, RemovalClass.INFERENCE


def names(word: str, number: int) -> list[str]:
    return [f"{word}{n:03}.com" for n in range(number)]


def plan_for(
    *,
    stay: int = 0,
    told_of: int = 0,
    missed: int = 0,
    removed: tuple[tuple[RemovalClass, float], ...] = (),
    approval: Approval | None = None,
    clock_jumped: bool = False,
) -> Plan:
    """Return a plan for a ledger of domains that stay, that events report, and that are only missing; all are due."""
    staying, events, absent = names("stay", stay), names("told", told_of), names("gone", missed)
    ledger = a_ledger(
        *staying,
        *events,
        *absent,
        evidence={name: told() for name in events},
        absences={name: missing() for name in absent},
        removals=removed,
        clock_jumped=clock_jumped,
    )
    more = {"approval": approval} if approval else {}
    return a_plan(a_snapshot(*staying), a_list(*staying, *events, *absent), ledger, **more)


@pytest.mark.parametrize(("missed", "goes"), [(3, True), (4, False)])
def test_three_inferred_removals_are_allowed_in_a_small_ledger(missed: int, goes: bool) -> None:
    plan = plan_for(stay=20, missed=missed)
    assert removes(plan) == (names("gone", missed) if goes else [])
    assert bool(plan.over_limit) is not goes


@pytest.mark.parametrize(("missed", "goes"), [(10, True), (11, False)])
def test_a_tenth_of_a_large_ledger_may_leave_by_inference(missed: int, goes: bool) -> None:
    assert bool(plan_for(stay=109 - missed, missed=missed).removals) is goes
    assert bool(plan_for(stay=119 - missed, missed=missed).removals) is True


@pytest.mark.parametrize("missed", [1, 2, 3])
def test_inference_never_removes_all_managed_aliases(missed: int) -> None:
    plan = plan_for(missed=missed)
    assert not plan.removals
    assert plan.over_limit[0].names == tuple(names("gone", missed))


@pytest.mark.parametrize(("told_of", "goes"), [(20, True), (21, False)])
def test_twenty_confirmed_removals_are_allowed_even_if_all_leave(told_of: int, goes: bool) -> None:
    assert bool(plan_for(told_of=told_of).removals) is goes


@pytest.mark.parametrize(("told_of", "goes"), [(25, True), (26, False)])
def test_a_quarter_of_a_large_ledger_may_leave_by_events(told_of: int, goes: bool) -> None:
    assert bool(plan_for(stay=100 - told_of, told_of=told_of).removals) is goes


@pytest.mark.parametrize(
    ("removed", "goes"),
    [
        (((INFERENCE, NOW - DAY + 1),), False),
        (((INFERENCE, NOW - DAY),), True),
        (((INFERENCE, NOW + HOUR),), False),
        (((EVENT, NOW - 1),), False),
        (((RemovalClass.COMMAND, NOW - 1),), False),
        (((RemovalClass.APPROVED, NOW - 1),), False),
    ],
    ids=["inside the day", "a day ago", "in the future", "confirmed", "by command", "approved"],
)
def test_removals_inside_the_window_count(removed: tuple[tuple[RemovalClass, float], ...], goes: bool) -> None:
    assert bool(plan_for(stay=15, missed=3, removed=removed).removals) is goes


def test_all_known_removals_count_after_a_clock_jump() -> None:
    plan = plan_for(stay=20, told_of=20, removed=((EVENT, NOW - 40 * DAY),), clock_jumped=True)
    assert not plan.removals


def test_share_is_computed_from_the_current_ledger() -> None:
    # 40 aliases allow four removals a day. After one removal, 39 are left and allow three.
    assert plan_for(stay=37, missed=3).removals
    assert plan_for(stay=38, missed=2, removed=((INFERENCE, NOW - 1),)).removals
    assert not plan_for(stay=36, missed=3, removed=((INFERENCE, NOW - 1),)).removals


@pytest.mark.parametrize("by", [RemovalClass.APPROVED, RemovalClass.COMMAND, EVENT])
def test_many_removals_do_not_raise_the_limit(by: RemovalClass) -> None:
    # 135 of 151 aliases were removed. They do not raise the limit for the 14 that wait.
    plan = plan_for(stay=2, missed=14, removed=((by, NOW - 60),) * 135)
    assert not plan.removals
    assert (plan.over_limit[0].removed, plan.over_limit[0].waiting, plan.over_limit[0].limit) == (135, 14, 3)


def test_other_removals_of_the_same_plan_count() -> None:
    # Two confirmed and two inferred removals are four, but the limit for inferred removals is three.
    plan = plan_for(stay=20, told_of=2, missed=2)
    assert removes(plan) == names("told", 2)
    assert plan.over_limit[0].names == tuple(names("gone", 2))


def test_waiting_removals_count() -> None:
    ledger = a_ledger(
        *names("stay", 20),
        *names("gone", 4),
        absences={name: missing() for name in names("gone", 3)},
    )
    plan = a_plan(a_snapshot(*names("stay", 20)), a_list(*ledger.managed), ledger)
    (over_limit,) = plan.over_limit
    assert (over_limit.names, over_limit.waiting, over_limit.limit) == (tuple(names("gone", 3)), 4, 3)


def test_removals_in_back_off_count() -> None:
    ledger = a_ledger(
        *names("stay", 20),
        *names("gone", 4),
        absences={name: missing() for name in names("gone", 4)},
        failed_changes={"gone000.com": trouble()},
    )
    assert not a_plan(a_snapshot(*names("stay", 20)), a_list(*ledger.managed), ledger).removals


@pytest.mark.parametrize("origin_of_it", ["absence", "event", "command"])
def test_removal_with_a_lost_answer_counts_whatever_its_reason(origin_of_it: str) -> None:
    stay, absent = names("stay", 20), names("gone", 3)
    ledger = a_ledger(
        *stay,
        *absent,
        absences={name: missing() for name in absent},
        unsettled={"lost.com": waiting_for(AliasPhase.REMOVING)},
        evidence={"lost.com": told()} if origin_of_it == "event" else {},
        leaving={"lost.com"} if origin_of_it == "command" else (),
    )
    plan = a_plan(a_snapshot(*stay), a_list(*stay, *absent), ledger)
    assert not plan.removals
    assert plan.updates.vanished == ("lost.com",)


def test_failed_removal_does_not_count() -> None:
    stay, absent = names("stay", 20), names("gone", 3)
    unsettled = {"stay000.com": waiting_for(AliasPhase.REMOVING)}
    ledger = a_ledger(*stay, *absent, absences={name: missing() for name in absent}, unsettled=unsettled)
    assert a_plan(a_snapshot(*stay), a_list(*stay, *absent), ledger).removals


def test_repeated_removal_counts_once() -> None:
    gone = names("told", 20)
    ledger = a_ledger(
        unsettled={name: waiting_for(AliasPhase.REMOVING) for name in gone}, evidence={name: told() for name in gone}
    )
    assert removes(a_plan(a_snapshot(), UNREADABLE, ledger)) == gone


def test_exceeded_limit_blocks_neither_other_classes_nor_additions() -> None:
    stay, events, absent = names("stay", 20), names("told", 2), names("gone", 4)
    ledger = a_ledger(
        *stay,
        *events,
        *absent,
        evidence={name: told() for name in events},
        absences={name: missing() for name in absent},
        origins={"pin.com": Origin.PIN},
        leaving={"pin.com"},
    )
    plan = a_plan(a_snapshot("new.com", *stay), a_list(*ledger.managed), ledger)
    assert [change.name for change in plan.changes] == ["new.com", "pin.com", *events]
    (over_limit,) = plan.over_limit
    assert (over_limit.removal_class, over_limit.names) == (INFERENCE, tuple(absent))
    # One removal by command and two confirmed removals count.
    assert (over_limit.removed, over_limit.waiting, over_limit.limit, over_limit.window) == (3, 4, 3, DAY)
    assert over_limit.digest == digest(MAIN, INFERENCE, absent)


def test_approved_digest_allows_exactly_its_domains() -> None:
    mark = plan_for(stay=20, missed=5).over_limit[0].digest
    plan = plan_for(stay=20, missed=5, approval=Approval(digests=frozenset({mark})))
    assert [(c.name, c.removal_class) for c in plan.removals] == [
        (name, RemovalClass.APPROVED) for name in names("gone", 5)
    ]
    assert not plan.over_limit
    assert not plan_for(stay=20, missed=6, approval=Approval(digests=frozenset({mark}))).removals


def test_unreviewed_removals_get_a_digest_of_their_own() -> None:
    plan = plan_for(stay=20, missed=5, approval=Approval(names=frozenset({"gone001.com", "stay001.com"})))
    assert removes(plan) == ["gone001.com"]
    (over_limit,) = plan.over_limit
    rest = ("gone000.com", "gone002.com", "gone003.com", "gone004.com")
    assert (over_limit.names, over_limit.digest) == (rest, digest(MAIN, INFERENCE, rest))


def test_approval_overrides_the_limit_and_nothing_else() -> None:
    ledger = a_ledger("a.com", "b.com", absences={"a.com": missing(1)})
    approval = Approval(names=frozenset({"a.com", "b.com"}), digests=frozenset({digest(MAIN, INFERENCE, ["a.com"])}))
    assert not a_plan(a_snapshot(), a_list("a.com", "b.com"), ledger, approval=approval).removals


def test_digest_depends_on_domains_class_and_network_but_not_order() -> None:
    mark = digest(MAIN, EVENT, ["a.com", "b.com"])
    assert len(mark) == 12
    assert mark == digest(MAIN, EVENT, ["b.com", "a.com"])
    others = {
        digest("other.org", EVENT, ["a.com", "b.com"]),
        digest(MAIN, INFERENCE, ["a.com", "b.com"]),
        digest(MAIN, EVENT, ["a.com"]),
        digest(MAIN, EVENT, ["a.com", "b.com", "c.com"]),
    }
    assert len(others | {mark}) == 5
