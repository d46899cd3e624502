"""Tests of the list and of the connection test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.closte.client import ClosteClient
from closte_bridge.hosting import Completeness, ConnectionState, OutcomeKind
from closte_bridge.sandbox.server import APP_DOMAIN
from closte_bridge.secret import Secret
from tests.support.closte_calls import KEY, NAME, add, client
from tests.support.closte_worlds import lists_are_refused
from tests.support.sandbox.api import ApiTexts
from tests.support.sandbox.handler import Handler
from tests.support.sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, behaviour=SandboxOptions(slow=0.01, drip=0.001, retry_after="0")) as server:
        yield server


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
            assert add(closte, NAME).kind is OutcomeKind.KEY_REJECTED
            listing = closte.list_aliases()
            assert (listing.state, listing.key_rejected) == (Completeness.UNREADABLE, True)

    @pytest.mark.parametrize("status", [401, 403])
    def test_http_401_or_403_is_a_rejected_key(self, status: int) -> None:
        with Sandbox(key=Secret("ok"), texts=ApiTexts("No.", status)) as sandbox, client(sandbox) as closte:
            assert closte.test_connection().state is ConnectionState.KEY_REJECTED
            assert add(closte, NAME).kind is OutcomeKind.KEY_REJECTED
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
