"""Measure the time from a mapping in WordPress to its alias on Closte, with closte-bridge on "another machine".

WordPress is real, behind PHP's own web server, and closte-bridge reaches it over SSH on loopback.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from tests.support.bridge import Bridge, bridge_for
from tests.support.folders import short_folder
from tests.support.parts import find_parts
from tests.support.ports import accepts, free_port
from tests.support.shim import install
from tests.support.ssh import ssh_server
from tests.support.web import WebServer, web_server
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

LIMITS = {"wake-up": 5.0, "pulse": 20.0}
CREATE = """
add_action( 'init', function () {
    if ( isset( $_GET['new'] ) ) {
        $fields = array( 'domain' => $_GET['new'], 'path' => '/', 'network_id' => 1, 'user_id' => 1 );
        exit( is_wp_error( wp_insert_site( $fields ) ) ? 'failed' : 'created' );
    }
} );"""
_PATIENCE = 300.0


@contextlib.contextmanager
def _running(template: Multisite, folder: Path, way: str) -> Iterator[tuple[Bridge, WebServer]]:
    """Yield an owner whose `watch` runs, and the web server of its network."""
    folder.mkdir()
    multisite = copy_multisite(template, folder / "site", sqlite_database(folder / "site"))
    multisite.enable_closte()
    multisite.add_mu_plugin("create", CREATE)
    port = free_port()
    with (
        short_folder() as short,
        ssh_server(short / "ssh", find_parts()) as server,
        bridge_for(multisite, folder / "engine") as bridge,
        web_server(multisite, folder / "web") as web,
    ):
        more = {"listen": f"127.0.0.1:{port}", "wake_url": f"http://127.0.0.1:{port}"} if way == "wake-up" else {}
        bridge.write_config(web_urls=[web.url], certificate_budget=1000, **more)
        bridge.go_over_ssh(server)
        bridge.adopt()
        install(bridge, "auto")
        argv = [sys.executable, "-m", "closte_bridge", "watch", "--interval=86400"]
        with (folder / "watch.log").open("w") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, env=bridge.environment(), cwd=folder)
        try:
            until = time.monotonic() + _PATIENCE
            while not (bridge.state / "heartbeat").exists() or (more and not accepts(port)):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((folder / "watch.log").read_text())
                time.sleep(0.1)
            yield bridge, web
        finally:
            process.terminate()
            process.wait(30)


def _waits(template: Multisite, folder: Path, way: str, count: int) -> list[float]:
    waits = []
    with _running(template, folder, way) as (bridge, web):
        for number in range(count + 1):
            name = f"bench{number}.example.net"
            began = time.monotonic()
            connection = HTTPConnection("127.0.0.1", web.port, timeout=60)
            connection.request("GET", f"/?new={name}", headers={"Host": "example.net"})
            if connection.getresponse().read() != b"created":
                raise RuntimeError(f"{name} was not created.")
            connection.close()
            while name not in bridge.aliases:
                if time.monotonic() > began + _PATIENCE:
                    raise RuntimeError(f"{name} was never added.")
                time.sleep(0.01)
            # The first one waits for the first run.
            if number:
                waits.append(time.monotonic() - began)
            time.sleep(random.uniform(0, 2))
    return sorted(waits)


def figures(template: Multisite, folder: Path, *, quick: bool) -> list[Figure]:
    """Return the figures of wake-ups and of pulses."""
    folder.mkdir()
    os.environ.setdefault("PYTHONPATH", os.pathsep.join(sys.path[:1]))
    found = []
    for way, limit in LIMITS.items():
        waits = _waits(template, folder / way, way, 5 if quick else 50)
        found.append(
            Figure(
                what=f"From a request to WordPress to the alias on Closte, over SSH, by {way}: 95th percentile",
                value=waits[int(len(waits) * 0.95) - 1],
                unit="s",
                limit=limit,
                bound=f"median {statistics.median(waits):.2f} s of {len(waits)} mappings, most {waits[-1]:.2f} s",
                details={"median": statistics.median(waits), "most": waits[-1]},
            )
        )
    return found
