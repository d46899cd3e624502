from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.planning.stages import (
    StageContext,
    StageHoldCode,
    allowed_backwards,
    names_in_progress,
    plan_stages,
)
from closte_bridge.wordpress.snapshot import Mapping

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.planning.stages import StagePlan

NOW = 1_800_000_000.0
ADOPTED = NOW - 86_400
OLD, NEW = "2020-01-01 00:00:00", "2030-01-01 00:00:00"


def mapping(domain: str, stage: str, *, active: bool = True, modified: str | None = NEW) -> Mapping:
    return Mapping(1, 2, domain, active, False, False, stage, OLD, modified)


def check_state(dns: str = "ok", tls: str = "ok", *, points_here: bool = True, failures: int = 0) -> CheckState:
    failing = NOW - 7200 if failures else None
    return CheckState(
        first_seen=NOW - 9000,
        next_check=NOW + 300,
        checked_at=NOW,
        changed=NOW - 8000,
        dns=dns,
        tls=tls,
        points_here=points_here,
        ok_since=NOW - 8000 if points_here else None,
        serves=tls == "ok",
        failures=failures,
        failing_since=failing,
        failed_at=NOW if failures else None,
    )


def planned(
    rows: list[Mapping],
    known: dict[str, CheckState],
    *,
    revive: Collection[str] = (),
    **around: Any,  # noqa: ANN401 - any field of `StageContext`
) -> StagePlan:
    return plan_stages(rows, known, StageContext(NOW, ADOPTED, **around), revive)


def moves(row: Mapping, seen: CheckState | None, *revive: str) -> list[tuple[str, str, bool | None]]:
    known = {} if seen is None else {"shop.example.org": seen}
    plan = planned([row], known, revive=revive)
    return [(change.name, change.stage, change.secure) for change in plan.changes]


def test_proven_mapping_moves_forward() -> None:
    row = mapping("shop.example.org", "checking-dns")
    assert moves(row, check_state(tls="no-listener")) == [("shop.example.org", "checking-ssl-cert", None)]
    assert moves(row, check_state()) == [("shop.example.org", "done", True)]


def test_stored_spelling_does_not_matter() -> None:
    assert moves(mapping("Shop.Example.org.", "checking-dns"), check_state()) == [("shop.example.org", "done", True)]


def test_stage_does_not_move_without_a_check_or_a_need() -> None:
    assert moves(mapping("shop.example.org", "checking-dns"), None) == []
    assert moves(mapping("shop.example.org", "done"), check_state()) == []
    assert moves(mapping("not a name", "checking-dns"), check_state()) == []


def test_stage_failed_after_adoption_recovers_automatically() -> None:
    assert moves(mapping("shop.example.org", "failed"), check_state()) == [("shop.example.org", "done", True)]


def test_stage_failed_before_adoption_waits_for_the_command() -> None:
    row = mapping("shop.example.org", "failed", modified=OLD)
    plan = planned([row], {"shop.example.org": check_state()})
    assert plan.changes == ()
    assert [(held.name, held.code) for held in plan.holds] == [("shop.example.org", "given-up-before")]
    assert moves(row, check_state(), "shop.example.org") == [("shop.example.org", "done", True)]


@pytest.mark.parametrize("stage", ["checking-dns", "checking-ssl-cert", "failed"])
def test_mapping_older_than_adoption_does_not_become_primary(stage: str) -> None:
    known = {"shop.example.org": check_state()}
    for created, old in ((NEW, False), (OLD, True), (None, True), ("0000-00-00 00:00:00", True)):
        row = mapping("shop.example.org", stage)._replace(created=created)
        (change,) = planned([row], known).changes
        assert (change.stage, change.back) == ("done", old)
        (revived,) = planned([row], known, revive=["shop.example.org"]).changes
        assert not revived.back
    # A mapping made up to a day before the adoption counts as new.
    row = mapping("shop.example.org", stage)
    for age, old in ((86_300, False), (86_500, True)):
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ADOPTED - age))
        (change,) = planned([row._replace(created=created)], known).changes
        assert change.back is old


def test_deactivated_mapping_is_on_hold() -> None:
    row = mapping("shop.example.org", "checking-dns", active=False)
    plan = planned([row], {"shop.example.org": check_state()})
    assert plan.changes == ()
    assert [held.code for held in plan.holds] == ["switched-off"]


def test_stage_moves_back_only_after_repeated_failures() -> None:
    row = mapping("shop.example.org", "done")
    wrong = check_state("points-elsewhere", "", points_here=False, failures=2)
    assert moves(row, wrong) == []
    assert moves(row, wrong._replace(failures=3)) == [("shop.example.org", "checking-dns", False)]


def test_outdated_verdict_moves_nothing() -> None:
    """The domain may belong to another site now, or a user may have reset the stage: a new check decides."""
    wrong = check_state("points-elsewhere", "wrong-name", points_here=False, failures=3)
    for row, seen in ((mapping("shop.example.org", "checking-dns"), check_state()), (mapping("a.b", "done"), wrong)):
        for age in (3601, 20 * 3600, 90 * 86400, -3601):
            old = seen._replace(checked_at=NOW - age)
            plan = planned([row], {row.domain: old})
            assert plan.changes == ()
            assert [(held.name, held.code) for held in plan.holds] == [(row.domain, StageHoldCode.RECHECK_FIRST)]
        recent = {row.domain: seen._replace(checked_at=NOW - 3600)}
        assert len(planned([row], recent).changes) == 1


