from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from closte_bridge.errors import BridgeError
from closte_bridge.sandbox.server import APP_DOMAIN
from closte_bridge.secret import Secret
from tests.support.running import wait_until
from tests.support.sandbox.api import ApiTexts
from tests.support.sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "Canary-3f9a77c1d2e4"
NAME = "shop.example.org"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=Secret(KEY), behaviour=SandboxOptions(slow=0.01, drip=0.001, huge=3_000_000)) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as it:
        it.trust_env = False
        yield it


def post(session: requests.Session, sandbox: Sandbox, call: str = "adddomainalias", **fields: str) -> requests.Response:
    form = {"apikey": KEY, "domain": NAME, "wildcard": "", **fields}
    return session.post(f"{sandbox.url}/{call}", data=form, timeout=10, allow_redirects=False)


def listed(session: requests.Session, sandbox: Sandbox, key: str = KEY) -> Any:  # noqa: ANN401 - any JSON
    return session.get(f"{sandbox.url}/getdomains", params={"apikey": key}, timeout=10).json()


def test_answers_like_closte(sandbox: Sandbox, session: requests.Session) -> None:
    assert post(session, sandbox).json() == {"success": True}
    assert post(session, sandbox, domain="*.example.org", wildcard="1").json() == {"success": True}
    assert listed(session, sandbox) == {"success": True, "domains": [APP_DOMAIN, NAME, "*.example.org"]}
    assert post(session, sandbox, "deletedomainalias", wildcard="0").json() == {"success": True}
    task = post(session, sandbox, "gettaskstatus", id="7").json()
    assert task["success"] is True
    assert task["task"]["id"] == "7"
    assert sandbox.aliases == {APP_DOMAIN, "*.example.org"}


@pytest.mark.parametrize("domain", ["", "no name", "x.closte.com", APP_DOMAIN])
def test_refuses_with_the_known_error_text(sandbox: Sandbox, session: requests.Session, domain: str) -> None:
    response = post(session, sandbox, "deletedomainalias", domain=domain)
    assert response.status_code == 200
    assert response.json() == {"success": False, "error": f"Invalid or empty domain: {domain}"}


def test_accepts_the_key_in_its_documented_place_only(sandbox: Sandbox, session: requests.Session) -> None:
    wrong = {"success": False, "error": "Invalid API key."}
    assert listed(session, sandbox, key="wrong") == wrong
    assert post(session, sandbox, apikey="").json() == wrong
    in_query = session.post(f"{sandbox.url}/adddomainalias?apikey={KEY}", data={"domain": NAME}, timeout=10)
    assert in_query.json() == wrong
    as_json = session.post(f"{sandbox.url}/adddomainalias", json={"apikey": KEY, "domain": NAME}, timeout=10)
    assert as_json.json() == wrong
    assert sandbox.aliases == {APP_DOMAIN}
    assert [request.key_in for request in sandbox.requests] == ["query", "body", "query", ""]
    assert not any(request.key_ok for request in sandbox.requests)


def test_error_texts_can_be_configured(session: requests.Session) -> None:
    words = ApiTexts("Who are you?", 403, already="", missing="Gone.")
    with Sandbox(key=Secret("ok"), texts=words) as sandbox:
        response = post(session, sandbox)
        assert (response.status_code, response.json()["error"]) == (403, "Who are you?")
        assert post(session, sandbox, apikey="ok").json() == {"success": True}
        assert post(session, sandbox, apikey="ok").json() == {"success": True}
        answer = post(session, sandbox, "deletedomainalias", apikey="ok", domain="b.example.org")
        assert answer.json() == {"success": False, "error": "Gone."}


def test_accepts_any_nonempty_key_if_none_is_configured(session: requests.Session) -> None:
    with Sandbox() as sandbox:
        assert post(session, sandbox, apikey="anything").json() == {"success": True}
        assert post(session, sandbox, apikey="").json()["success"] is False


def test_other_calls_are_not_found(sandbox: Sandbox, session: requests.Session) -> None:
    assert session.get(sandbox.url + "/adddomainalias", timeout=10).status_code == 404
    assert session.post(sandbox.url + "/ssl/install", timeout=10).status_code == 404
    assert [request.call for request in sandbox.requests] == ["other"] * 2


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("error500", 500, b"<!doctype"),
        ("429", 429, b"{"),
        ("503", 503, b"<!doctype"),
        ("garbage", 200, b"<!doctype"),
        ("empty", 200, b""),
        ("redirect", 302, b""),
        ("unknown-error", 200, b'{"success": false'),
    ],
)
def test_failing_answers_change_nothing(
    sandbox: Sandbox, session: requests.Session, fault: str, status: int, body: bytes
) -> None:
    sandbox.set_faults(fault)
    response = post(session, sandbox)
    assert response.status_code == status
    assert response.content.startswith(body)
    assert response.headers.get("Retry-After") == ("1" if fault == "429" else None)
    assert sandbox.aliases == {APP_DOMAIN}
    assert sandbox.requests[0].fault == fault


