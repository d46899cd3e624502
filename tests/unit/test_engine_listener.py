"""Tests of the listener: what wakes a network, and that nothing else costs much or leaves a trace."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
import time
import tracemalloc
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING

import pytest
import trustme

from closte_bridge.config.model import Endpoint, Settings
from closte_bridge.engine.listener import Health, Listener, Pages
from closte_bridge.engine.loop import TRIGGER_FILE, stamp
from closte_bridge.engine.wake import WakeGate
from closte_bridge.engine.web import keep_secret
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.secret import Secret
from tests.support.waking import Reply, WakeUp, get, post, sign, wake_up

if TYPE_CHECKING:
    from pathlib import Path

SECRET, OTHER = "ab" * 32, "cd" * 32
URL = "https://ops.example.org/wake"
# Open connections at the same time, and those that the listener accepts.
MANY = 130


class Watched:
    """The gate of two networks with their trigger files."""

    def __init__(self, folder: Path) -> None:
        self.now = time.time()
        networks = []
        for name, secret in (("shop", SECRET), ("club", OTHER)):
            keep_secret(folder / name, Secret(secret))
            networks.append(Settings(name=name, state_dir=folder / name, wake_url=URL))
        self.folder = folder
        self.gate = WakeGate(networks, now=lambda: self.now)

    def woken(self) -> list[str]:
        """Return the networks whose trigger file exists, and remove it."""
        found = [name for name in ("shop", "club") if stamp(self.folder / name / TRIGGER_FILE)]
        for name in found:
            (self.folder / name / TRIGGER_FILE).unlink()
        return found

    def asks(self, sent: WakeUp) -> str:
        """Return the result of a request."""
        return self.gate.check(sent.header, sent.body).result.value

    def listen(self, pages: Pages | None = None, cert: Path | None = None, key: Path | None = None) -> Listener:
        """Start a listener on a free port."""
        listener = Listener(Endpoint("127.0.0.1", 0), self.gate, pages or Pages(), cert=cert, key=key)
        listener.start()
        return listener


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_signed_wake_up_touches_the_trigger_file_of_its_network(watched: Watched) -> None:
    sent = wake_up(OTHER, URL)
    answer = watched.gate.check(sent.header, sent.body)
    assert (answer.status, watched.woken()) == (202, ["club"])
    lines = ("closte-bridge 1 answer", sent.nonce, "202", hashlib.sha256(answer.body).hexdigest())
    assert answer.signature == sign(OTHER, *lines)
    assert watched.asks(wake_up(SECRET, URL, test=True)) == "test"
    assert watched.woken() == []


def refusals(watched: Watched) -> dict[str, WakeUp]:
    now, good = watched.now, wake_up(SECRET, URL)
    words = good.header.split(" ")
    route = sign(SECRET, "closte-bridge 1", "POST", URL, words[1], words[2])
    return {
        "another address": wake_up(SECRET, "https://evil.example.org/wake"),
        "another secret": wake_up("ef" * 32, URL, key=Secret(SECRET).fingerprint()),
        "an unknown secret": wake_up("ef" * 32, URL),
        "another body": good._replace(body=b'{"network": "example.net", "newest": 8}'),
        "another time": good._replace(header=" ".join([words[0], str(int(now) - 1), *words[2:]])),
        "a long body": wake_up(SECRET, URL, document={"network": "x" * 1100, "newest": 1}),
        "the past": wake_up(SECRET, URL, at=now - 302),
        "the future": wake_up(SECRET, URL, at=now + 302),
        "no event": wake_up(SECRET, URL, document={"network": "example.net"}),
        "no document": wake_up(SECRET, URL, document="x"),
        "the signature of a route": good._replace(header=" ".join([*words[:3], route, words[4]])),
    }


def test_any_other_request_wakes_nothing(watched: Watched) -> None:
    found = {what: watched.asks(sent) for what, sent in refusals(watched).items()}
    clock, odd = {"the past", "the future"}, {"no event", "no document"}
    assert found == {what: "clock" if what in clock else "malformed" if what in odd else "unsigned" for what in found}
    assert watched.woken() == []
    assert watched.asks(wake_up(SECRET, URL)) == "accepted"


def test_request_works_once_until_it_is_too_old(watched: Watched) -> None:
    early, late = wake_up(SECRET, URL, at=watched.now + 290), wake_up(SECRET, URL)
    assert [watched.asks(one) for one in (early, late, early, late)] == ["accepted"] * 2 + ["replayed"] * 2
    watched.now += 580
    assert watched.asks(early) == "replayed"
    watched.now += 100
    assert watched.asks(early) == "clock"


def test_number_of_remembered_requests_is_limited(watched: Watched) -> None:
    results = [watched.asks(wake_up(SECRET, URL)) for _ in range(700)]
    assert results == ["accepted"] * 600 + ["too-many"] * 100
    assert watched.asks(wake_up(OTHER, URL)) == "accepted", "another network is not limited by it"
    watched.now += 602
    assert watched.asks(wake_up(SECRET, URL, at=watched.now)) == "accepted"


def test_replaced_secret_is_read_again(watched: Watched) -> None:
    assert watched.asks(wake_up(SECRET, URL)) == "accepted"
    keep_secret(watched.folder / "shop", Secret("ef" * 32))
    assert watched.asks(wake_up("ef" * 32, URL)) == "unsigned", "not at every unknown secret"
    watched.now += 11
    assert watched.asks(wake_up("ef" * 32, URL)) == "accepted"
    assert watched.asks(wake_up(SECRET, URL)) == "unsigned"


def noise(dice: random.Random, real: WakeUp) -> WakeUp:
    """Return a forged, replayed or malformed request."""
    match dice.randrange(4):
        case 0:
            return real
        case 1:
            return wake_up(f"{dice.getrandbits(256):064x}", URL, key=Secret(SECRET).fingerprint())
        case 2:
            return real._replace(body=dice.randbytes(dice.choice((0, 10, 2000, 100_000))))
    header = "".join(dice.choices("0123456789abcdef /%\t\xe9", k=dice.choice((0, 40, 112, 4000, 20_000))))
    return WakeUp(header, dice.randbytes(20), "")


def test_ten_thousand_forged_replayed_and_malformed_requests_wake_nothing(watched: Watched) -> None:
    """Over HTTP, in bounded time and memory; the real one works after them."""
    dice, port = random.Random(11), watched.listen().port
    real = wake_up(SECRET, URL)
    watched.asks(real)
    watched.woken()
    refused = 0

    def send(count: int) -> int:
        done = 0
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(count):
            try:
                done += post(connection, noise(dice, real)).status in {400, 401, 413, 431}
            except OSError:
                done += 1  # The listener closes a connection whose request is too long.
                connection.close()
        connection.close()
        return done

    refused += send(1000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        began = time.monotonic()
        refused += send(9000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert (refused, watched.woken()) == (10_000, [])
    assert time.monotonic() - began < 300
    assert grown < 1_000_000, grown
    assert sum(watched.gate.counts.values()) > 8000
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        assert post(connection, wake_up(SECRET, URL)).status == 202
    assert watched.woken() == ["shop"]


def test_large_body_is_refused_before_it_is_read(watched: Watched) -> None:
    listener = watched.listen()
    head = "POST / HTTP/1.1\r\nHost: x\r\nX-Closte-Bridge: {}\r\nContent-Length: 5000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as client:
        client.sendall(head.format(wake_up(SECRET, URL).header).encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert watched.gate.counts["malformed"] == 1


@pytest.mark.parametrize("secure", [False, True])
def test_silent_clients_do_not_keep_the_listener_from_answering(
    watched: Watched, tmp_path: Path, *, secure: bool
) -> None:
    """More connections than the listener accepts stay open and silent. They are closed after a while."""
    ca = trustme.CA()
    cert = tmp_path / "cert.pem"
    own = ca.issue_cert("ops.example.org")
    own.private_key_and_cert_chain_pem.write_to_path(cert)
    listener = watched.listen(cert=cert if secure else None)
    context = ssl.create_default_context()
    ca.configure_trust(context)
    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=60))
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=60))
        client = stack.enter_context(context.wrap_socket(raw, server_hostname="ops.example.org")) if secure else raw
        connection = HTTPConnection("ops.example.org")
        connection.sock = client
        assert post(connection, wake_up(SECRET, URL)).status == 202


def test_listener_speaks_tls_with_a_certificate_that_may_be_renewed(watched: Watched, tmp_path: Path) -> None:
    first, second, cert, key = trustme.CA(), trustme.CA(), tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue(ca: trustme.CA) -> None:
        own = ca.issue_cert("127.0.0.1")
        own.cert_chain_pems[0].write_to_path(cert)
        own.private_key_pem.write_to_path(key)

    def ask(ca: trustme.CA) -> Reply:
        context = ssl.create_default_context()
        ca.configure_trust(context)
        with closing(HTTPSConnection("127.0.0.1", listener.port, timeout=20, context=context)) as connection:
            return post(connection, wake_up(SECRET, URL))

    issue(first)
    listener = watched.listen(cert=cert, key=key)
    assert ask(first).status == 202
    issue(second)
    listener.reload_certificate()
    assert ask(second).status == 202
    cert.write_text("nothing")
    with pytest.raises(ConfigError) as caught:
        listener.reload_certificate()
    assert caught.value.code == "listen-certificate"
    assert ask(second).status == 202
    # A client that speaks no TLS, and one that hangs up after its request as the shim does.
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.recv(100)
    watched.woken()
    context = ssl.create_default_context()
    second.configure_trust(context)
    sent = wake_up(SECRET, URL)
    head = f"POST / HTTP/1.0\r\nX-Closte-Bridge: {sent.header}\r\nContent-Length: {len(sent.body)}\r\n\r\n"
    raw = socket.create_connection(("127.0.0.1", listener.port), timeout=20)
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
        client.sendall(head.encode() + sent.body)
    deadline = time.monotonic() + 20
    while not (woken := watched.woken()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert woken == ["shop"]


def test_health_and_metrics_are_separate_pages(watched: Watched) -> None:
    listener = watched.listen(Pages(health=lambda: Health(alive=True, networks=2, failing=1)))
    assert get(listener.port, "/healthz") == Reply(200, b'{"status": "ok", "networks": 2, "failing": 1}')
    assert get(listener.port, "/metrics").status == 404
    listener.pages = Pages(health=lambda: Health(alive=False, networks=2, failing=0), metrics=lambda: b"x 1\n")
    assert get(listener.port, "/healthz").status == 503
    assert get(listener.port, "/metrics") == Reply(200, b"x 1\n")
    listener.pages = Pages()
    assert get(listener.port, "/healthz").status == 404
    assert get(listener.port, "/").status == 404


def test_used_address_is_an_error(watched: Watched) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener(Endpoint("127.0.0.1", taken.getsockname()[1]), watched.gate, Pages())
        with pytest.raises(BridgeError) as caught:
            listener.start()
    assert caught.value.code == "listen"
    assert threading.active_count() < 50
