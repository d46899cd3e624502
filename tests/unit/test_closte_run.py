"""Tests of runs of many changes: how they proceed, and when they end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.closte.client import ClosteClient
from closte_bridge.hosting import Action, Completeness, Outcome, OutcomeKind
from closte_bridge.sandbox.server import APP_DOMAIN
from tests.support.closte_calls import KEY, NAME, add, client
from tests.support.sandbox.faults import FaultKind
from tests.support.sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.sandbox.api import Call


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, behaviour=SandboxOptions(slow=0.01, drip=0.001, retry_after="0")) as server:
        yield server


def test_makes_all_changes_with_few_in_flight() -> None:
    changes: list[tuple[Action, str]] = [(Action.ADD, f"site-{number}.example.org") for number in range(40)]
    pulled, finished, ahead = 0, 0, []
    outcomes: dict[str, OutcomeKind] = {}
    threads = set()

    def source() -> Iterator[tuple[Action, str]]:
        nonlocal pulled
        for change in changes:
            pulled += 1
            ahead.append(pulled - finished)
            threads.add(threading.current_thread())
            yield change

    def on_outcome(action: Action, domain: str, outcome: Outcome) -> None:
        nonlocal finished
        finished += 1
        threads.add(threading.current_thread())
        assert action == "add"
        outcomes[domain] = outcome.kind

    with Sandbox(behaviour=SandboxOptions(latency=0.01)) as sandbox, client(sandbox, concurrency=5) as closte:
        assert closte.run(source(), on_outcome) == ""
        assert sandbox.aliases == {APP_DOMAIN, *(name for _, name in changes)}
        assert sandbox.connections <= 5
        assert closte.stats.calls == 40
        assert closte.stats.seconds > 0
    assert set(outcomes.values()) == {OutcomeKind.DONE}
    assert len(outcomes) == 40
    assert max(ahead) == 5
    assert threads == {threading.current_thread()}


def test_one_bad_domain_does_not_block_the_others(sandbox: Sandbox) -> None:
    sandbox.set_faults("error500@bad.example.org", "reset@worse.example.org")
    names = ["bad.example.org", "worse.example.org", "a.example.org", "not a name", "b.example.org"]
    kinds: dict[str, OutcomeKind] = {}
    with client(sandbox, concurrency=1) as closte:
        closte.run(((Action.ADD, name) for name in names), lambda _, name, outcome: kinds.update({name: outcome.kind}))
    assert list(kinds.values()) == [
        OutcomeKind.UNCLEAR,
        OutcomeKind.UNCLEAR,
        OutcomeKind.DONE,
        OutcomeKind.REFUSED,
        OutcomeKind.DONE,
    ]


def test_stops_when_asked_and_reports_what_was_in_flight(sandbox: Sandbox) -> None:
    seen: list[str] = []
    pulled: list[str] = []

    def source() -> Iterator[tuple[Action, str]]:
        for number in range(100):
            pulled.append(f"site-{number}.example.org")
            yield Action.ADD, pulled[-1]

    with client(sandbox, concurrency=3) as closte:
        reason = closte.run(source(), lambda _, name, __: seen.append(name), lambda: len(seen) >= 4)
        assert reason == "The run was stopped."
        assert sorted(seen) == sorted(pulled)
        assert len(pulled) < 10
        # The client still works after the stop.
        assert add(closte, NAME).kind is OutcomeKind.DONE


def test_stop_request_ends_a_pause(sandbox: Sandbox) -> None:
    sandbox.set_faults("429")
    outcomes: list[Outcome] = []
    pauses = 0

    def should_stop() -> bool:
        nonlocal pauses
        pauses += 1
        return pauses > 3

    # Use the client's real sleep function: the stop must shorten the pause of 50 s that the sandbox asks for.
    sandbox.behaviour = SandboxOptions(retry_after="50")
    with ClosteClient(sandbox.url, KEY, rate_limit=1000) as closte:
        closte.run([(Action.ADD, NAME)], lambda *change: outcomes.append(change[2]), should_stop)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]
    assert outcomes[0].attempts == 1


def test_long_pause_ends_the_run(sandbox: Sandbox) -> None:
    sandbox.behaviour = SandboxOptions(retry_after="3600")
    sandbox.set_faults("429:1:1")
    outcomes: list[Outcome] = []
    with client(sandbox, concurrency=1) as closte:
        changes: list[tuple[Action, str]] = [(Action.ADD, NAME), (Action.ADD, "b.example.org")]
        reason = closte.run(changes, lambda *change: outcomes.append(change[2]))
        assert reason.startswith("Closte is rate-limiting requests (retry after 3")
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]
        assert outcomes[0].retry_after == pytest.approx(3600, abs=60)
        assert outcomes[0].retry_after == pytest.approx(3600, abs=60)
        # A later run does not even take its first change.
        assert closte.run(iter(changes), lambda *change: outcomes.append(change[2])) == reason
        assert len(outcomes) == 1
    assert len(sandbox.requests) == 1


def test_gives_up_if_closte_is_unreachable() -> None:
    with Sandbox() as sandbox:
        pass
    outcomes: list[Outcome] = []
    with client(sandbox, retries=0, concurrency=2) as closte:
        changes: list[tuple[Action, str]] = [(Action.ADD, f"site-{number}.example.org") for number in range(100)]
        reason = closte.run(changes, lambda *change: outcomes.append(change[2]))
    assert reason.startswith("Closte was unreachable")
    assert 5 <= len(outcomes) <= 7


@pytest.mark.parametrize("fault", ["error500", "503", "429", "garbage"])
def test_gives_up_if_closte_only_answers_with_errors(sandbox: Sandbox, fault: str) -> None:
    sandbox.set_faults(fault)
    outcomes: list[Outcome] = []
    with client(sandbox, retries=1, concurrency=2) as closte:
        changes: list[tuple[Action, str]] = [(Action.ADD, f"site-{number}.example.org") for number in range(100)]
        reason = closte.run(changes, lambda *change: outcomes.append(change[2]))
    assert reason.startswith("Closte was unreachable or returned unusable responses")
    assert 5 <= len(outcomes) <= 7


@pytest.mark.parametrize(
    ("fault", "enough", "why"),
    [
        ("error500", 5, "Closte was unreachable or returned unusable responses 5 times in a row."),
        ("429:1:1", 1, "Closte is rate-limiting requests (retry after 3600 s)."),
    ],
    ids=["outage", "pause"],
)
def test_late_answer_does_not_change_the_reason_for_the_end(
    sandbox: Sandbox, fault: str, enough: int, why: str
) -> None:
    sandbox.behaviour = SandboxOptions(retry_after="3600")
    sandbox.set_faults(fault)
    ended, throw = threading.Event(), sandbox.pick
    seen: list[OutcomeKind] = []

    def late(call: Call, domain: str) -> FaultKind | None:
        if domain != NAME:
            return throw(call, domain)
        assert ended.wait(10)
        return None

    def on_outcome(_action: Action, _name: str, outcome: Outcome) -> None:
        seen.append(outcome.kind)
        if len(seen) == enough:
            ended.set()

    def clock() -> float:
        # The last response also ends the pause.
        return 7200.0 * (OutcomeKind.DONE in seen)

    sandbox.pick = late  # type: ignore[method-assign]
    names = (NAME, *(f"site-{number}.example.org" for number in range(99)))
    with client(sandbox, retries=0, concurrency=2, clock=clock) as closte:
        assert closte.run([(Action.ADD, name) for name in names], on_outcome) == why
    assert (len(seen), seen[-1]) == (enough + 1, OutcomeKind.DONE)


@pytest.mark.parametrize("fault", ["drip", "slow", "503"])
def test_outage_ends_the_run_within_its_time_limit(fault: str) -> None:
    # A dripping response takes 8 s, and each requested pause is longer than the time limit.
    behaviour = SandboxOptions(drip=0.2, slow=8.0, retry_after="5")
    names = [f"site-{number}.example.org" for number in range(20)]
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with Sandbox(behaviour=behaviour) as sandbox:
        sandbox.set_faults(fault)
        with ClosteClient(sandbox.url, KEY, rate_limit=1000, timeout=(5.0, 0.5), patience=1.0) as closte:
            reason = closte.run([(Action.ADD, name) for name in names], lambda *change: outcomes.append(change[2]))
            assert closte.list_aliases().state is Completeness.UNREADABLE
    assert time.monotonic() - began < 4
    assert reason in {
        "Closte returned no usable response for 1 s.",
        "Closte is rate-limiting requests (retry after 5 s).",
    }
    assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.UNCLEAR, OutcomeKind.FAILED}
    assert len(outcomes) <= 8


def test_slow_but_answering_api_is_awaited(sandbox: Sandbox) -> None:
    names = [f"site-{number}.example.org" for number in range(8)]
    outcomes: list[OutcomeKind] = []
    throw = sandbox.pick
    now = 0.0

    def slow(call: Call, domain: str) -> FaultKind | None:
        nonlocal now
        now += 40.0
        return throw(call, domain)

    sandbox.pick = slow  # type: ignore[method-assign]
    with client(sandbox, concurrency=1, clock=lambda: now) as closte:
        assert closte.run([(Action.ADD, name) for name in names], lambda *change: outcomes.append(change[2].kind)) == ""
    assert outcomes == [OutcomeKind.DONE] * 8


def test_hanging_list_leaves_time_for_changes() -> None:
    with (
        Sandbox(behaviour=SandboxOptions(drip=0.2)) as sandbox,
        ClosteClient(sandbox.url, KEY, rate_limit=1000, patience=3.2, timeout=(5.0, 0.5)) as closte,
    ):
        began, throw = time.monotonic(), sandbox.pick
        sandbox.pick = lambda call, domain: FaultKind.DRIP if call == "list" else throw(call, domain)  # type: ignore[method-assign]
        assert closte.list_aliases().state is Completeness.UNREADABLE
        assert time.monotonic() - began < 2.8
        assert closte.run([(Action.ADD, NAME)], lambda *_: None) == ""
        assert NAME in sandbox.aliases
        # After all patience is used up, the client still requests the list once more.
        closte._patience._unanswered = 4.0
        calls = closte.stats.calls
        closte.list_aliases()
        assert closte.stats.calls > calls


def test_one_answer_resets_the_failure_count(sandbox: Sandbox) -> None:
    names = [f"site-{number}.example.org" for number in range(20)]
    sandbox.set_faults(*(f"error500@{name}" for at, name in enumerate(names) if at % 5))
    with client(sandbox, retries=0, concurrency=1) as closte:
        assert closte.run([(Action.ADD, name) for name in names], lambda *_: None) == ""


def test_callback_exception_is_raised(sandbox: Sandbox) -> None:
    def on_outcome(*_: object) -> None:
        raise KeyError("ledger")

    with client(sandbox) as closte, pytest.raises(KeyError, match="ledger"):
        closte.run([(Action.ADD, NAME)], on_outcome)


def test_slows_down_after_a_429_answer(sandbox: Sandbox) -> None:
    sandbox.set_faults("429:1:2")
    with client(sandbox, concurrency=1) as closte:
        closte.run([(Action.ADD, NAME)], lambda *_: None)
        stats = closte.stats
    assert (stats.calls, stats.retries, stats.slowed) == (3, 2, 2)


class Late:
    """A clock that advances only during a pause, by `step` seconds more than the pause."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 0.0, step

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.step


