from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.closte.client import ClosteClient
from closte_bridge.errors import ConfigError
from closte_bridge.hosting import Action, Completeness, ConnectionState, Outcome, OutcomeKind
from closte_bridge.sandbox.api import ApiTexts
from closte_bridge.sandbox.faults import FaultKind
from closte_bridge.sandbox.handler import Handler
from closte_bridge.sandbox.server import APP_DOMAIN, Sandbox, SandboxOptions
from closte_bridge.secret import Secret
from tests.support.closte_worlds import lists_are_refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.sandbox.faults import Call

KEY = Secret("Canary-3f9a77c1d2e4")
NAME = "shop.example.org"


def client(sandbox: Sandbox, **options: object) -> ClosteClient:
    settings: dict[str, object] = {"rate_limit": 10_000.0, "sleep": lambda _: None, **options}
    return ClosteClient(sandbox.url, KEY, **settings)  # type: ignore[arg-type]  # the options have different types


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, behaviour=SandboxOptions(slow=0.01, drip=0.001, retry_after="0")) as server:
        yield server


def test_adds_lists_and_deletes(sandbox: Sandbox) -> None:
    with client(sandbox) as closte:
        assert closte.add(NAME) == Outcome(OutcomeKind.DONE, "Closte confirmed the change.")
        assert closte.add("*.example.org").kind is OutcomeKind.DONE
        assert closte.add(NAME).kind is OutcomeKind.ALREADY
        listing = closte.list_aliases()
        assert (listing.state, listing.names) == (Completeness.COMPLETE, frozenset({APP_DOMAIN, NAME, "*.example.org"}))
        assert closte.delete("*.example.org").kind is OutcomeKind.DONE
        assert closte.delete("*.example.org").kind is OutcomeKind.ALREADY
        assert closte.add("nonsense").kind is OutcomeKind.REFUSED
    assert sandbox.aliases == {APP_DOMAIN, NAME}


def test_sends_what_the_api_expects(sandbox: Sandbox) -> None:
    with client(sandbox) as closte:
        closte.add(NAME)
        closte.add("*.example.org")
        closte.delete(NAME)
        closte.list_aliases()
    sent = [(request.call, request.domain, request.wildcard, request.key_in) for request in sandbox.requests]
    assert sent == [
        ("add", NAME, "0", "body"),
        ("add", "*.example.org", "1", "body"),
        ("remove", NAME, "0", "body"),
        ("list", "", "", "query"),
    ]
    assert sandbox.connections == 1


@pytest.mark.parametrize("fault", ["error500", "429", "503", "reset", "lost", "garbage", "empty", "truncated", "mixed"])
def test_transient_faults_are_retried(sandbox: Sandbox, fault: str) -> None:
    with client(sandbox, retries=6) as closte:
        sandbox.set_faults(f"{fault}:1:2", seed=3)
        outcome = closte.add(NAME)
        assert outcome.kind in (OutcomeKind.DONE, OutcomeKind.ALREADY)
        assert sandbox.aliases == {APP_DOMAIN, NAME}
        sandbox.set_faults(f"{fault}:1:2", seed=3)
        assert closte.delete(NAME).kind in (OutcomeKind.DONE, OutcomeKind.ALREADY)
        assert sandbox.aliases == {APP_DOMAIN}
        if fault != "mixed":
            sandbox.set_faults(f"{fault}:1:2")
            assert closte.list_aliases().state is Completeness.COMPLETE
            assert closte.stats.retries >= 4


@pytest.mark.parametrize(
    ("fault", "kind", "attempts"),
    [
        ("error500", OutcomeKind.UNCLEAR, 3),
        ("503", OutcomeKind.UNCLEAR, 3),
        ("429", OutcomeKind.FAILED, 3),
        ("reset", OutcomeKind.UNCLEAR, 3),
        ("garbage", OutcomeKind.UNCLEAR, 3),
        ("empty", OutcomeKind.UNCLEAR, 3),
        ("redirect", OutcomeKind.UNCLEAR, 1),
        ("huge", OutcomeKind.UNCLEAR, 1),
        ("unknown-error", OutcomeKind.FAILED, 1),
    ],
)
def test_permanent_faults_end_after_their_attempts(
    sandbox: Sandbox, fault: str, kind: OutcomeKind, attempts: int
) -> None:
    sandbox.set_faults(fault)
    with client(sandbox, retries=2) as closte:
        outcome = closte.add(NAME)
        assert (outcome.kind, outcome.attempts) == (kind, attempts)
        assert closte.list_aliases().state is Completeness.UNREADABLE
        # The client does not repeat a request if that cannot help, and it does not follow a redirect.
        assert [request.call for request in sandbox.requests] == ["add"] * attempts + ["list"] * attempts