@pytest.mark.parametrize(("fault", "done"), [("reset", False), ("lost", True), ("truncated", True)])
def test_connection_faults_give_no_answer(sandbox: Sandbox, session: requests.Session, fault: str, done: bool) -> None:
    sandbox.set_faults(fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post(session, sandbox)
    assert (NAME in sandbox.aliases) == done


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_delay_faults_still_answer(sandbox: Sandbox, session: requests.Session, fault: str) -> None:
    sandbox.set_faults(fault)
    assert post(session, sandbox).json() == {"success": True}


def test_huge_fault_answers_with_three_megabytes(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.set_faults("huge")
    assert len(post(session, sandbox).content) == 3_000_000


@pytest.mark.parametrize(
    ("fault", "domains"),
    [
        ("list-strings", [APP_DOMAIN, "*.example.org"]),
        ("list-objects", [{"domain": APP_DOMAIN, "wildcard": False}, {"domain": "example.org", "wildcard": True}]),
        ("list-dict", {APP_DOMAIN: {"id": 0}, "*.example.org": {"id": 1}}),
        ("list-no-own", ["*.example.org"]),
        ("list-empty", []),
        ("list-truncated", [APP_DOMAIN]),
    ],
)
def test_list_faults_change_the_format(
    sandbox: Sandbox, session: requests.Session, fault: str, domains: object
) -> None:
    sandbox.aliases = {"*.example.org"}
    sandbox.set_faults(fault)
    assert listed(session, sandbox)["domains"] == domains


def test_list_faults_hide_or_nest_domains(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.aliases = {f"site-{number}.example.org" for number in range(9)}
    sandbox.set_faults("list-shrunk", seed=1)
    assert len(listed(session, sandbox)["domains"]) == 5
    sandbox.set_faults("list-nested")
    assert len(listed(session, sandbox)["domains"]["data"]) == 10
    sandbox.set_faults("list-unknown")
    assert APP_DOMAIN not in json.dumps(listed(session, sandbox))
    sandbox.set_faults("list-hidden")
    assert listed(session, sandbox)["success"] is False


def test_refuses_a_body_that_is_too_large(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(
            b"POST /api/client/adddomainalias HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_listens_on_localhost_only(sandbox: Sandbox) -> None:
    assert sandbox.http.server_address[0] == "127.0.0.1"


def test_port_in_use_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(BridgeError, match="cannot listen"):
        Sandbox(port=sandbox.port)


def test_stops_while_clients_are_connected() -> None:
    with Sandbox(behaviour=SandboxOptions(slow=600), faults=["slow"]) as sandbox:
        idle = socket.create_connection(("127.0.0.1", sandbox.port))
        busy = socket.create_connection(("127.0.0.1", sandbox.port))
        busy.sendall(b"GET /api/client/getdomains?apikey=x HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: sandbox.connections == 2)
    with idle, busy:
        assert idle.recv(1) == b""
    assert not sandbox.http.open


class TestCommand:
    @staticmethod
    def start(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "closte_bridge", "sandbox", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def url(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_and_stops_cleanly(self, tmp_path: Path, session: requests.Session, number: int) -> None:
        key_file = tmp_path / "key"
        key_file.write_text(f"{KEY}\n")
        with self.start("--key-file", str(key_file), "--app-domain", "my.example.org") as process:
            url = self.url(process)
            call = f"{url}/getdomains"
            assert session.get(f"{url}/nothing", timeout=10).status_code == 404
            assert session.get(call, params={"apikey": KEY}, timeout=10).json()["domains"] == ["my.example.org"]
            assert session.get(call, params={"apikey": "x"}, timeout=10).json()["success"] is False
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")

    def test_state_survives_a_kill(self, tmp_path: Path, session: requests.Session) -> None:
        state = str(tmp_path / "state.json")
        with self.start("--state", state) as process:
            url = self.url(process)
            form = {"apikey": "x", "domain": NAME, "wildcard": "0"}
            assert session.post(f"{url}/adddomainalias", data=form, timeout=10).json() == {"success": True}
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        with self.start("--state", state) as process:
            url = self.url(process)
            listing = session.get(f"{url}/getdomains", params={"apikey": "x"}, timeout=10).json()
            assert listing["domains"] == [APP_DOMAIN, NAME]
            process.terminate()
            process.communicate(timeout=30)
