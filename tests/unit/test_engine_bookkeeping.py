from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from closte_bridge.engine.bookkeeping import (
    DAY,
    HOUR,
    LISTED_ELSEWHERE,
    next_wait,
    record_intents,
    record_outcome,
    record_return,
    record_seen,
    undo_intents,
)
from closte_bridge.hosting import Outcome, OutcomeKind
from closte_bridge.ledger.log import read
from closte_bridge.ledger.state import LIST_LAG, Absence, AliasPhase, Evidence, Origin, RemovalClass
from closte_bridge.planning.model import Addition, Removal
from closte_bridge.wordpress.events import EventKind
from tests.support.check_states import UNREADABLE, a_list, partial

if TYPE_CHECKING:
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.planning.model import Change

NOW = 1_800_000_000.0
ADD = Addition("x.com", Origin.MAPPING, "mapped to site 1")
REMOVE = Removal("x.com", Origin.MAPPING, "mapping removed", RemovalClass.EVENT)


def view(ledger: Ledger, observed: Observed | None = None) -> Observation:
    return cast("Observation", SimpleNamespace(ledger=ledger.state(NOW), observed=observed or a_list()))


def test_retry_wait_doubles_up_to_an_hour_then_becomes_daily() -> None:
    waits = [next_wait(attempts, refused=False, chance=0) for attempts in range(1, 33)]
    assert waits[:9] == [15, 30, 60, 120, 240, 480, 960, 1920, HOUR]
    assert set(waits[8:30]) == {HOUR}
    assert waits[30:] == [DAY, DAY]
    assert sum(waits[:30]) == pytest.approx(DAY, rel=0.1)


def test_refused_change_waits_a_day_and_then_a_week() -> None:
    assert [next_wait(attempts, refused=True, chance=0) for attempts in (1, 2, 99)] == [DAY, 7 * DAY, 7 * DAY]


def test_random_jitter_adds_up_to_a_quarter() -> None:
    for refused in (False, True):
        for attempts in (1, 5, 50):
            low, high = (next_wait(attempts, refused=refused, chance=chance) for chance in (0, 1))
            assert high == low * 1.25


def test_any_number_of_attempts_keeps_a_finite_wait() -> None:
    for attempts in (0, 1, 10**6, 10**12):
        assert 0 < next_wait(attempts, refused=False, chance=1) <= 1.25 * DAY
        assert 0 < next_wait(attempts, refused=True, chance=1) <= 8.75 * DAY


@pytest.mark.parametrize(("asked", "least", "most"), [(1.0, 15, 19), (7200.0, 7200, 7200), (1e9, DAY, DAY)])
def test_requested_pause_is_kept_up_to_a_day(ledger: Ledger, asked: float, least: float, most: float) -> None:
    this = view(ledger)
    record_intents(ledger, [ADD], this, NOW)
    outcome = Outcome(OutcomeKind.FAILED, "Too many.", retry_after=asked)
    assert record_outcome(ledger, ADD, outcome, this, NOW, "run") is False
    trouble = ledger.state(NOW).failed_changes["x.com"]
    assert least <= trouble.next_try - NOW <= most
    assert (trouble.attempts, trouble.refused, trouble.message) == (1, False, "Too many.")


@pytest.mark.parametrize(("change", "listed"), [(ADD, ()), (REMOVE, ("x.com",))], ids=["add", "remove"])
def test_intents_are_undone_if_nothing_was_sent(ledger: Ledger, change: Change, listed: tuple[str, ...]) -> None:
    with ledger.transaction():
        ledger.put_aliases([(name, Origin.MAPPING) for name in listed], AliasPhase.PRESENT, NOW)
    before = ledger.state(NOW)
    this = view(ledger, a_list(*listed))
    record_intents(ledger, [change], this, NOW)
    assert ledger.state(NOW).unsettled.keys() == {"x.com"}
    undo_intents(ledger, [change], this, NOW)
    assert ledger.state(NOW) == before


