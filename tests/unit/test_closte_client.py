"""Tests of single changes: their requests, their outcomes, and the client's options."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from closte_bridge.closte.client import ClosteClient
from closte_bridge.errors import ConfigError
from closte_bridge.hosting import Completeness, ConnectionState, Outcome, OutcomeKind
from closte_bridge.sandbox.server import APP_DOMAIN
from closte_bridge.secret import Secret
from tests.support.closte_calls import KEY, NAME, add, client, remove
from tests.support.sandbox.api import ApiTexts
from tests.support.sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, behaviour=SandboxOptions(slow=0.01, drip=0.001, retry_after="0")) as server:
        yield server


def test_adds_lists_and_deletes(sandbox: Sandbox) -> None:
    with client(sandbox) as closte:
        assert add(closte, NAME) == Outcome(OutcomeKind.DONE, "Closte confirmed the change.")
        assert add(closte, "*.example.org").kind is OutcomeKind.DONE
        assert add(closte, NAME).kind is OutcomeKind.ALREADY
        listing = closte.list_aliases()
        assert (listing.state, listing.names) == (Completeness.COMPLETE, frozenset({APP_DOMAIN, NAME, "*.example.org"}))
        assert remove(closte, "*.example.org").kind is OutcomeKind.DONE
        assert remove(closte, "*.example.org").kind is OutcomeKind.ALREADY
        assert add(closte, "nonsense").kind is OutcomeKind.REFUSED
    assert sandbox.aliases == {APP_DOMAIN, NAME}


def test_sends_what_the_api_expects(sandbox: Sandbox) -> None:
    with client(sandbox) as closte:
        add(closte, NAME)
        add(closte, "*.example.org")
        remove(closte, NAME)
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
        outcome = add(closte, NAME)
        assert outcome.kind in (OutcomeKind.DONE, OutcomeKind.ALREADY)
        assert sandbox.aliases == {APP_DOMAIN, NAME}
        sandbox.set_faults(f"{fault}:1:2", seed=3)
        assert remove(closte, NAME).kind in (OutcomeKind.DONE, OutcomeKind.ALREADY)
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
        outcome = add(closte, NAME)
        assert (outcome.kind, outcome.attempts) == (kind, attempts)
        assert closte.list_aliases().state is Completeness.UNREADABLE
        # The client does not repeat a request if that cannot help, and it does not follow a redirect.
        assert [request.call for request in sandbox.requests] == ["add"] * attempts + ["list"] * attempts


@pytest.mark.parametrize("call", ["add", "remove"])
def test_refusal_after_a_lost_answer_is_unclear(call: str) -> None:
    with Sandbox(texts=ApiTexts(already="Nope.", missing="Nope."), faults=["lost:1:1"]) as sandbox:
        sandbox.aliases = {NAME} if call == "remove" else set()
        with client(sandbox) as closte:
            outcome = add(closte, NAME) if call == "add" else remove(closte, NAME)
            assert (outcome.kind, outcome.attempts) == (OutcomeKind.UNCLEAR, 2)
            assert "Nope." in outcome.message
            # Without the lost response, the same error is a definite failure.
            assert (add(closte, NAME) if call == "add" else remove(closte, NAME)).kind is OutcomeKind.FAILED


@pytest.mark.parametrize("call", ["add", "remove"])
def test_rejected_key_after_a_lost_answer_is_marked_in_doubt(call: str) -> None:
    with Sandbox(key=KEY, faults=["lost:1:1"]) as sandbox, client(sandbox) as closte:
        sandbox.aliases = {NAME} if call == "remove" else set()
        taken = iter([True])
        sandbox.api.accepts = lambda key: bool(key) and next(taken, False)  # type: ignore[method-assign]
        outcome = add(closte, NAME) if call == "add" else remove(closte, NAME)
        assert (outcome.kind, outcome.attempts, outcome.in_doubt) == (OutcomeKind.KEY_REJECTED, 2, True)
        assert (NAME in sandbox.aliases) is (call == "add")
        # Without the lost response, the outcome is not in doubt.
        outcome = add(closte, NAME) if call == "add" else remove(closte, NAME)
        assert (outcome.kind, outcome.in_doubt) == (OutcomeKind.KEY_REJECTED, False)


def test_refused_connection_is_reported() -> None:
    with Sandbox() as sandbox:
        pass
    with client(sandbox, retries=1) as closte:
        refused = f'"127.0.0.1:{urlsplit(sandbox.url).port}" refused the connection.'
        outcome = add(closte, NAME)
        assert outcome == Outcome(OutcomeKind.FAILED, refused, attempts=2)
        listing = closte.list_aliases()
        assert listing.state is Completeness.UNREADABLE
        assert listing.reason == refused
        assert closte.test_connection().state is ConnectionState.UNREACHABLE


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
