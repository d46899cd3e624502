from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from closte_bridge.closte.client import ANSWER_LIMIT, ClosteClient
from closte_bridge.closte.transport import check_api_url
from closte_bridge.errors import ConfigError
from closte_bridge.hosting import Completeness, OutcomeKind
from closte_bridge.secret import Secret
from tests.support.closte_calls import add
from tests.support.raw_server import raw_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Secret("Canary-3f9a77c1d2e4")
DONE = {"success": True}


def client(url: str, **options: object) -> ClosteClient:
    settings: dict[str, object] = {"retries": 0, "rate_limit": 10_000.0, **options}
    return ClosteClient(url, KEY, **settings)  # type: ignore[arg-type]  # the options have different types


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "https://app.closte.com/api/client",
            "HTTPS://app.closte.com:8443/api/client/",
            "http://127.0.0.1:8080/api",
            "http://localhost/x",
            "http://[::1]:99",
            "http://127.9.9.9",
        ],
    )
    def test_valid_url_is_accepted(self, url: str) -> None:
        base, host, _ = check_api_url(url)
        assert not base.endswith("/")
        assert host

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "app.closte.com/api/client",
            "http://app.closte.com/api/client",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://192.168.1.1/",
            "http://2130706433/",
            "ftp://app.closte.com/",
            "file:///etc/passwd",
            "https://",
            "https:///api",
            "https://user:hunter2@app.closte.com/",
            "https://hunter2@app.closte.com/",
            "https://app.closte.com/api?apikey=hunter2",
            "https://app.closte.com/api?",
            "https://app.closte.com/api#hunter2",
            "https://app.closte.com\\@evil.example/hunter2",
            "https://app.closte.com /hunter2",
            "https://app.closte.com/\nhunter2",
            "https://app.closte.com:99999/hunter2",
            "https://app.closte.com:x/hunter2",
            "https://[::1/hunter2",
            "https://ápp.closte.com/",
        ],
    )
    def test_invalid_url_is_refused_without_quoting_it(self, url: str) -> None:
        with pytest.raises(ConfigError) as caught:
            check_api_url(url)
        assert "hunter2" not in caught.value.message + caught.value.hint
        assert caught.value.__context__ is None


class TestRequest:
    def test_request_has_the_documented_form(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/api/getdomains").respond_with_json({"success": True, "domains": []})
        httpserver.expect_request("/api/adddomainalias").respond_with_json(DONE)
        with client(httpserver.url_for("/api/")) as closte:
            assert closte.list_aliases().state is Completeness.COMPLETE
            assert add(closte, "*.example.org").kind is OutcomeKind.DONE
        (listed, _), (added, _) = httpserver.log
        assert (listed.method, listed.query_string, listed.data) == ("GET", b"apikey=Canary-3f9a77c1d2e4", b"")
        assert (added.method, added.query_string) == ("POST", b"")
        assert added.content_type == "application/x-www-form-urlencoded"
        assert added.form.to_dict() == {"apikey": "Canary-3f9a77c1d2e4", "domain": "*.example.org", "wildcard": "1"}

    def test_request_carries_no_cookies_or_netrc_credentials(
        self, httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
        httpserver.expect_request("/adddomainalias").respond_with_json(DONE, headers={"Set-Cookie": "a=b; Path=/"})
        with client(httpserver.url_for("/")) as closte:
            add(closte, "a.example.org")
            assert add(closte, "a.example.org").kind is OutcomeKind.DONE
        for request, _ in httpserver.log:
            assert "Cookie" not in request.headers
            assert "Authorization" not in request.headers

    def test_proxy_sees_the_host_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = bytearray()

        def serve(connection: socket.socket, request: bytes) -> None:
            seen.extend(request)
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with raw_server(serve) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            with client("https://api.example.org/api/client") as closte:
                listing = closte.list_aliases()
        assert listing.reason == 'The proxy could not connect to "api.example.org".'
        assert seen.startswith(b"CONNECT api.example.org:443 ")
        assert b"Canary" not in seen

    def test_proxy_is_bypassed_for_no_proxy_hosts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "example.org")
        with client("https://api.example.org/") as closte:
            assert closte._transport._session.proxies == {}


class TestAnswer:
    def test_gzip_answer_is_read(self, httpserver: HTTPServer) -> None:
        body = gzip.compress(json.dumps({"success": True, "domains": ["a.example.org"]}).encode())
        httpserver.expect_request("/getdomains").respond_with_data(body, headers={"Content-Encoding": "gzip"})
        with client(httpserver.url_for("/")) as closte:
            assert closte.list_aliases().names == {"a.example.org"}

    @pytest.mark.parametrize(
        ("body", "encoding", "words"),
        [
            (gzip.compress(b'{"success": true}' + b" " * ANSWER_LIMIT, mtime=0), "gzip", "exceeds 64 KiB"),
            (gzip.compress(b"0" * 50_000_000, mtime=0), "gzip", "exceeds 64 KiB"),
            (gzip.compress(b'{"success": true}', mtime=0)[:-4], "gzip", "unexpected response"),
            (b'{"success": true}', "gzip", "broke before"),
            (b'{"success": true}', "br", "unexpected compression"),
            (b'{"success": true}' + b" " * ANSWER_LIMIT, "identity", "exceeds 64 KiB"),
        ],
    )
    def test_answer_size_and_encoding_are_limited(
        self, httpserver: HTTPServer, body: bytes, encoding: str, words: str
    ) -> None:
        httpserver.expect_request("/adddomainalias").respond_with_data(body, headers={"Content-Encoding": encoding})
        with client(httpserver.url_for("/")) as closte:
            outcome = add(closte, "a.example.org")
        assert outcome.kind is OutcomeKind.UNCLEAR
        assert words in outcome.message

    def test_answer_without_a_length_is_limited(self) -> None:
        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b" " * 65536)

        with raw_server(serve) as url, client(url) as closte:
            assert "exceeds 64 KiB" in add(closte, "a.example.org").message

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX: ",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_dripping_answer_times_out(self, start: bytes) -> None:
        over = threading.Event()

        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(start)
            while not over.wait(0.05):
                connection.sendall(b"1")

        with raw_server(serve) as url, client(url, timeout=(5.0, 0.5)) as closte:
            outcome = add(closte, "a.example.org")
            over.set()
        assert outcome.kind is OutcomeKind.UNCLEAR
        assert outcome.message == '"127.0.0.1" did not finish its response within 0.5 s.'

    def test_missing_answer_times_out(self) -> None:
        over = threading.Event()

        def serve(_: socket.socket, __: bytes) -> None:
            over.wait(30)

        with raw_server(serve) as url, client(url, timeout=(1, 0.2)) as closte:
            outcome = add(closte, "a.example.org")
            over.set()
        assert (outcome.kind, outcome.message) == (
            OutcomeKind.UNCLEAR,
            '"127.0.0.1" did not finish its response within 0.2 s.',
        )

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        ],
    )
    def test_broken_answer_is_unclear(self, answer: bytes) -> None:
        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(answer)

        with raw_server(serve) as url, client(url) as closte:
            outcome = add(closte, "a.example.org")
        assert outcome.kind is OutcomeKind.UNCLEAR
        assert outcome.message == 'The connection to "127.0.0.1" broke before the response was complete.'

    def test_redirect_is_not_followed(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/getdomains").respond_with_data(
            b"", status=301, headers={"Location": httpserver.url_for("/elsewhere")}
        )
        with client(httpserver.url_for("/")) as closte:
            listing = closte.list_aliases()
        assert listing.reason == "Closte returned a redirect (HTTP 301); redirects are not followed."
        assert len(httpserver.log) == 1

    def test_closed_connection_is_replaced(self, httpserver: HTTPServer) -> None:
        def answer(_: Request) -> Response:
            return Response(json.dumps(DONE), headers={"Connection": "close"})

        httpserver.expect_request("/adddomainalias").respond_with_handler(answer)
        with client(httpserver.url_for("/")) as closte:
            assert [add(closte, "a.example.org").kind for _ in range(3)] == [OutcomeKind.DONE] * 3