@pytest.mark.parametrize("call", ["add", "remove"])
def test_refusal_after_a_lost_answer_is_unclear(call: str) -> None:
    with Sandbox(texts=ApiTexts(already="Nope.", missing="Nope."), faults=["lost:1:1"]) as sandbox:
        sandbox.aliases = {NAME} if call == "remove" else set()
        with client(sandbox) as closte:
            outcome = closte.add(NAME) if call == "add" else closte.delete(NAME)
            assert (outcome.kind, outcome.attempts) == (OutcomeKind.UNCLEAR, 2)
            assert "Nope." in outcome.message
            # Without the lost response, the same error is a definite failure.
            assert (closte.add(NAME) if call == "add" else closte.delete(NAME)).kind is OutcomeKind.FAILED


@pytest.mark.parametrize("call", ["add", "remove"])
def test_rejected_key_after_a_lost_answer_is_marked_in_doubt(call: str) -> None:
    with Sandbox(key=KEY, faults=["lost:1:1"]) as sandbox, client(sandbox) as closte:
        sandbox.aliases = {NAME} if call == "remove" else set()
        taken = iter([True])
        sandbox.api.accepts = lambda key: bool(key) and next(taken, False)  # type: ignore[method-assign]
        outcome = closte.add(NAME) if call == "add" else closte.delete(NAME)
        assert (outcome.kind, outcome.attempts, outcome.in_doubt) == (OutcomeKind.KEY_REJECTED, 2, True)
        assert (NAME in sandbox.aliases) is (call == "add")
        # Without the lost response, the outcome is not in doubt.
        outcome = closte.add(NAME) if call == "add" else closte.delete(NAME)
        assert (outcome.kind, outcome.in_doubt) == (OutcomeKind.KEY_REJECTED, False)


def test_refused_connection_is_reported() -> None:
    with Sandbox() as sandbox:
        pass
    with client(sandbox, retries=1) as closte:
        outcome = closte.add(NAME)
        assert outcome == Outcome(OutcomeKind.FAILED, '"127.0.0.1" refused the connection.', attempts=2)
        listing = closte.list_aliases()
        assert listing.state is Completeness.UNREADABLE
        assert listing.reason == '"127.0.0.1" refused the connection.'
        assert closte.test_connection().state is ConnectionState.UNREACHABLE


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (201, Completeness.COMPLETE, ""),
        (206, Completeness.PARTIAL, "Closte returned only a part of it (HTTP 206)"),
        (302, Completeness.UNREADABLE, "Closte returned a redirect (HTTP 302); redirects are not followed."),
    ],
)
def test_status_of_a_list_does_not_hide_its_content(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int, state: Completeness, reason: str
) -> None:
    answer = Handler._after_work
    monkeypatch.setattr(Handler, "_after_work", lambda this, fault, _, body: answer(this, fault, status, body))
    with client(sandbox) as closte:
        listing = closte.list_aliases()
    assert (listing.state, listing.reason) == (state, reason)
    assert listing.names == (frozenset() if state is Completeness.UNREADABLE else {APP_DOMAIN})


def test_refused_list_is_no_rejected_key_while_changes_are_accepted(sandbox: Sandbox) -> None:
    with lists_are_refused(sandbox), client(sandbox) as closte:
        listing = closte.list_aliases()
        assert (listing.state, listing.key_rejected) == (Completeness.UNREADABLE, False)
        assert listing.reason == (
            'Closte refused access (HTTP 403). Its message: "Forbidden.". Closte accepts the API key for changes: '
            "a firewall may block the request for the list."
        )
    assert [(request.call, request.domain) for request in sandbox.requests] == [("list", ""), ("add", "")]


