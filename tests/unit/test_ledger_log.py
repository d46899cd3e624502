from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger.log import LogAction, LogEntry, Period, append, count, newest, read, was_managed

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

ENTRIES = [
    LogEntry(
        float(number), "run", LogAction.ADD, "xyz"[number % 3] + ".com", "mapped to site 1", "done", f"number {number}"
    )
    for number in range(6)
]


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    with ledger.transaction():
        append(ledger, ENTRIES)
    return ledger


def test_entries_are_listed_oldest_first(ledger: Ledger) -> None:
    assert read(ledger) == ENTRIES


def test_limit_keeps_the_newest_entries(ledger: Ledger) -> None:
    assert read(ledger, limit=2) == ENTRIES[-2:]


def test_entries_are_filtered_by_domain_and_time(ledger: Ledger) -> None:
    assert read(ledger, name="y.com") == [ENTRIES[1], ENTRIES[4]]
    assert read(ledger, period=Period(since=4)) == ENTRIES[4:]
    assert read(ledger, period=Period(since=1, until=3)) == ENTRIES[1:3]
    assert read(ledger, name="y.com", period=Period(since=2)) == [ENTRIES[4]]
    assert count(ledger) == 6
    assert count(ledger, period=Period(since=4)) == 2
    assert count(ledger, name="y.com", period=Period(since=2)) == 1


def test_new_entries_are_found_by_their_number(ledger: Ledger) -> None:
    before = newest(ledger)
    with ledger.transaction():
        append(ledger, [ENTRIES[0]])
    assert newest(ledger) == before + 1
    assert read(ledger, period=Period(after=before)) == [ENTRIES[0]]
    assert read(ledger, period=Period(through=before)) == ENTRIES


def test_entry_of_a_failed_transaction_is_not_stored(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction():
            append(ledger, [ENTRIES[0]])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(ledger) == ENTRIES


def test_last_successful_change_decides_whether_a_domain_was_managed(ledger: Ledger) -> None:
    assert was_managed(ledger, "x.com")
    assert not was_managed(ledger, "never.com")
    with ledger.transaction():
        append(
            ledger,
            [
                LogEntry(9.0, "run", LogAction.REMOVE, "x.com", "missing", "failed"),
                LogEntry(9.0, "run", LogAction.ADD, "z.com", "", "failed"),
            ],
        )
    assert was_managed(ledger, "x.com")
    with ledger.transaction():
        append(ledger, [LogEntry(9.5, "run", LogAction.REMOVE, "x.com", "missing", "done")])
    assert not was_managed(ledger, "x.com")