def test_unresolved_host_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "nothing known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with client("https://api.invalid/") as closte:
        outcome = add(closte, "a.example.org")
    assert (outcome.kind, outcome.message) == (OutcomeKind.FAILED, 'Could not resolve "api.invalid".')


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    @contextmanager
    def served(self, authority: trustme.CA, name: str) -> Iterator[str]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        with HTTPServer(host="localhost", ssl_context=context) as server:
            server.expect_request("/adddomainalias").respond_with_json(DONE)
            yield server.url_for("/")

    @pytest.fixture
    def bundle(self, authority: trustme.CA, tmp_path: Path) -> Path:
        path = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(path))
        return path

    def test_trusted_certificate_is_accepted(self, authority: trustme.CA, bundle: Path) -> None:
        with self.served(authority, "localhost") as url, client(url, ca_bundle=bundle) as closte:
            assert add(closte, "a.example.org").kind is OutcomeKind.DONE

    def test_unknown_authority_is_refused(self, authority: trustme.CA) -> None:
        with self.served(authority, "localhost") as url, client(url, retries=3) as closte:
            outcome = add(closte, "a.example.org")
            listing = closte.list_aliases()
        assert (outcome.kind, outcome.attempts) == (OutcomeKind.FAILED, 1)
        assert outcome.message.startswith('Could not verify the certificate of "localhost": ')
        assert listing.reason == outcome.message
        assert "http" not in outcome.message

    def test_certificate_for_another_name_is_refused(self, authority: trustme.CA, bundle: Path) -> None:
        with self.served(authority, "other.example.org") as url, client(url, ca_bundle=bundle) as closte:
            outcome = add(closte, "a.example.org")
        assert outcome.kind is OutcomeKind.FAILED
        assert ": Hostname mismatch" in outcome.message

    def test_server_without_tls_is_refused(self, httpserver: HTTPServer) -> None:
        with client(httpserver.url_for("/").replace("http:", "https:")) as closte:
            outcome = add(closte, "a.example.org")
        assert (outcome.kind, outcome.message) == (
            OutcomeKind.FAILED,
            'The TLS connection to "localhost" failed.',
        )

    def test_dripping_handshake_times_out(self) -> None:
        over = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def drip() -> None:
                line, _ = listener.accept()
                with line, suppress(OSError):
                    # Send the header of a 16 KiB record, then its bytes one by one.
                    line.sendall(b"\x16\x03\x03\x40\x00")
                    while not over.wait(0.05):
                        line.sendall(b"\x02")

            server = threading.Thread(target=drip, daemon=True)
            server.start()
            began = time.monotonic()
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            with client(url, timeout=(0.5, 5.0), retries=0) as closte:
                outcome = add(closte, "a.example.org")
            over.set()
            server.join()
        assert time.monotonic() - began < 3
        assert outcome.kind is OutcomeKind.FAILED

    def test_missing_ca_bundle_is_a_config_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="does not exist"):
            client("https://localhost/", ca_bundle=tmp_path / "none.pem")

    def test_invalid_ca_bundle_fails_the_request(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("nothing")
        with client("https://localhost/", ca_bundle=tmp_path / "ca.pem") as closte:
            assert add(closte, "a.example.org").kind is OutcomeKind.FAILED