def test_refused_stage_is_on_hold_unless_revived() -> None:
    row, known = mapping("shop.example.org", "checking-dns"), {"shop.example.org": check_state()}
    refused = {f"{row.id} checking-dns done"}
    plan = planned([row], known, refused=refused)
    assert (plan.changes, [held.code for held in plan.holds]) == ((), ["stage-refused"])
    assert len(planned([row], known, refused=refused, revive=["shop.example.org"]).changes) == 1


def test_existing_hold_outranks_a_needed_recheck() -> None:
    old = {"shop.example.org": check_state("proxied")._replace(checked_at=NOW - 7200)}
    row = mapping("shop.example.org", "checking-ssl-cert")
    key = f"{row.id} {row.stage} done"
    plan = planned([row], old, unproven={key})
    assert [held.code for held in plan.holds] == ["proxy-unproven"]
    given_up = planned([row._replace(stage="failed")], old, given_up={row.id})
    assert [held.code for held in given_up.holds] == ["given-up-before"]


@pytest.mark.parametrize("stage", ["checking-dns", "checking-ssl-cert"])
def test_contested_mapping_only_returns_to_its_former_stage(stage: str) -> None:
    theirs, row = mapping("shop.example.org", "done"), mapping("shop.example.org", stage)._replace(id=7, blog_id=4)
    contested = {"shop.example.org": frozenset({2, 4})}
    for seen in (check_state(), check_state(tls="no-listener")):
        for revive in ((), ("shop.example.org",)):
            plan = planned([theirs, row], {"shop.example.org": seen}, contested=contested, revive=revive)
            assert plan.changes == ()
            assert {held.code for held in plan.holds} <= {"conflict"}
    plan = planned([row], {"shop.example.org": check_state()}, contested=contested)
    assert [held.reason for held in plan.holds] == ["mapped to several sites (2, 4)"]
    # closte-bridge moved this mapping from "done", so it returns, but it does not become a primary domain.
    (returned,) = planned([theirs, row], {"shop.example.org": check_state()}, contested=contested, was_done={7}).changes
    assert (returned.mapping, returned.stage, returned.back) == (row, "done", True)
    wrong = check_state("points-elsewhere", "wrong-name", points_here=False, failures=3)
    back = planned([theirs, row], {"shop.example.org": wrong}, contested=contested).changes
    assert {change.stage for change in back} == {"checking-dns"}


def test_excessive_moves_back_from_done_are_all_on_hold() -> None:
    names = [f"{letter}.example.org" for letter in "abcd"]
    rows = [mapping(name, "done")._replace(id=number) for number, name in enumerate(names)]
    rows.append(mapping("e.example.org", "checking-ssl-cert"))
    wrong = check_state("points-elsewhere", "wrong-name", points_here=False, failures=3)
    known = dict.fromkeys([*names, "e.example.org"], wrong)
    plan = planned(rows, known, room=3)
    # A mapping that was not "done" does not count towards the limit.
    assert [change.name for change in plan.changes] == ["e.example.org"]
    assert [(held.name, held.code) for held in plan.holds] == [(name, StageHoldCode.BACKWARDS_LIMIT) for name in names]
    assert "this machine" in plan.holds[0].reason
    enough = planned(rows, known, room=4)
    assert [change.name for change in enough.changes] == [*names, "e.example.org"]


def test_limit_for_moves_back_is_a_tenth_but_at_least_three() -> None:
    rows = [mapping(f"n{number}.example.org", "done") for number in range(50)]
    assert allowed_backwards(rows, 0) == 5
    assert allowed_backwards(rows, 4) == 1
    assert allowed_backwards(rows, 9) == 0
    # Mappings that were moved back count as "done" here.
    assert allowed_backwards(rows[:45], 5) == 0
    assert allowed_backwards(rows[:4], 0) == 3
    assert allowed_backwards([mapping("a.example.org", "failed")], 2) == 1


def test_only_unfinished_mappings_need_their_check_state() -> None:
    rows = [mapping("a.example.org", "done"), mapping("B.example.org", "failed"), mapping("no name", "failed")]
    assert names_in_progress(rows) == {"b.example.org"}


def test_mapping_failed_at_adoption_stays_on_hold_whatever_its_date() -> None:
    row = mapping("shop.example.org", "failed", modified=NEW)
    plan = planned([row], {"shop.example.org": check_state()}, given_up={row.id})
    assert [(held.name, held.code) for held in plan.holds] == [("shop.example.org", "given-up-before")]
    plan = planned([row], {"shop.example.org": check_state()}, given_up={row.id + 1})
    assert plan.holds == ()


def test_proxied_domain_needs_a_proof() -> None:
    row, known = mapping("shop.example.org", "checking-ssl-cert"), {"shop.example.org": check_state("proxied")}
    (change,) = planned([row], known).changes
    assert (change.stage, change.prove) == ("done", True)
    failed = planned([row], known, unproven={change.key})
    assert failed.changes == ()
    assert [held.code for held in failed.holds] == ["proxy-unproven"]
    # A user's `revive` needs no proof.
    (revived,) = planned([row], known, unproven={change.key}, revive=["shop.example.org"]).changes
    assert not revived.prove
    # A mapping that closte-bridge moved back was proven before, and it does not become a primary domain.
    (back,) = planned([row], known, unproven={change.key}, was_done={row.id}).changes
    assert not back.prove
    # A domain that points here by DNS needs no proof.
    (change,) = planned([row], {"shop.example.org": check_state()}).changes
    assert not change.prove
