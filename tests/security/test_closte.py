"""A hostile Closte: endless answers, compressed answers that expand, redirects, and effects of the environment."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
import zlib
from typing import TYPE_CHECKING

import pytest
import trustme
from pytest_httpserver import HTTPServer

from closte_bridge.closte.client import LIST_LIMIT
from tests.support.parts import REPOSITORY
from tests.support.raw_server import raw_server

if TYPE_CHECKING:
    import socket
    from pathlib import Path

KEY = "Canary-3f9a77c1d2e4"
GIGABYTE = 1 << 30
# Memory that a process may use in addition to its idle use, in bytes: several times the limit of a list.
ROOM = 256 << 20
_CLIENT = """
import re, sys
from closte_bridge.closte.client import ClosteClient
from closte_bridge.hosting import Action
from closte_bridge.secret import Secret

with ClosteClient(sys.argv[1], Secret({key!r}), retries=0, timeout=(5.0, float(sys.argv[2]))) as closte:
    print(closte.list_aliases().reason)
    closte.run([(Action.ADD, "a.example.org")], lambda _, __, outcome: print(outcome.message))
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def asked(url: str, seconds: float = 60.0, environment: dict[str, str] | None = None) -> tuple[str, str, int]:
    """Request the list and an addition in a separate process; return both messages and the memory in bytes."""
    argv = [sys.executable, "-c", _CLIENT.format(key=KEY), url, str(seconds)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
    listed, added, memory = done.stdout.splitlines()
    assert KEY not in done.stdout + done.stderr
    return listed, added, int(memory) * 1024


def bomb() -> bytes:
    """Return a gigabyte of white space, compressed to a megabyte."""
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * (1 << 24)) for _ in range(GIGABYTE >> 24)) + packer.flush()


@pytest.mark.parametrize("packed", [False, True])
def test_gigabyte_answer_is_abandoned(packed: bool) -> None:
    sent = 0
    packed_body = bomb() if packed else b""

    def serve(connection: socket.socket, __: bytes) -> None:
        nonlocal sent
        kind = b"Content-Encoding: gzip\r\n" if packed else b""
        body = packed_body if packed else b" " * (1 << 20)
        length = len(body) if packed else GIGABYTE
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: %d\r\n\r\n" % length)
        for _ in range(1 if packed else GIGABYTE >> 20):
            connection.sendall(body)
            sent += len(body)

    with raw_server(serve) as url:
        listed, added, memory = asked(url)
    _, _, idle = asked("http://127.0.0.1:1")
    assert listed == "The response exceeds 32768 KiB and was discarded."
    assert added == "The response exceeds 64 KiB and was discarded."
    assert memory < idle + ROOM
    assert sent < GIGABYTE // 8


def test_dripping_answer_is_abandoned() -> None:
    def serve(connection: socket.socket, __: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(600):
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.05)

    began = time.monotonic()
    with raw_server(serve) as url:
        listed, added, _ = asked(url, 1.0)
    assert "did not finish its response within 1 s" in listed
    assert "did not finish its response within 1 s" in added
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("body", ["[" * 1_000_000, '{"domains":' * 200_000, '{"success": 1' + "0" * 5000 + "}"])
def test_deep_nesting_and_giant_numbers_are_not_understood(httpserver: HTTPServer, body: str) -> None:
    httpserver.expect_request("/getdomains").respond_with_data(body)
    httpserver.expect_request("/adddomainalias").respond_with_data(body[:60_000])
    listed, added, _ = asked(httpserver.url_for("/"))
    assert listed == "Closte returned an unexpected response."
    assert "unexpected response" in added


@pytest.mark.parametrize("entry", [b"[]", b"{}", b'""', b"0", b'{"a":{}}'])
def test_countless_small_entries_use_bounded_memory(httpserver: HTTPServer, entry: bytes) -> None:
    """The bytes of such a list are within the limit; its Python objects would use a gigabyte and more."""
    many = (LIST_LIMIT - 100) // (len(entry) + 1)
    body = b'{"success":true,"domains":[' + b",".join([entry] * many) + b"]}"
    httpserver.expect_request("/getdomains").respond_with_data(body)
    httpserver.expect_request("/adddomainalias").respond_with_json({"success": True})
    listed, _, memory = asked(httpserver.url_for("/"))
    _, _, idle = asked("http://127.0.0.1:1")
    assert listed == "Closte returned an unexpected response."
    assert memory < idle + ROOM


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_never_receives_the_key(httpserver: HTTPServer, status: int) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket, __: bytes) -> None:
        seen.append(b"something came")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw_server(serve) as elsewhere:
        httpserver.expect_request(re.compile("/.*")).respond_with_data(b"", status, headers={"Location": elsewhere})
        listed, added, _ = asked(httpserver.url_for("/"))
    assert "redirect" in listed
    assert "redirect" in added
    assert seen == []


_NO_EXCEPTIONS = {"no_proxy": "", "NO_PROXY": ""}
_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "REQUEST_METHOD")


@pytest.mark.parametrize("variable", _VARIABLES)
def test_environment_proxy_is_not_used_for_localhost(httpserver: HTTPServer, variable: str) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket, __: bytes) -> None:
        seen.append(b"something came")

    httpserver.expect_request("/getdomains").respond_with_json({"success": True, "domains": []})
    httpserver.expect_request("/adddomainalias").respond_with_json({"success": True})
    with raw_server(serve) as proxy:
        listed, _, _ = asked(httpserver.url_for("/"), environment={**_NO_EXCEPTIONS, variable: proxy})
    assert listed == ""
    assert seen == []


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_environment_proxy_sees_the_host_but_not_the_key(variable: str) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket, __: bytes) -> None:
        # A proxy that tries to intercept the request answers as if it were the API.
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw_server(serve) as proxy:
        listed, added, _ = asked("https://api.example.org/x", environment={**_NO_EXCEPTIONS, variable: proxy})
    assert listed
    assert added
    # After CONNECT, closte-bridge starts TLS, and the proxy has no certificate of the API.
    assert len(seen) >= 2
    assert all(first[:1] == b"\x16" and KEY.encode() not in first for first in seen)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYTHONHTTPSVERIFY", "SSLKEYLOGFILE"])
def test_environment_cannot_disable_certificate_verification(tmp_path: Path, variable: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    value = "0" if variable == "PYTHONHTTPSVERIFY" else str(tmp_path / "ca.pem")
    if variable == "SSLKEYLOGFILE":
        value = str(tmp_path / "keys")
    with HTTPServer(host="localhost", ssl_context=context) as server:
        server.expect_request(re.compile("/.*")).respond_with_json({"success": True, "domains": []})
        listed, _, _ = asked(server.url_for("/"), environment={variable: value})
        assert "Could not verify the certificate" in listed
        assert not [request for request, _ in server.log if KEY in json.dumps([request.url, request.get_data(True)])]