def test_failures_are_counted_separately_for_each_action(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put_aliases([("x.com", Origin.MAPPING)], AliasPhase.PRESENT, NOW)
    failed = Outcome(OutcomeKind.FAILED, "No.")
    for _ in range(5):
        record_outcome(ledger, REMOVE, failed, view(ledger), NOW, "run")
    assert ledger.state(NOW).failed_changes["x.com"].attempts == 5
    record_outcome(ledger, ADD, failed, view(ledger), NOW, "run")
    trouble = ledger.state(NOW).failed_changes["x.com"]
    assert (trouble.action, trouble.attempts, trouble.since) == ("add", 1, NOW)


def test_first_refusal_waits_a_day_whatever_failed_before(ledger: Ledger) -> None:
    for kind, least, most in (
        (OutcomeKind.FAILED, 15, 19),
        (OutcomeKind.REFUSED, DAY, 1.25 * DAY),
        (OutcomeKind.REFUSED, 7 * DAY, 9 * DAY),
    ):
        record_outcome(ledger, ADD, Outcome(kind, "No."), view(ledger), NOW, "run")
        assert least <= ledger.state(NOW).failed_changes["x.com"].next_try - NOW <= most
    assert ledger.state(NOW).failed_changes["x.com"][0::6] == (3, 2)


def test_already_there_does_not_make_a_foreign_alias_managed(ledger: Ledger) -> None:
    for attempt, (least, most) in enumerate([(LIST_LAG, LIST_LAG)] * 6 + [(960, 1200), (1920, 2400)], 1):
        this = view(ledger, UNREADABLE)
        record_intents(ledger, [ADD], this, NOW)
        assert record_outcome(ledger, ADD, Outcome(OutcomeKind.ALREADY, ""), this, NOW, "run") is True
        state = ledger.state(NOW)
        assert (state.managed, state.unsettled, state.added_this_week) == ({}, {}, frozenset())
        # closte-bridge requests it less and less often, until a list shows it.
        trouble = state.failed_changes["x.com"]
        assert (trouble.attempts, trouble.action, trouble.message) == (attempt, "add", LISTED_ELSEWHERE)
        assert least <= trouble.next_try - NOW <= most


@pytest.mark.parametrize("observed", [UNREADABLE, partial()])
def test_confirmed_alias_is_managed_even_without_a_complete_list(ledger: Ledger, observed: Observed) -> None:
    # It may have been unmanaged before. But without any complete list, closte-bridge must still manage its additions.
    this = view(ledger, observed)
    record_intents(ledger, [ADD], this, NOW)
    assert record_outcome(ledger, ADD, Outcome(OutcomeKind.DONE, ""), this, NOW, "run") is True
    state = ledger.state(NOW)
    assert (state.managed, state.unsettled, state.failed_changes) == ({"x.com": Origin.MAPPING}, {}, {})
    assert state.added_per_registered == {"x.com": 1}


def test_alias_with_a_lost_answer_stays_managed_if_already_there(ledger: Ledger) -> None:
    # The first run read that it was missing, requested it, and died. The next run cannot read the list.
    record_intents(ledger, [ADD], view(ledger, a_list()), NOW)
    this = view(ledger, UNREADABLE)
    record_intents(ledger, [ADD], this, NOW)
    record_outcome(ledger, ADD, Outcome(OutcomeKind.ALREADY, ""), this, NOW, "run")
    assert ledger.state(NOW).managed == {"x.com": Origin.MAPPING}


def test_listed_alias_never_seen_missing_stays_unmanaged(ledger: Ledger) -> None:
    this = view(ledger, UNREADABLE)
    record_intents(ledger, [ADD], this, NOW)
    unclear = Outcome(OutcomeKind.UNCLEAR, "")
    record_outcome(ledger, ADD, unclear, this, NOW, "run")
    record_seen(ledger, ADD, unclear, this, NOW, "run")
    assert (ledger.state(NOW).managed, ledger.state(NOW).unsettled) == ({}, {})
    assert [(entry.action, entry.outcome) for entry in read(ledger)] == [("add", "unclear"), ("add", "unclaimed")]


def test_removal_confirmed_by_the_list_counts(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put_aliases([("x.com", Origin.MAPPING)], AliasPhase.PRESENT, NOW)
    this = view(ledger, a_list("x.com"))
    record_intents(ledger, [REMOVE], this, NOW)
    unclear = Outcome(OutcomeKind.UNCLEAR, "")
    record_outcome(ledger, REMOVE, unclear, this, NOW, "run")
    record_seen(ledger, REMOVE, unclear, this, NOW, "run")
    state = ledger.state(NOW)
    assert (state.managed, state.unsettled, state.removals) == ({}, {}, ((RemovalClass.EVENT, NOW),))
    assert [(entry.action, entry.outcome) for entry in read(ledger)] == [("remove", "unclear"), ("remove", "done")]


def test_late_return_discards_evidence_and_absences(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put_evidence({"x.com": Evidence(EventKind.REMOVED, NOW), "y.com": Evidence(EventKind.REMOVED, NOW)})
        ledger.put_absences({"x.com": Absence(NOW, 3, NOW)})
    record_return(ledger, ["x.com"])
    state = ledger.state(NOW)
    assert (set(state.evidence), set(state.absences)) == ({"y.com"}, set())
