from __future__ import annotations

import pytest

from closte_bridge.planning.records import IN_THE_MAKING, NO_RECORDS, RecordPlan, backfillable, plan_records
from closte_bridge.wordpress.snapshot import Event, Site, Snapshot
from tests.support.looks import MAIN, NOW, a_row, a_site, a_snapshot


def event(kind: str, blog: int, domain: str = "", detail: str = "") -> Event:
    return Event(f"uid-{kind}-{blog}", int(NOW), kind, blog, domain, detail)


def planned(snapshot: Snapshot, above: int = 1, waiting: dict[int, float] | None = None) -> RecordPlan:
    return plan_records(snapshot, above=above, waiting=waiting or {}, now=NOW)


def due(plan: RecordPlan) -> list[int]:
    return [lack.site for lack in plan.due(NOW)]


def test_a_site_whose_request_is_over_gets_its_record_at_once() -> None:
    for kind in ("site_created", "site_duplicated"):
        snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=[event(kind, 2)])
        plan = planned(snapshot)
        assert [(lack.site, lack.domain) for lack in plan.due(NOW)] == [(2, f"site2.{MAIN}")]
        assert plan.waiting == {2: NOW}


def test_one_that_may_still_be_in_the_making_waits() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1))
    plan = planned(snapshot)
    assert due(plan) == []
    assert plan.waiting == {2: NOW + IN_THE_MAKING}
    assert [lack.site for lack in plan.due(NOW + IN_THE_MAKING)] == [2]


def test_what_waits_keeps_its_time_until_the_request_is_over() -> None:
    snapshot = a_snapshot(sites=[a_site(2), a_site(3)], highest=(3, 1), events=[event("site_created", 3)])
    plan = planned(snapshot, above=3, waiting={2: NOW + 5, 3: NOW + 5})
    assert plan.waiting == {2: NOW + 5, 3: NOW}
    assert due(plan) == [3]


@pytest.mark.parametrize("row", [a_row("other.com", blog=2), a_row(f"site2.{MAIN}", blog=9)])
def test_one_that_is_served_or_whose_name_is_taken_needs_none(row: object) -> None:
    snapshot = a_snapshot(row, sites=[a_site(2)], highest=(2, 1), events=[event("site_created", 2)])  # type: ignore[arg-type]  # a row
    assert planned(snapshot).lacks == ()
    assert planned(snapshot, above=2, waiting={2: NOW}).settled == {2}


def test_old_sites_are_left_alone() -> None:
    """A record that somebody deleted is not made again."""
    snapshot = a_snapshot(sites=[a_site(2), a_site(3)], highest=(3, 1), events=[event("site_created", 2)])
    assert planned(snapshot, above=3) is NO_RECORDS
    assert due(planned(snapshot, above=2)) == []
    assert set(planned(snapshot, above=2).waiting) == {3}


def test_a_record_that_was_deleted_before_the_first_look_stays_deleted() -> None:
    events = [event("site_created", 2), event("mapping_removed", 2, f"SITE2.{MAIN}")]
    assert planned(a_snapshot(sites=[a_site(2)], highest=(2, 1), events=events)).waiting == {}


def test_a_site_whose_record_was_objected_to_while_it_was_made_gets_none() -> None:
    said = [event("site_created", 2, detail='{"record":false}'), event("site_duplicated", 2)]
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=said)
    assert planned(snapshot).waiting == {}
    assert planned(snapshot, above=2, waiting={2: NOW}).settled == {2}


@pytest.mark.parametrize("detail", ['{"record":true}', '{"record":0}', "[]", "{", "[" * 100_000, '"record"'])
def test_what_objects_to_nothing_changes_nothing(detail: str) -> None:
    said = [event("site_created", 2, detail=detail)]
    assert due(planned(a_snapshot(sites=[a_site(2)], highest=(2, 1), events=said))) == [2]


@pytest.mark.parametrize(
    "site",
    [
        a_site(2, MAIN),
        a_site(2, f"www.{MAIN}"),
        a_site(2, f"{MAIN.upper()}:8080"),
        a_site(2, network=2),
    ],
)
def test_shared_domains_and_other_networks_are_not_asked_about(site: Site) -> None:
    assert planned(a_snapshot(sites=[site], highest=(2, 1), events=[event("site_created", 2)])).waiting == {}


def test_the_main_site_is_not_asked_about() -> None:
    snapshot = a_snapshot(sites=[a_site(2, "elsewhere.com")], highest=(2, 1), network={"main_site": 2})
    assert planned(snapshot).waiting == {}


@pytest.mark.parametrize("state", ["archived", "spam", "deleted"])
def test_a_site_that_nobody_can_visit_waits_until_it_is_back(state: str) -> None:
    site = a_site(2)._replace(**{state: True})  # type: ignore[arg-type]  # all three are flags
    plan = planned(a_snapshot(sites=[site], highest=(2, 1), events=[event("site_created", 2)]))
    assert plan.lacks == ()
    assert plan.waiting == {2: NOW}
    assert due(planned(a_snapshot(sites=[a_site(2)], highest=(2, 1)), above=2, waiting=plan.waiting)) == [2]


def test_a_site_that_is_gone_is_waited_for_no_more() -> None:
    assert planned(a_snapshot(highest=(2, 1)), above=2, waiting={2: NOW}) == RecordPlan((), {}, frozenset({2}))


def test_of_a_partial_snapshot_nothing_follows() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), faults=("1 of 2 sites were read",))
    assert planned(snapshot, waiting={9: NOW}) is NO_RECORDS


def test_backfill_looks_at_all_ages() -> None:
    archived = a_site(4)._replace(archived=True)
    snapshot = a_snapshot(a_row("x.com", blog=3), sites=[a_site(2), a_site(3), archived], highest=(4, 1))
    assert [(lack.site, lack.domain) for lack in backfillable(snapshot)] == [(2, f"site2.{MAIN}")]
