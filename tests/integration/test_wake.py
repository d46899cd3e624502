"""Tests of wake-ups: from an event in real WordPress, over HTTP, to the alias on Closte."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine.web import shim_secret
from tests.support.ports import accepts, free_port
from tests.support.running import wait_until
from tests.support.shim import events, install, shimmed, status, wait_for_alias
from tests.support.waking import get, post, wake_up
from tests.support.web import WebServer, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.ssh import SshServer
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

# Requests with `?new=<name>` create a site.
CREATE = """
add_action( 'init', function () {
    if ( isset( $_GET['new'] ) ) {
        $fields = array( 'domain' => $_GET['new'], 'path' => '/', 'network_id' => 1, 'user_id' => 1 );
        exit( is_wp_error( wp_insert_site( $fields ) ) ? 'failed' : 'created' );
    }
} );"""


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide an owner whose shim may only wake it over HTTP."""
    multisite.add_mu_plugin("create", CREATE)
    port = free_port()
    url = f"http://127.0.0.1:{port}/wake"
    with shimmed(
        multisite,
        tmp_path / "engine",
        wake="url",
        listen=f"127.0.0.1:{port}",
        wake_url=url,
        listen_health=True,
        listen_metrics=True,
    ) as bridge:
        yield bridge


def port_of(bridge: Bridge) -> int:
    return int(bridge.settings["listen"].rpartition(":")[2])


@contextmanager
def watching(bridge: Bridge, *options: str) -> Iterator[Path]:
    """Run `watch` with a listener, and an interval that no test reaches; yield its log. It must end cleanly."""
    log = bridge.folder / "watch.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            bridge.argv("watch", "--interval=3600", *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=bridge.folder,
            env=bridge.environment(),
        )
        try:
            wait_until(lambda: accepts(port_of(bridge)) or process.poll() is not None)
            yield log
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            process.kill()
            process.wait()


def create(web: WebServer, name: str) -> None:
    """Create a site with a request to the web server."""
    with closing(HTTPConnection("127.0.0.1", web.port, timeout=60)) as connection:
        connection.request("GET", f"/?new={name}", headers={"Host": "example.net"})
        assert connection.getresponse().read() == b"created"


def test_event_wakes_the_engine_over_http(bridge: Bridge, multisite: Multisite, tmp_path: Path) -> None:
    with web_server(multisite, tmp_path / "web") as web, watching(bridge) as log:
        create(web, "one.example.net")
        wait_for_alias(bridge, "one.example.net")
        # A change with WP-CLI.
        multisite.create_site("two")
        wait_for_alias(bridge, "two.example.net")
        assert status(bridge)["trigger"] == "url"
        ran = bridge.run("shim", "status")
        assert ran.code == 0, ran
        findings = {row["check"]: row for row in json.loads(bridge.run("doctor", "--format=json").out)["data"]}
        assert findings["shim"]["message"].endswith("Its wake-ups arrive.")
        assert json.loads(get(port_of(bridge), "/healthz").body) == {"status": "ok", "networks": 1, "failing": 0}
        page = get(port_of(bridge), "/metrics").body.decode()
        assert 'closte_bridge_wake_ups_total{result="accepted"} 2.0' in page
        assert 'closte_bridge_wake_ups_total{result="test"} 3.0' in page
        assert 'closte_bridge_domains_in_sync{network="default"}' in page
        assert "example" not in page, "no domain"
        secret = shim_secret(bridge.state)
        assert secret
        with closing(HTTPConnection("127.0.0.1", port_of(bridge), timeout=20)) as connection:
            assert post(connection, wake_up("0" * 64, bridge.settings["wake_url"])).status == 401
        assert secret.reveal() not in log.read_text() + page


def test_request_does_not_depend_on_the_listener(bridge: Bridge, multisite: Multisite, tmp_path: Path) -> None:
    """The listener is down, never answers, or drops every connection: the request succeeds, and its event stays."""
    with web_server(multisite, tmp_path / "web") as web:
        create(web, "down.example.net")
        ran = bridge.run("shim", "status", "--format=json")
        assert (ran.code, ran.codes) == (1, ["shim-wake"])
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", port_of(bridge)))
            silent.listen(1)
            create(web, "silent.example.net")
            # A full backlog drops further connections.
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port_of(bridge)))
            create(web, "dropped.example.net")
            for one in waiting:
                one.close()
        kinds = [kind for kind, *_ in events(multisite) if kind == "site_created"]
        assert kinds == ["site_created"] * 3
        assert bridge.run("sync").code == 0
        assert {"down.example.net", "silent.example.net", "dropped.example.net"} <= bridge.aliases


def test_events_arrive_by_pulse_while_no_wake_up_does(
    bridge: Bridge, multisite: Multisite, sshd: SshServer, tmp_path: Path
) -> None:
    """The listener is on another address, as behind a new firewall."""
    bridge.go_over_ssh(sshd)
    install(bridge)
    with web_server(multisite, tmp_path / "web") as web:
        bridge.write_config(web_urls=[web.url], pulse="1s", listen=f"127.0.0.1:{free_port()}")
        with watching(bridge):
            for name in ("one", "two"):
                create(web, f"{name}.example.net")
                wait_for_alias(bridge, f"{name}.example.net")
