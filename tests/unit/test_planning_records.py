from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.planning.records import (
    MOST_UNSEEN,
    NO_RECORDS,
    UNSEEN_WAIT,
    RecordHistory,
    RecordPlan,
    RowCounts,
    addresses_of,
    backfillable,
    plan_records,
    rows_arrive,
    rows_of,
)
from closte_bridge.wordpress.snapshot import Event, Site, Snapshot
from tests.support.check_states import MAIN, NOW, a_row, a_site, a_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.wordpress.snapshot import Mapping


def event(kind: str, blog: int, domain: str = "", detail: str = "") -> Event:
    return Event(f"uid-{kind}-{blog}-{domain}", int(NOW), kind, blog, domain, detail)


def planned(snapshot: Snapshot, above: int = 1, **known: Any) -> RecordPlan:  # noqa: ANN401 - any field of `RecordHistory`
    return plan_records(snapshot, RecordHistory(above, **known), NOW)


def due(plan: RecordPlan) -> list[int]:
    return [missing_record.site for missing_record in plan.due]


def test_new_site_gets_its_record_after_its_request() -> None:
    for kind in ("site_created", "site_duplicated"):
        snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=[event(kind, 2)])
        plan = planned(snapshot)
        assert [(missing_record.site, missing_record.domain) for missing_record in plan.due] == [(2, f"site2.{MAIN}")]
        assert plan.waiting == {2: NOW}


def test_site_without_an_event_waits_for_a_day() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1))
    plan = planned(snapshot)
    assert (due(plan), plan.waiting, plan.unseen) == ([], {}, {2: NOW + UNSEEN_WAIT})
    assert [missing_record.hold for missing_record in plan.missing_records] == ["unseen"]
    later = planned(snapshot, above=2, unseen={2: NOW}, rows=rows_of(snapshot))
    assert due(later) == [2]
    assert later.unseen == {2: NOW}


def test_every_site_is_new_to_a_ledger_that_knows_none() -> None:
    plan = planned(a_snapshot(sites=[a_site(2)], highest=(2, 1)), above=0)
    assert plan.unseen == {2: NOW + UNSEEN_WAIT}


def test_no_record_is_made_while_rows_arrive() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1))
    for rows in (None, rows_of(snapshot)._replace(mappings=1)):
        plan = planned(snapshot, above=2, unseen={2: NOW}, rows=rows)
        assert [missing_record.hold for missing_record in plan.missing_records] == ["arriving"]


def test_records_without_events_are_limited_per_day() -> None:
    sites = [a_site(number) for number in range(2, 9)]
    snapshot = a_snapshot(sites=sites, highest=(9, 1))
    unseen = {site.id: NOW for site in sites}
    plan = planned(snapshot, above=9, unseen=unseen, rows=rows_of(snapshot), made=MOST_UNSEEN - 2)
    assert due(plan) == [2, 3]
    assert {missing_record.hold for missing_record in plan.missing_records[2:]} == {"limit"}
    assert plan.unseen == unseen


def test_later_event_ends_the_wait() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=[event("site_created", 2)])
    plan = planned(snapshot, above=2, unseen={2: NOW + 5})
    assert (due(plan), plan.waiting, plan.unseen) == ([2], {2: NOW}, {})


def test_event_stored_in_the_ledger_counts() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1))
    created = event("site_created", 2)
    assert due(planned(snapshot, events=[created])) == [2]
    assert planned(snapshot, events=[created, event("site_deleted", 2)]).unseen == {2: NOW + UNSEEN_WAIT}


def test_refused_record_keeps_its_retry_time() -> None:
    created = event("site_created", 2)
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=[created])
    plan = planned(snapshot, above=2, waiting={2: NOW + 5}, uids={created.uid})
    assert plan.waiting == {2: NOW + 5}
    assert [missing_record.hold for missing_record in plan.missing_records] == ["retry"]


