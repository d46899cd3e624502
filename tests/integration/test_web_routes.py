"""Tests of the shim's signed routes on real web servers, whose object cache WP-CLI does not share."""

from __future__ import annotations

import json
import random
import re
import socket
import stat
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.engine.web import SECRET_FILE, shim_secret
from closte_bridge.secret import Secret
from closte_bridge.wordpress.exchange import send
from closte_bridge.wordpress.web import HEADER, ServedMapping, WebClient, WebError
from tests.support.rows import EVENTS
from tests.support.shim import MU_PLUGINS, SECRET, bare_shim, install, shimmed, status
from tests.support.web import WebServer, load_balancer, use_object_cache, visit, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real
SIGN_UP = (302, "http://example.net/wp-signup.php?new=shop.example.com")


@pytest.fixture
def network(multisite: Multisite) -> Multisite:
    """Provide a network with the shim and the site "shop" (2); its domain mapping is set up as by the wizard."""
    multisite.set_setting("enable_domain_mapping", value=True)
    multisite.create_site("shop")
    bare_shim(multisite)
    use_object_cache(multisite)
    return multisite


@pytest.fixture
def server(network: Multisite, tmp_path: Path) -> Iterator[WebServer]:
    with web_server(network, tmp_path / "web") as server:
        yield server
        assert not server.log.exists(), server.log.read_text()


def client(*urls: str, secret: str = SECRET) -> WebClient:
    return WebClient(Secret(secret), "example.net", urls=urls)


def code_of(asking: Any) -> str:  # noqa: ANN401 - any call
    with pytest.raises(WebError) as caught:
        asking()
    return caught.value.code


def test_visitor_gets_the_site_after_a_refresh(network: Multisite, server: WebServer) -> None:
    """Without a refresh, the web server redirects to the sign-up page for ever."""
    network.add_mapping("shop.example.com", 2, stage="checking-dns")
    assert server.get("shop.example.com") == SIGN_UP
    asking = client(server.url)
    with pytest.raises(WebError) as caught:
        asking.site("shop.example.com")
    assert (caught.value.code, caught.value.location) == ("web-redirect", SIGN_UP[1])
    network.set_stage("shop.example.com", "done")
    assert server.get("shop.example.com") == SIGN_UP
    assert asking.refresh(["shop.example.com"])
    assert server.get("shop.example.com") == (200, "")
    found = asking.site("shop.example.com")
    mapping = ServedMapping("shop.example.com", 2, "done", active=True, secure=False)
    assert (found.blog_id, found.network_id, found.mapping, found.primary) == (2, 1, mapping, "shop.example.com")
    # The www. form is looked up together with it, and a domain that is not refreshed stays as it is cached.
    assert "wp-signup" in server.get("second.example.com")[1]
    network.add_mapping("second.example.com", 2, stage="done")
    asking.refresh(["shop.example.com"])
    assert "wp-signup" in server.get("second.example.com")[1]
    asking.refresh(["www.second.example.com"])
    assert server.get("second.example.com")[1].endswith("://shop.example.com/"), "the primary domain"


def test_refresh_reaches_each_server_behind_a_load_balancer(
    network: Multisite, server: WebServer, tmp_path: Path
) -> None:
    network.add_mapping("shop.example.com", 2, stage="checking-dns")
    with web_server(network, tmp_path / "other") as other, load_balancer([server, other]) as port:
        assert visit(port, "shop.example.com") == visit(port, "shop.example.com") == SIGN_UP
        network.set_stage("shop.example.com", "done")
        asking = client(f"http://127.0.0.1:{port}")
        caches = [asking.refresh(["shop.example.com"]) for _ in range(3)]
        assert len(set(caches)) == 2, "each server has its own cache"
        assert {visit(port, "shop.example.com") for _ in range(4)} == {(200, "")}


def test_options_and_sites_are_refreshed(network: Multisite, server: WebServer) -> None:
    """A site and an option that WP-CLI creates are cached as missing in the web server."""
    network.add_mu_plugin(
        "shows-option",
        "add_action('init', fn() => isset($_GET['option']) && die(json_encode(get_network_option(null, 'seen'))));",
    )

    def option() -> str:
        return raw(server, "GET", "/?option=1")[2]

    assert option() == "false"
    network.set_network_option("seen", 1)
    assert option() == "false"
    asking = client(server.url)
    asking.refresh(options=["seen"])
    assert option() == '"1"'
    network.set_network_option("seen", 2)
    asking.refresh(options=["seen"])
    assert option() == '"2"'
    assert server.get("new.example.net")[0] == 302
    site = network.create_site("new")
    assert server.get("new.example.net")[0] == 302
    asking.refresh(sites=[site])
    assert server.get("new.example.net")[0] == 200
    assert asking.site("new.example.net").blog_id == site


def test_pulse_shows_new_events(network: Multisite, server: WebServer) -> None:
    asking = client(server.url)
    first = asking.pulse()
    assert first
    assert asking.pulse(first.etag) is None
    network.create_site("another")
    second = asking.pulse(first.etag)
    assert second
    assert second.newest > first.newest
    network.sql(f"DELETE FROM {EVENTS} WHERE network_id = 1")
    empty = asking.pulse(second.etag)
    assert empty
    assert empty.newest == 0


