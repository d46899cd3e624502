from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger.events import copy_events, read_events
from closte_bridge.ledger.flags import RECORD_DUE, RECORD_HAD, RECORD_MADE, RECORD_UNSEEN
from closte_bridge.ledger.missing_records import (
    await_records,
    events_of_records,
    forget_records,
    had_record,
    keep_rows,
    last_rows,
    made_lately,
    note_had,
    note_made,
    records_due,
)
from closte_bridge.ledger.site_addresses import forget_addresses, keep_addresses, moved_sites
from closte_bridge.ledger.state import DAY
from closte_bridge.wordpress.snapshot import Event
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from closte_bridge.ledger.store import Ledger

NOW = 1_000_000.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as ledger:
        yield ledger


def test_pending_sites_are_stored_by_kind(ledger: Ledger) -> None:
    with ledger.transaction():
        await_records(ledger, {2: NOW})
        await_records(ledger, {3: NOW + 1}, RECORD_UNSEEN)
        note_had(ledger, [4], NOW)
    assert records_due(ledger) == {2: NOW}
    assert records_due(ledger, RECORD_UNSEEN) == {3: NOW + 1}
    assert had_record(ledger) == {4}
    with ledger.transaction():
        forget_records(ledger, [2, 3])
        forget_records(ledger, [4], [RECORD_HAD])
    assert (records_due(ledger), records_due(ledger, RECORD_UNSEEN), had_record(ledger)) == ({}, {}, frozenset())


def test_made_records_count_for_a_day(ledger: Ledger) -> None:
    with ledger.transaction():
        note_made(ledger, [2, 3], NOW)
    assert made_lately(ledger, NOW + DAY - 1) == 2
    assert made_lately(ledger, NOW + DAY) == 0
    with ledger.transaction():
        note_made(ledger, [4], NOW + DAY)
    assert set(records_due(ledger, RECORD_MADE)) == {4}


def test_clock_jump_restarts_the_waits(ledger: Ledger) -> None:
    with ledger.transaction():
        await_records(ledger, {2: NOW + 9 * DAY})
        await_records(ledger, {3: NOW + 5}, RECORD_UNSEEN)
        note_made(ledger, [4], NOW - 5)
        ledger.start_over(NOW)
    assert records_due(ledger, RECORD_DUE)[2] < NOW + DAY
    assert records_due(ledger, RECORD_UNSEEN) == {3: NOW + DAY}
    assert records_due(ledger, RECORD_MADE) == {4: NOW}


@pytest.mark.parametrize("forged", ["{", "5", "[1, 2]", '["a", 1, 1, 1]'])
def test_row_counts_are_stored_and_invalid_ones_ignored(ledger: Ledger, forged: str) -> None:
    assert last_rows(ledger) is None
    keep_rows(ledger, (1, 2, 3, 4))
    keep_rows(ledger, (1, 2, 3, 4))
    assert last_rows(ledger) == (1, 2, 3, 4)
    with ledger.transaction():
        ledger.save(("rows", forged))
    assert last_rows(ledger) is None


def test_record_events_are_returned(ledger: Ledger) -> None:
    created = Event("a", 5, "site_created", 2, "two.example.net", "")
    moved = Event("c", 6, "site_moved", 2, "new.example.net", "")
    renamed = Event("d", 7, "mapping_renamed", 2, "x.example.net", '{"from":"new.example.net"}')
    with ledger.transaction():
        events = [created, Event("b", 5, "stage_changed", 2, "", ""), moved, renamed]
        copy_events(ledger, events, read_events(events, ()), NOW)
    assert events_of_records(ledger) == [created, moved, renamed]


def test_changed_addresses_are_found_until_they_are_saved(ledger: Ledger) -> None:
    first, second = {1: "example.net", 2: "two.example.net"}, {2: "new.example.net", 3: "three.example.net"}
    assert moved_sites(ledger, first) == set()
    keep_addresses(ledger, first)
    assert moved_sites(ledger, first) == set()
    for _ in range(2):
        assert moved_sites(ledger, second) == {2}
    for _ in range(2):
        keep_addresses(ledger, second)
    assert moved_sites(ledger, second) == set()
    assert moved_sites(ledger, {1: "other.example.net"}) == set()
    ledger.check()
    with ledger.transaction():
        forget_addresses(ledger)
    assert moved_sites(ledger, first) == set()