def test_closed_client_sends_nothing(sandbox: Sandbox) -> None:
    sandbox.set_faults("error500")

    def sleep(_: float) -> None:
        if len(sandbox.requests) == 3:
            closte.close()

    closte: ClosteClient = client(sandbox, retries=1000, sleep=sleep)
    assert closte.list_aliases().state is Completeness.UNREADABLE
    assert len(sandbox.requests) == 3


class TestConnectionTest:
    def test_accepted_key_is_ok(self, sandbox: Sandbox) -> None:
        with client(sandbox) as closte:
            assert closte.test_connection().ok
        assert sandbox.aliases == {APP_DOMAIN}
        assert [(request.call, request.domain) for request in sandbox.requests] == [("add", "")]

    def test_rejected_key_is_reported_by_every_call(self, sandbox: Sandbox) -> None:
        with ClosteClient(sandbox.url, Secret("another key of mine")) as closte:
            assert closte.test_connection().state is ConnectionState.KEY_REJECTED
            assert closte.add(NAME).kind is OutcomeKind.KEY_REJECTED
            listing = closte.list_aliases()
            assert (listing.state, listing.key_rejected) == (Completeness.UNREADABLE, True)

    @pytest.mark.parametrize("status", [401, 403])
    def test_http_401_or_403_is_a_rejected_key(self, status: int) -> None:
        with Sandbox(key=Secret("ok"), texts=ApiTexts("No.", status)) as sandbox, client(sandbox) as closte:
            assert closte.test_connection().state is ConnectionState.KEY_REJECTED
            assert closte.add(NAME).kind is OutcomeKind.KEY_REJECTED
            assert closte.list_aliases().key_rejected

    def test_unknown_error_text_is_unexpected(self) -> None:
        with Sandbox(key=Secret("ok"), texts=ApiTexts("Computer says no.")) as sandbox, client(sandbox) as closte:
            test = closte.test_connection()
        assert test.state is ConnectionState.UNEXPECTED
        assert "Computer says no." in test.message

    def test_unreachable_after_sending(self, sandbox: Sandbox) -> None:
        sandbox.set_faults("garbage")
        with client(sandbox, retries=0) as closte:
            test = closte.test_connection()
            assert (test.state, test.sent) == (ConnectionState.UNREACHABLE, True)

    def test_closed_client_is_unreachable_without_sending(self, sandbox: Sandbox) -> None:
        closte = client(sandbox)
        closte.close()
        test = closte.test_connection()
        assert (test.state, test.sent) == (ConnectionState.UNREACHABLE, False)
        assert not sandbox.requests