def test_site_that_had_a_record_gets_no_other() -> None:
    snapshot = a_snapshot(a_row(f"site2.{MAIN}", blog=2), sites=[a_site(2)], highest=(2, 1))
    assert planned(snapshot).had == {2}
    assert planned(replace(snapshot, faults=("1 of 2 sites were read",))) == RecordPlan(had=frozenset({2}))
    without = a_snapshot(sites=[a_site(2)], highest=(2, 1))
    assert planned(without, had={2}) == NO_RECORDS


CREATED, MAPPED = event("site_created", 2), event("mapping_added", 2, "a.com")


@pytest.mark.parametrize(
    ("events", "before", "arrive"),
    [
        ([], RowCounts(2, 1, 2, 1), False),
        ([CREATED, MAPPED], RowCounts(1, 0, 1, 0), False),
        ([CREATED, event("site_duplicated", 2), MAPPED], RowCounts(1, 0, 1, 0), False),
        ([MAPPED], RowCounts(1, 0, 1, 0), True),
        ([CREATED], RowCounts(1, 0, 1, 0), True),
        ([event("mapping_removed", 2, "b.com")], RowCounts(2, 1, 2, 2), False),
        ([event("site_deleted", 3)], RowCounts(2, 1, 3, 1), False),
        ([], RowCounts(2, 1, 2, 2), True),
        ([], RowCounts(1, 1, 2, 1), True),
        ([], RowCounts(2, 0, 2, 1), True),
        ([], RowCounts(3, 1, 2, 1), True),
    ],
)
def test_events_explain_added_and_removed_rows(events: list[Event], before: RowCounts, arrive: bool) -> None:
    snapshot = a_snapshot("a.com", sites=[a_site(2)], highest=(2, 1), events=events)
    assert rows_arrive(snapshot, RecordHistory(2, rows=before)) is arrive


def test_event_explains_rows_only_once() -> None:
    snapshot = a_snapshot("a.com", sites=[a_site(2)], highest=(2, 1), events=[CREATED, MAPPED])
    assert rows_arrive(snapshot, RecordHistory(2, rows=RowCounts(1, 0, 1, 0), uids={CREATED.uid, MAPPED.uid}))


def test_waiting_site_keeps_its_time_until_its_request_ends() -> None:
    snapshot = a_snapshot(sites=[a_site(2), a_site(3)], highest=(3, 1), events=[event("site_created", 3)])
    plan = planned(snapshot, above=3, waiting={2: NOW + 5, 3: NOW + 5})
    assert plan.waiting == {2: NOW + 5, 3: NOW}
    assert due(plan) == [3]


def test_site_with_only_other_domains_gets_its_record() -> None:
    row = a_row("other.com", blog=2)
    snapshot = a_snapshot(row, sites=[a_site(2)], highest=(2, 1), events=[event("site_created", 2)])
    assert due(planned(snapshot)) == [2]
    assert planned(snapshot).had == frozenset()


@pytest.mark.parametrize("row", [a_row(f"site2.{MAIN}", blog=2), a_row(f"Site2.{MAIN}.", blog=9)])
def test_mapped_address_needs_no_record(row: object) -> None:
    snapshot = a_snapshot(row, sites=[a_site(2)], highest=(2, 1), events=[event("site_created", 2)])  # type: ignore[arg-type]  # a row
    assert planned(snapshot).missing_records == ()
    assert planned(snapshot, above=2, waiting={2: NOW}).settled == {2}


def test_old_sites_are_left_unchanged() -> None:
    """closte-bridge does not recreate a record that a user deleted."""
    snapshot = a_snapshot(sites=[a_site(2), a_site(3)], highest=(3, 1), events=[event("site_created", 2)])
    assert planned(snapshot, above=3) is NO_RECORDS
    assert due(planned(snapshot, above=2)) == []
    assert set(planned(snapshot, above=2).unseen) == {3}


def test_record_deleted_before_the_first_read_stays_deleted() -> None:
    events = [event("site_created", 2), event("mapping_removed", 2, f"SITE2.{MAIN}")]
    assert planned(a_snapshot(sites=[a_site(2)], highest=(2, 1), events=events)) == NO_RECORDS
    assert planned(a_snapshot(sites=[a_site(2)], highest=(2, 1)), events=events) == NO_RECORDS


