"""Tests of the client of the shim's signed routes, against a server that signs as the shim does."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING

import pytest
from werkzeug import Request, Response

from closte_bridge.secret import Secret
from closte_bridge.wordpress.web import HEADER, Pulse, ServedMapping, ServedSite, WebClient, WebError
from tests.support.ports import free_port
from tests.support.raw_server import raw_server
from tests.support.tls_world import tls_world

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from pytest_httpserver import HTTPServer

SECRET = "ab" * 32
SITE = {
    "blog_id": 2,
    "network_id": 1,
    "main": False,
    "state": "",
    "mapping": {"domain": "shop.example.com", "blog_id": 2, "stage": "done", "active": True, "secure": True},
    "primary": None,
    "cache": "0123456789abcdef",
}


def client(url: str, *, timeout: float = 10.0) -> WebClient:
    return WebClient(Secret(SECRET), "example.net", urls=[url], timeout=timeout)


def sign(*parts: str) -> str:
    return hmac.new(SECRET.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def shim(
    document: object, *, status: int = 200, etag: str = "", key: str = "closte-bridge 1 answer"
) -> Callable[[Request], Response]:
    """Return a handler that checks the signature of a request and signs its answer."""

    def answer(request: Request) -> Response:
        version, at, nonce, given = request.headers[HEADER].split(" ")
        route = request.args["rest_route"].rpartition("/")[2]
        digest = hashlib.sha256(request.data).hexdigest()
        host = request.host.partition(":")[0]
        assert given == sign("closte-bridge 1", request.method, host, route, at, nonce, digest)
        assert (version, abs(int(at) - time.time()) < 5) == ("1", True)
        body = b"" if document is None else json.dumps(document).encode()
        own = sign(key, nonce, str(status), hashlib.sha256(body).hexdigest())
        return Response(body, status, headers={HEADER: own, **({"ETag": etag} if etag else {})})

    return answer


def serve(server: HTTPServer, handler: Callable[[Request], Response] | Response) -> str:
    expected = server.expect_request("/")
    if isinstance(handler, Response):
        expected.respond_with_response(handler)
    else:
        expected.respond_with_handler(handler)
    return server.url_for("").rstrip("/")


def refused(asking: Callable[[], object]) -> WebError:
    with pytest.raises(WebError) as caught:
        asking()
    assert SECRET[:8] not in f"{caught.value!r}{caught.value.message}{caught.value.hint}"
    return caught.value


def test_site_is_read_for_the_host_asked(httpserver: HTTPServer) -> None:
    found = client(serve(httpserver, shim(SITE))).site("shop.example.com")
    mapping = ServedMapping("shop.example.com", 2, "done", active=True, secure=True)
    expected = ServedSite(
        "shop.example.com", 2, 1, main=False, state="", mapping=mapping, primary=None, cache="0123456789abcdef"
    )
    assert found == expected
    assert httpserver.log[0][0].host == "shop.example.com"


def test_refresh_sends_at_most_500_names(httpserver: HTTPServer) -> None:
    url = serve(httpserver, shim({"cache": "", "domains": 500}))
    names = [f"shop{number}.example.com" for number in range(600)]
    assert client(url).refresh(names, sites=[2], options=["wu_host_integrations_enabled"]) == ""
    sent = json.loads(httpserver.log[0][0].data)
    assert sent == {"domains": names[:500], "sites": [2], "options": ["wu_host_integrations_enabled"]}


def test_pulse_has_an_etag(httpserver: HTTPServer) -> None:
    url = serve(httpserver, shim({"newest": 7}, etag='"7"'))
    assert client(url).pulse() == Pulse(7, '"7"')
    httpserver.clear()
    httpserver.expect_request("/", headers={"If-None-Match": '"7"'}).respond_with_handler(shim(None, status=304))
    assert client(url).pulse('"7"') is None


def test_path_of_the_network_is_part_of_the_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/blog/").respond_with_handler(shim({"newest": 0}))
    url = httpserver.url_for("").rstrip("/")
    assert WebClient(Secret(SECRET), "example.net", path="/blog/", urls=[url]).pulse() == Pulse(0, "")


ANSWERS = {
    "web-redirect": Response("", 302, headers={"Location": "https://example.net/wp-signup.php?new=x"}),
    "web-no-shim": Response("<html>A page</html>", 200),
    "web-refused": Response('{"code":"unsigned"}', 401),
    "web-server-error": Response("", 502),
    "web-invalid": Response("{}", 200, headers={HEADER: "00" * 32}),
}


@pytest.mark.parametrize("code", ANSWERS)
def test_answers_without_a_valid_signature_have_a_code(httpserver: HTTPServer, code: str) -> None:
    error = refused(lambda: client(serve(httpserver, ANSWERS[code])).site("shop.example.com"))
    assert error.code == code
    assert len(httpserver.log) == 1, "a redirect is not followed, and nothing is repeated"
    expected = ANSWERS[code].headers.get("Location", "")
    assert (error.location, "wp-signup" in error.message) == (expected, False)


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"code": "clock"}, 401, "web-clock"),
        ({"code": "replayed"}, 401, "web-replayed"),
        ({"code": "store"}, 503, "web-failed"),
        ({"code": "no-route"}, 404, "web-failed"),
        ({}, 200, "web-invalid"),
        ({**SITE, "blog_id": "2"}, 200, "web-invalid"),
        ({**SITE, "mapping": {"domain": "x"}}, 200, "web-invalid"),
        ([1], 200, "web-invalid"),
    ],
)
def test_signed_refusals_and_malformed_answers_have_a_code(
    httpserver: HTTPServer, document: object, status: int, code: str
) -> None:
    url = serve(httpserver, shim(document, status=status))
    assert refused(lambda: client(url).site("shop.example.com")).code == code


def test_signature_of_a_request_is_no_signature_of_an_answer(httpserver: HTTPServer) -> None:
    url = serve(httpserver, shim({"newest": 7}, key="closte-bridge 1"))
    assert refused(client(url).pulse).code == "web-invalid"


def test_server_that_cannot_be_reached_has_a_code() -> None:
    assert refused(client(f"http://127.0.0.1:{free_port()}").pulse).code == "web-unreachable"


def test_answer_in_drips_ends_after_the_time_limit() -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        while True:
            connection.sendall(b"X")
            time.sleep(0.05)

    with raw_server(drip) as url:
        assert refused(client(url, timeout=0.4).pulse).code == "web-timeout"


def test_invalid_certificate_has_a_code(tmp_path: Path) -> None:
    with tls_world(tmp_path / "tls") as world:
        world.serve("127.0.0.1", world.issue("other.example.net"))
        url = f"https://127.0.0.1:{world.port}"
        found = WebClient(Secret(SECRET), "example.net", urls=[url], ca_file=world.ca_file)
        assert refused(found.pulse).code == "web-certificate"