class TestBeginWithin:
    """Tests of `begin_within`: the client begins or repeats no change after that time, as its data may be outdated."""

    def test_late_repeat_is_not_sent(self) -> None:
        time = Late()
        with Sandbox(key=KEY, behaviour=SandboxOptions(retry_after="30"), faults=["429:1:1"]) as sandbox:
            sandbox.aliases = {NAME}
            with client(sandbox, sleep=time.sleep, clock=time.clock, rate_limit=10.0) as closte:
                ended: list[Outcome] = []
                why = closte.run([(Action.REMOVE, NAME)], lambda *found: ended.append(found[2]), begin_within=5.0)
            assert [(outcome.kind, outcome.attempts) for outcome in ended] == [(OutcomeKind.FAILED, 1)]
            assert why == "Closte is rate-limiting requests (retry after 25 s)."  # 30 s minus the 5 s that passed
            assert NAME in sandbox.aliases
            assert len(sandbox.requests) == 1
        assert time.now <= 5.0

    def test_timely_repeat_is_sent(self) -> None:
        time = Late()
        with Sandbox(key=KEY, behaviour=SandboxOptions(retry_after="3"), faults=["429:1:1"]) as sandbox:
            sandbox.aliases = {NAME}
            with client(sandbox, sleep=time.sleep, clock=time.clock, rate_limit=10.0) as closte:
                ended: list[Outcome] = []
                closte.run([(Action.REMOVE, NAME)], lambda *found: ended.append(found[2]), begin_within=5.0)
            assert [(outcome.kind, outcome.attempts) for outcome in ended] == [(OutcomeKind.DONE, 2)]

    def test_change_that_cannot_begin_in_time_stays_in_the_source(self) -> None:
        time = Late(step=2.0)
        names = [f"shop{number}.example.org" for number in range(20)]
        with Sandbox(key=KEY) as sandbox:
            with client(sandbox, sleep=time.sleep, clock=time.clock, rate_limit=1.0, concurrency=1) as closte:
                ended: list[tuple[str, int]] = []
                changes = iter([(Action.ADD, name) for name in names])
                why = closte.run(
                    changes,
                    lambda _, name, outcome: ended.append((name, outcome.attempts)),
                    begin_within=5.0,
                )
            sent = [name for name, attempts in ended if attempts]
            assert why == ""
            assert 0 < len(sent) < len(names)
            assert sandbox.aliases == {APP_DOMAIN, *sent}
            # The changes that follow stay in the iterator.
            assert len([*changes]) >= len(names) - len(ended) - 1
