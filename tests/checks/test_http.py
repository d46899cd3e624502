"""Tests of visits over real TLS connections: requests, redirects, limits and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.model import HttpCode
from closte_bridge.checks.pool import CheckPool
from closte_bridge.checks.site import SiteTarget
from closte_bridge.config.model import HttpSettings, TlsSettings
from tests.support.answers import page, serve_requests

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.support.dns_world import DnsWorld
    from tests.support.tls_world import TlsWorld

NETWORK, SHOP = "127.0.10.1", "a.shop.test"


def visited(
    names: DnsWorld, servers: TlsWorld, answer: Callable[[bytes], bytes], *, enabled: bool = True
) -> tuple[HttpCode | None, list[str]]:
    """Return the verdict on a domain whose server answers with `answer`, and the request lines."""
    context = servers.issue(SHOP)
    seen: list[str] = []

    def recorded(request: bytes) -> bytes:
        seen.append(request.split(b"\r\n")[0].decode())
        return answer(request)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            serve_requests(tls, recorded)

    servers.listen(NETWORK, talk)
    pool = CheckPool(
        main_domain="four.test",
        dns=names.settings(),
        tls=TlsSettings(port=servers.port, ca_file=servers.ca_file, timeout=5),
        http=HttpSettings(enabled=enabled, timeout=5),
        edges=names.edges,
        target_of=lambda name: SiteTarget(name, 2, frozenset({SHOP}), True, {SHOP: 2}.get),
    )
    (found,) = pool.check([SHOP])
    return found.http.code if found.http else None, seen


def test_visit_is_one_request_over_the_connection_of_the_certificate_check(names: DnsWorld, servers: TlsWorld) -> None:
    requests: list[bytes] = []

    def answer(request: bytes) -> bytes:
        requests.append(request)
        return page()

    assert visited(names, servers, answer) == (HttpCode.OK, ["GET / HTTP/1.1"])
    assert servers.recorder.connections == 1
    (request,) = requests
    head = request.decode().lower()
    assert f"host: {SHOP}\r\n" in head
    assert "user-agent: closte-bridge/" in head
    assert "cache-control: no-store\r\n" in head


def test_disabled_visit_makes_no_request(names: DnsWorld, servers: TlsWorld) -> None:
    assert visited(names, servers, lambda _: page(), enabled=False) == (None, [])


def test_redirects_on_the_same_host_are_followed_to_their_end(names: DnsWorld, servers: TlsWorld) -> None:
    def answer(request: bytes) -> bytes:
        return page() if b"/home/" in request else page(302, Location="/home/?a=b")

    assert visited(names, servers, answer) == (HttpCode.OK, ["GET / HTTP/1.1", "GET /home/?a=b HTTP/1.1"])


@pytest.mark.parametrize("more", [lambda _: "/", lambda n: f"/{n}"], ids=["same", "growing"])
def test_endless_redirects_are_a_loop(names: DnsWorld, servers: TlsWorld, more: Callable[[int], str]) -> None:
    count = 0

    def answer(_: bytes) -> bytes:
        nonlocal count
        count += 1
        return page(302, Location=more(count))

    code, seen = visited(names, servers, answer)
    assert code is HttpCode.LOOP
    assert len(seen) <= 6


def test_huge_answer_is_cut(names: DnsWorld, servers: TlsWorld) -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 200_000
    assert visited(names, servers, lambda _: huge)[0] is HttpCode.OK


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"HTTP/1.1 999999 Odd\r\n\r\n"],
    ids=["nothing", "garbage", "too-many-headers", "odd-status"],
)
def test_answer_that_is_not_http_is_a_server_error(names: DnsWorld, servers: TlsWorld, answer: bytes) -> None:
    def once(_: bytes) -> bytes:
        if answer:
            return answer
        raise ConnectionAbortedError

    assert visited(names, servers, once)[0] is HttpCode.SERVER_ERROR


def test_chunked_answer_ends_without_the_end_of_the_connection(names: DnsWorld, servers: TlsWorld) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert visited(names, servers, lambda _: chunked)[0] is HttpCode.OK
