"""Tests that the API key never appears in a message, an exception, a repr, a log or a stream."""

from __future__ import annotations

import http.client
import json
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
import requests
from werkzeug import Request, Response

from closte_bridge.closte.client import ClosteClient
from closte_bridge.hosting import Action
from closte_bridge.secret import Secret
from tests.support.canary import KEY, found
from tests.support.closte_calls import add, remove
from tests.support.sandbox.faults import FaultKind
from tests.support.sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer


def hunt(*places: object) -> None:
    """Fail if any of the places contains the key, in any encoding."""
    assert not found("\n".join(map(str, places)))


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Return the log capture, with all HTTP libraries at their most verbose level."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("urllib3", "requests")):
            caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    return caplog


def use(url: str, seconds: float = 30.0) -> list[object]:
    with ClosteClient(
        url, Secret(KEY), rate_limit=10_000, retries=1, timeout=(5.0, seconds), sleep=lambda _: None
    ) as it:
        seen: list[object] = [
            it.list_aliases(),
            it.test_connection(),
            add(it, "a.example.org"),
            remove(it, "a.example.org"),
        ]
        it.run([(Action.ADD, "b.example.org")], lambda *change: seen.extend(change))
        return [*map(repr, seen), repr(it), str(it.__dict__), str(it._transport.__dict__), repr(it.stats)]


@pytest.mark.parametrize("kind", list(FaultKind))
def test_key_is_hidden_in_every_fault(
    kind: FaultKind, loud: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Sandbox(faults=[kind.value], behaviour=SandboxOptions(slow=0.3, drip=0.1), seed=1) as sandbox:
        seen = use(sandbox.url, seconds=0.2)
        assert sandbox.requests
        journal = repr(sandbox.requests)
    streams = capfd.readouterr()
    hunt(*seen, loud.text, *(record.__dict__ for record in loud.records), streams.out, streams.err, journal)


def test_leak_detection_finds_what_the_libraries_log(
    loud: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without protection urllib3 logs the key. If it did not, the test above would prove nothing.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "disabled", False)
    with Sandbox() as sandbox:
        requests.get(f"{sandbox.url}/getdomains", params={"apikey": KEY}, timeout=5).close()
    with pytest.raises(AssertionError):
        hunt(loud.text)


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500])
def test_key_is_hidden_if_the_server_echoes_everything(
    httpserver: HTTPServer, status: int, loud: pytest.LogCaptureFixture
) -> None:
    def echo(request: Request) -> Response:
        words = f"Sorry: {request.values['apikey']} {request.url} {request.get_data(as_text=True)} {KEY[2:12]}"
        return Response(json.dumps({"success": False, "error": words}), status, headers={"Location": request.url})

    httpserver.expect_request("/getdomains").respond_with_handler(echo)
    httpserver.expect_request("/adddomainalias").respond_with_handler(echo)
    httpserver.expect_request("/deletedomainalias").respond_with_handler(echo)
    seen = use(httpserver.url_for("/"))
    assert "not shown" in str(seen)
    managed = [record for record in loud.records if not record.name.startswith("werkzeug")]
    hunt(*seen, *(record.getMessage() for record in managed))


def test_key_is_hidden_in_an_unexpected_exception(
    monkeypatch: pytest.MonkeyPatch, loud: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **options: object) -> None:
        raise RuntimeError(f"{options} {KEY}")

    monkeypatch.setattr(requests.Session, "request", fail)
    seen = use("https://api.example.org/")
    assert "(RuntimeError)" in str(seen)
    hunt(*seen, loud.text)


@pytest.mark.parametrize(
    "url",
    [
        f"https://{KEY}@api.example.org/",
        f"https://:{KEY[7:]}@api.example.org/",
        f"https://api.example.org/?apikey={KEY}",
    ],
)
def test_url_containing_the_key_is_refused_without_showing_it(url: str) -> None:
    try:
        ClosteClient(url, Secret(KEY))
    except Exception:
        hunt(traceback.format_exc().replace("ClosteClient(url, Secret(KEY))", ""))
    else:
        pytest.fail("it was taken")