def test_removal_by_another_site_does_not_prevent_a_record() -> None:
    events = [event("site_created", 2), event("mapping_removed", 9, f"site2.{MAIN}")]
    assert due(planned(a_snapshot(sites=[a_site(2)], highest=(2, 1), events=events))) == [2]


def test_site_refused_a_record_at_creation_gets_none() -> None:
    said = [event("site_created", 2, detail='{"record":false}'), event("site_duplicated", 2)]
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), events=said)
    assert planned(snapshot).waiting == {}
    assert planned(snapshot, above=2, waiting={2: NOW}).settled == {2}


@pytest.mark.parametrize("detail", ['{"record":true}', '{"record":0}', "[]", "{", "[" * 100_000, '"record"'])
def test_unclear_refusal_detail_is_ignored(detail: str) -> None:
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
def test_shared_domains_and_other_networks_get_no_record(site: Site) -> None:
    assert planned(a_snapshot(sites=[site], highest=(2, 1), events=[event("site_created", 2)])).waiting == {}


def test_main_site_gets_no_record() -> None:
    snapshot = a_snapshot(sites=[a_site(2, "elsewhere.com")], highest=(2, 1), network={"main_site": 2})
    assert planned(snapshot).waiting == {}


@pytest.mark.parametrize("state", ["archived", "spam", "deleted"])
def test_inactive_site_waits_until_it_is_active_again(state: str) -> None:
    site = a_site(2)._replace(**{state: True})  # type: ignore[arg-type]  # all three are flags
    plan = planned(a_snapshot(sites=[site], highest=(2, 1), events=[event("site_created", 2)]))
    assert plan.missing_records == ()
    assert plan.waiting == {2: NOW}
    assert due(planned(a_snapshot(sites=[a_site(2)], highest=(2, 1)), above=2, waiting=plan.waiting)) == [2]


def test_missing_site_is_no_longer_awaited() -> None:
    assert planned(a_snapshot(highest=(2, 1)), above=2, waiting={2: NOW}) == RecordPlan(settled=frozenset({2}))


def test_partial_snapshot_changes_nothing() -> None:
    snapshot = a_snapshot(sites=[a_site(2)], highest=(2, 1), faults=("1 of 2 sites were read",))
    assert planned(snapshot, waiting={9: NOW}) == NO_RECORDS


def test_backfill_includes_sites_of_any_age() -> None:
    archived = a_site(4)._replace(archived=True)
    rows = [a_row("x.com", blog=3), a_row(f"site5.{MAIN}", blog=5)]
    snapshot = a_snapshot(*rows, sites=[a_site(2), a_site(3), archived, a_site(5)], highest=(5, 2))
    assert snapshot.complete
    found = backfillable(snapshot.complete)
    assert [(record.site, record.domain) for record in found] == [(2, f"site2.{MAIN}"), (3, f"site3.{MAIN}")]


# -- new addresses -----------------------------------------------------------------------------------------------------

NEW = f"new.{MAIN}"
MOVED = event("site_moved", 2, NEW, '{"from":"old.example.net"}')


def moved_snapshot(*events: Event, rows: Sequence[Mapping] = (a_row(f"site2.{MAIN}", blog=2),)) -> Snapshot:
    """Return a snapshot in which site 2, an old site, has a new address."""
    return a_snapshot(*rows, sites=[a_site(2, NEW)], highest=(2, 1), events=events)


@pytest.mark.parametrize("moved", [{}, {"moved": {2}}])
def test_new_address_gets_its_record(moved: dict[str, Any]) -> None:
    plan = planned(moved_snapshot(MOVED), above=2, **moved)
    assert [(record.site, record.domain, record.seen) for record in plan.due] == [(2, NEW, True)]
    assert plan.waiting == {2: NOW}
    assert plan.moved == {2}


