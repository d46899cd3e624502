"""Tests of the saved runs of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger import log
from closte_bridge.ledger.runs import LAST_RESULT, SCHEDULES, RunRecord, expect, forget_schedule, save

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
RUN = RunRecord(at=NOW, schedule="cron", exit_code=0, mode="full", counts={"in-sync": 2})


def saved(ledger: Ledger, *records: RunRecord) -> RunRecord:
    with ledger.transaction():
        for record in records:
            save(ledger, record, "run")
    last = LAST_RESULT.of(ledger.meta())
    assert last is not None
    return last


def test_run_is_read_back_with_the_time_since_its_mode_began(ledger: Ledger) -> None:
    later = RunRecord(at=NOW + 300, schedule="cron", exit_code=4, mode="full")
    last = saved(ledger, RUN, later)
    assert (last.at, last.exit_code, last.since) == (NOW + 300, 4, NOW)
    assert SCHEDULES.of(ledger.meta()) == {"cron": (NOW + 300, 300.0)}


def test_run_that_read_nothing_keeps_what_is_known(ledger: Ledger) -> None:
    last = saved(ledger, RUN, RunRecord(at=NOW + 9, schedule="watch", exit_code=5))
    assert (last.exit_code, last.mode, last.counts) == (5, "full", {"in-sync": 2})


@pytest.mark.parametrize(
    ("mode", "entry"),
    [
        ("inactive", ("pause", "the toggle is off", "done")),
        ("read-only", ("run", "the toggle is off", "refused")),
        ("add-only", ("run", "the toggle is off", "additions only")),
        ("full", None),
    ],
)
def test_change_of_authority_is_logged_once(ledger: Ledger, mode: str, entry: tuple[str, str, str] | None) -> None:
    changed = RunRecord(at=NOW + 9, schedule="cron", exit_code=0, mode=mode, reason="the toggle is off")
    saved(ledger, RUN, changed, changed)
    logged = [(e.action, e.cause, e.outcome) for e in log.read(ledger, limit=9)]
    assert logged == ([entry] if entry else [])
    saved(ledger, RUN)
    assert len(log.read(ledger, limit=9)) == (2 if entry else 0)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"at": 1}', '{"cron": 7}'])
def test_runs_in_another_form_count_as_unknown(text: str) -> None:
    assert LAST_RESULT.of({"last_result": text}) is None
    assert SCHEDULES.of({"schedules": text}) == {}


def test_new_schedule_is_expected_until_it_is_removed(ledger: Ledger) -> None:
    saved(ledger, RUN)
    with ledger.transaction():
        expect(ledger, "timer", NOW + 5, 300.0)
    assert SCHEDULES.of(ledger.meta()) == {"cron": (NOW, 0.0), "timer": (NOW + 5, 300.0)}
    with ledger.transaction():
        forget_schedule(ledger, "timer")
    assert SCHEDULES.of(ledger.meta()) == {"cron": (NOW, 0.0)}