class TestRun:
    def test_makes_all_changes_with_few_in_flight(self) -> None:
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

    def test_one_bad_domain_does_not_block_the_others(self, sandbox: Sandbox) -> None:
        sandbox.set_faults("error500@bad.example.org", "reset@worse.example.org")
        names = ["bad.example.org", "worse.example.org", "a.example.org", "not a name", "b.example.org"]
        kinds: dict[str, OutcomeKind] = {}
        with client(sandbox, concurrency=1) as closte:
            closte.run(
                ((Action.ADD, name) for name in names), lambda _, name, outcome: kinds.update({name: outcome.kind})
            )
        assert list(kinds.values()) == [
            OutcomeKind.UNCLEAR,
            OutcomeKind.UNCLEAR,
            OutcomeKind.DONE,
            OutcomeKind.REFUSED,
            OutcomeKind.DONE,
        ]

    def test_stops_when_asked_and_reports_what_was_in_flight(self, sandbox: Sandbox) -> None:
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
            assert closte.add(NAME).kind is OutcomeKind.DONE

    def test_stop_request_ends_a_pause(self, sandbox: Sandbox) -> None:
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

    def test_long_pause_ends_the_run(self, sandbox: Sandbox) -> None:
        sandbox.behaviour = SandboxOptions(retry_after="3600")
        sandbox.set_faults("429:1:1")
        outcomes: list[Outcome] = []
        with client(sandbox, concurrency=1) as closte:
            changes: list[tuple[Action, str]] = [(Action.ADD, NAME), (Action.ADD, "b.example.org")]
            reason = closte.run(changes, lambda *change: outcomes.append(change[2]))
            assert reason.startswith("Closte is rate-limiting requests (retry after 3")
            assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]
            assert outcomes[0].retry_after == pytest.approx(3600, abs=60)
            later = closte.add(NAME)
            assert (later.kind, later.attempts) == (OutcomeKind.FAILED, 0)
            assert later.retry_after is not None
        assert len(sandbox.requests) == 1

    def test_gives_up_if_closte_is_unreachable(self) -> None:
        with Sandbox() as sandbox:
            pass
        outcomes: list[Outcome] = []
        with client(sandbox, retries=0, concurrency=2) as closte:
            changes: list[tuple[Action, str]] = [(Action.ADD, f"site-{number}.example.org") for number in range(100)]
            reason = closte.run(changes, lambda *change: outcomes.append(change[2]))
        assert reason.startswith("Closte was unreachable")
        assert 5 <= len(outcomes) <= 7

    @pytest.mark.parametrize("fault", ["error500", "503", "429", "garbage"])
    def test_gives_up_if_closte_only_answers_with_errors(self, sandbox: Sandbox, fault: str) -> None:
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
        self, sandbox: Sandbox, fault: str, enough: int, why: str
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
    def test_outage_ends_the_run_within_its_time_limit(self, fault: str) -> None:
        # A dripping response takes 8 s, and each requested pause is longer than the time limit.
        behaviour = SandboxOptions(drip=0.2, slow=8.0, retry_after="5")
        names = [f"site-{number}.example.org" for number in range(20)]
        outcomes: list[Outcome] = []
        began = time.monotonic()
        with Sandbox(behaviour=behaviour) as sandbox:
            sandbox.set_faults(fault)
            with ClosteClient(sandbox.url, KEY, rate_limit=1000, total_timeout=0.5, patience=1.0) as closte:
                reason = closte.run([(Action.ADD, name) for name in names], lambda *change: outcomes.append(change[2]))
                assert closte.list_aliases().state is Completeness.UNREADABLE
        assert time.monotonic() - began < 4
        assert reason in {
            "Closte returned no usable response for 1 s.",
            "Closte is rate-limiting requests (retry after 5 s).",
        }
        assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.UNCLEAR, OutcomeKind.FAILED}
        assert len(outcomes) <= 8

    def test_slow_but_answering_api_is_awaited(self, sandbox: Sandbox) -> None:
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
            assert (
                closte.run([(Action.ADD, name) for name in names], lambda *change: outcomes.append(change[2].kind))
                == ""
            )
        assert outcomes == [OutcomeKind.DONE] * 8

    def test_hanging_list_leaves_time_for_changes(self) -> None:
        with (
            Sandbox(behaviour=SandboxOptions(drip=0.2)) as sandbox,
            ClosteClient(sandbox.url, KEY, rate_limit=1000, patience=3.2, total_timeout=0.5) as closte,
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

    def test_one_answer_resets_the_failure_count(self, sandbox: Sandbox) -> None:
        names = [f"site-{number}.example.org" for number in range(20)]
        sandbox.set_faults(*(f"error500@{name}" for at, name in enumerate(names) if at % 5))
        with client(sandbox, retries=0, concurrency=1) as closte:
            assert closte.run([(Action.ADD, name) for name in names], lambda *_: None) == ""

    def test_callback_exception_is_raised(self, sandbox: Sandbox) -> None:
        def on_outcome(*_: object) -> None:
            raise KeyError("ledger")

        with client(sandbox) as closte, pytest.raises(KeyError, match="ledger"):
            closte.run([(Action.ADD, NAME)], on_outcome)

    def test_slows_down_after_a_429_answer(self, sandbox: Sandbox) -> None:
        sandbox.set_faults("429:1:2")
        with client(sandbox, concurrency=1) as closte:
            closte.run([(Action.ADD, NAME)], lambda *_: None)
            stats = closte.stats
        assert (stats.calls, stats.retries, stats.slowed) == (3, 2, 2)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"rate_limit": 0.0}, {"retries": -1}, {"rate_limit": float("nan")}]
)
def test_refuses_invalid_options(sandbox: Sandbox, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        client(sandbox, **options)


@pytest.mark.parametrize("key", ["", "  \n"])
def test_refuses_an_empty_key(sandbox: Sandbox, key: str) -> None:
    with pytest.raises(ConfigError, match="key is empty"):
        ClosteClient(sandbox.url, Secret(key))


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