def raw(server: WebServer, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, str]:
    """Return the status, the cache control and the body of a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request(method, path, body, {"Host": "example.net", **named})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Cache-Control") or "", answer.read().decode()


UNSIGNED = (401, "no-store, private", '{"code":"unsigned"}')


def test_nothing_is_answered_without_a_signature(network: Multisite, server: WebServer) -> None:
    before = network.sql(f"SELECT * FROM {EVENTS}")
    dice = random.Random(7)
    for path in ("/?rest_route=/closte-bridge/v1/site", "/wp-json/closte-bridge/v1/pulse", "/api/closte-bridge/v1"):
        for method in ("GET", "POST", "OPTIONS", "PUT"):
            assert raw(server, method, path) == UNSIGNED
    path = "/?rest_route=/closte-bridge/v1/refresh"
    for _ in range(30):
        sent = dice.randbytes(dice.choice((0, 10, 100_000)))
        header = "".join(dice.choices("0123456789abcdef /%\t\xe9", k=dice.choice((0, 40, 112, 4000))))
        assert raw(server, "POST", path, sent, X_Closte_Bridge=header) == UNSIGNED
    assert code_of(client(server.url, secret="1" * 64).pulse) == "web-refused"
    # A request that never arrives as a whole does not keep the others waiting.
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(f"POST {path} HTTP/1.1\r\nHost: example.net\r\nContent-Length: 9999\r\n\r\n{{".encode())
        assert raw(server, "POST", path) == UNSIGNED
    assert network.sql(f"SELECT * FROM {EVENTS}") == before


def test_captured_request_is_refused(network: Multisite, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    captured: dict[str, Any] = {}

    def capture(method: str, url: str, headers: dict[str, str], body: bytes, **more: Any) -> Any:  # noqa: ANN401
        captured.update(method=method, path=url.removeprefix(server.url), body=body, **{HEADER: headers[HEADER]})
        return send(method, url, headers, body, **more)

    monkeypatch.setattr("closte_bridge.wordpress.web.send", capture)
    client(server.url).refresh(["shop.example.com"])
    header = {HEADER.replace("-", "_"): captured[HEADER]}
    again = raw(server, captured["method"], captured["path"], captured["body"], **header)
    assert again == (401, "no-store, private", '{"code":"replayed"}')
    other = captured["path"].replace("refresh", "site")
    assert raw(server, "POST", other, captured["body"], **header) == UNSIGNED
    assert raw(server, "POST", captured["path"], b'{"options":["x"]}', **header) == UNSIGNED
    monkeypatch.undo()
    # Old nonces are deleted, so that the table does not grow.
    old = f"INSERT INTO {EVENTS} (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES "
    network.sql(f"{old} (0, 'old', {int(time.time()) - 1000}, 'request', 0, '', '')")
    for _ in range(200):
        client(server.url).refresh()
        if not network.sql(f"SELECT id FROM {EVENTS} WHERE uid = 'old'"):
            break
    assert not network.sql(f"SELECT id FROM {EVENTS} WHERE uid = 'old'")
    late = WebClient(Secret(SECRET), "example.net", urls=[server.url], now=lambda: time.time() - 400)
    assert code_of(late.pulse) == "web-clock"


def test_plugins_cannot_block_the_routes(network: Multisite, server: WebServer) -> None:
    """Neither the permalinks nor plugins that close or rename the REST API matter."""
    blocker = """
        add_filter('rest_authentication_errors', fn() => new WP_Error('closed', 'closed', ['status' => 403]));
        add_filter('rest_url_prefix', fn() => 'api');
        add_action('plugins_loaded', fn() => print('noise'));
        echo $undefined, 'noise';"""
    network.add_mu_plugin("aaa-blocker", blocker)
    network.wp("rewrite", "structure", "")
    assert client(server.url).site("shop.example.net").blog_id == 2
    assert server.log.exists()
    server.log.unlink()


def test_installation_makes_keeps_and_rotates_the_secret(multisite: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite, tmp_path / "engine") as bridge:
        first = shim_secret(bridge.state)
        file = multisite.path / MU_PLUGINS / "closte-bridge" / "secret.php"
        assert first
        assert first.reveal() in file.read_text()
        for place in (file, bridge.state / SECRET_FILE):
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
        with web_server(multisite, tmp_path / "web") as server:
            assert raw(server, "GET", f"/{MU_PLUGINS}/closte-bridge/secret.php")[2] == ""
            assert client(server.url, secret=first.reveal()).pulse()
            install(bridge)
            assert shim_secret(bridge.state) == first
            ran = bridge.run("shim", "install", "--rotate")
            second = shim_secret(bridge.state)
            assert (ran.code, second == first) == (0, False)
            assert second
            assert code_of(client(server.url, secret=first.reveal()).pulse) == "web-refused"
            assert client(server.url, secret=second.reveal()).pulse()
        assert set(status(bridge)["files"].values()) == {"intact"}
        # Another state folder, as after a move without it.
        (bridge.state / SECRET_FILE).unlink()
        found = bridge.run("shim", "status", "--format=json")
        assert (found.code, found.codes) == (1, ["shim-secret"])
        install(bridge)
        assert bridge.run("shim", "status").code == 0
        everything = json.dumps(multisite.sql("SELECT * FROM wp_sitemeta")) + str(
            multisite.sql(f"SELECT * FROM {EVENTS}")
        )
        assert not re.search(first.reveal()[:16], everything)
        bridge.run("shim", "uninstall", "--yes")
        assert not file.exists()


def test_routes_work_in_a_network_of_subdirectories(network: Multisite, server: WebServer) -> None:
    network.define("SUBDOMAIN_INSTALL", value=False)
    network.sql("UPDATE wp_blogs SET domain = 'example.net', path = '/shop/' WHERE blog_id = 2")
    network.add_mappings_sql([("shop.example.com", 2)])
    asking = client(server.url)
    assert asking.site("example.net").blog_id == 1
    assert asking.site("shop.example.com").blog_id == 2
    assert code_of(lambda: asking.site("other.example.com")) == "web-redirect"
    assert asking.refresh(["shop.example.com"])