def test_new_address_with_a_mapping_needs_no_record() -> None:
    for blog in (2, 9):
        snapshot = moved_snapshot(MOVED, rows=[a_row(NEW, blog=blog)])
        assert planned(snapshot, above=2, waiting={2: NOW}) == RecordPlan(settled=frozenset({2}))


def test_move_seen_by_an_earlier_read_counts() -> None:
    plan = planned(moved_snapshot(), above=2, moved={2}, events=[MOVED], uids={MOVED.uid})
    assert due(plan) == [2]
    later = planned(moved_snapshot(MOVED), above=2, waiting={2: NOW + 5}, events=[MOVED], uids={MOVED.uid})
    assert (due(later), later.waiting) == ([], {2: NOW + 5})


def test_event_of_a_move_plans_only_once() -> None:
    assert planned(moved_snapshot(MOVED), above=2, events=[MOVED], uids={MOVED.uid}) == RecordPlan()


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("site_created", 2)],
        [event("site_moved", 2, "elsewhere.example.net")],
        [event("site_moved", 9, NEW)],
        [MOVED, event("site_deleted", 2)],
    ],
)
def test_address_that_changed_without_an_event_waits_for_a_day(events: list[Event]) -> None:
    known: dict[str, Any] = {"events": events, "uids": {event.uid for event in events}}
    plan = planned(moved_snapshot(), above=2, moved={2}, waiting={2: NOW}, **known)
    assert (due(plan), plan.waiting, plan.unseen) == ([], {}, {2: NOW + UNSEEN_WAIT})
    snapshot = moved_snapshot()
    assert planned(snapshot, above=2, unseen={2: NOW + 5}, **known).unseen == {2: NOW + 5}
    assert due(planned(snapshot, above=2, unseen={2: NOW}, rows=rows_of(snapshot), **known)) == [2]
    arriving = planned(snapshot, above=2, unseen={2: NOW}, rows=rows_of(snapshot)._replace(mappings=0), **known)
    assert [record.hold for record in arriving.missing_records] == ["arriving"]


def test_second_move_without_an_event_starts_the_wait_again() -> None:
    assert planned(moved_snapshot(), above=2, moved={2}, unseen={2: NOW + 5}).unseen == {2: NOW + UNSEEN_WAIT}


def test_new_address_counts_even_if_the_site_had_a_record() -> None:
    assert due(planned(moved_snapshot(MOVED), above=1, had={2})) == [2]
    assert planned(moved_snapshot(), above=1, had={2}, moved={2}).unseen == {2: NOW + UNSEEN_WAIT}


@pytest.mark.parametrize(
    "removal",
    [event("mapping_removed", 2, NEW.upper()), event("mapping_renamed", 2, "x.com", f'{{"from":"{NEW}"}}')],
)
def test_record_of_a_new_address_that_was_removed_stays_removed(removal: Event) -> None:
    assert planned(moved_snapshot(MOVED, removal), above=2) == RecordPlan()
    assert planned(moved_snapshot(MOVED), above=2, events=[removal]) == RecordPlan()
    later = MOVED._replace(created=int(NOW) + 1)
    assert due(planned(moved_snapshot(later, removal), above=2)) == [2]


def test_invalid_event_of_a_rename_removes_nothing() -> None:
    assert due(planned(moved_snapshot(MOVED, event("mapping_renamed", 2, "x.com", "{")), above=2)) == [2]


def test_site_moved_to_the_main_domain_gets_no_record() -> None:
    snapshot = a_snapshot(sites=[a_site(2, MAIN)], highest=(2, 1), events=[event("site_moved", 2, MAIN)])
    assert planned(snapshot, above=2, moved={2}) == RecordPlan()


def test_addresses_are_those_of_the_network() -> None:
    sites = [a_site(2, "Two.example.net:8080"), a_site(3, network=2), a_site(4, "b\xfccher.example.net")]
    assert addresses_of(a_snapshot(sites=sites)) == {1: MAIN, 2: "two.example.net"}
