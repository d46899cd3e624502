"""A network on another machine: its shell allows only `wp`, and this machine has Python and `ssh` and no PHP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import Bridge, bridge_for
from tests.support.folders import short_folder
from tests.support.running import wait_until
from tests.support.shim import MU_PLUGINS, all_that_is_ours, install, wait_for_alias
from tests.support.ssh import SshServer, ssh_server
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.ssh


@pytest.fixture
def server(parts: Parts) -> Iterator[SshServer]:
    with short_folder() as folder, ssh_server(folder / "ssh", parts, restricted=True) as server:
        yield server


@pytest.fixture
def bridge(multisite: Multisite, server: SshServer, tmp_path: Path) -> Iterator[Bridge]:
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        bridge.go_over_ssh(server)
        bridge.env["PATH"] = str(server.bin_folder)
        yield bridge


def secret_file(bridge: Bridge) -> Path:
    """Return the file with the shim's secret in WordPress."""
    return bridge.multisite.path / MU_PLUGINS / "closte-bridge" / "secret.php"


def findings(bridge: Bridge) -> dict[str, tuple[str, str]]:
    """Return the status and the message of each check of `doctor`."""
    ran = bridge.run("doctor", "--format=json")
    return {row["check"]: (row["status"], row["message"]) for row in json.loads(ran.out)["data"]}


def test_setup_to_uninstall_over_ssh(bridge: Bridge, server: SshServer) -> None:
    multisite = bridge.multisite
    assert bridge.run("integration", "enable").code == 0
    ran = bridge.run("setup", "--yes")
    assert ran.code == 0, ran
    assert "closte-bridge runs on another machine." in ran.err + ran.out
    multisite.create_site("one")
    multisite.add_mapping("shop.example.com", 2)
    assert bridge.run("sync").code == 0
    assert {"one.example.net", "shop.example.com"} <= bridge.aliases
    # One connection for all of it.
    assert len(server.connections()) == 1
    ran = bridge.run("shim", "status", "--format=json")
    assert (ran.code, ran.codes) == (0, [])
    assert ran.envelope["data"]["trigger"] == "poll"
    found = findings(bridge)
    assert found["shim"][0] == "ok"
    assert found["shim"][1].endswith("WordPress is on another machine, so `closte-bridge watch` asks it for events.")
    assert found["php-functions"] == (
        "ok",
        "WordPress is on another machine. `closte-bridge watch` asks it for events.",
    )
    assert {name for name, (status, _) in found.items() if status == "error"} == set()
    assert bridge.run("integration", "status", "--field=integration").out == "true\n"
    assert bridge.run("shim", "uninstall", "--yes").code == 0
    assert all_that_is_ours(multisite) == []


def test_run_with_a_cut_connection_loses_nothing(bridge: Bridge, server: SshServer) -> None:
    """Cut the connection at several moments of a sync; afterwards, a run reaches the same end."""
    multisite = bridge.multisite
    multisite.enable_closte()
    bridge.adopt()
    multisite.add_mappings_sql([(f"shop{number}.example.org", 1) for number in range(8)])
    for seconds in (0.0, 0.2, 0.5, 0.9):
        process = subprocess.Popen(
            bridge.argv("sync", "--format=json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=bridge.folder,
            env=bridge.environment(),
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            server.cut()
        out, err = process.communicate(timeout=60)
        ran = bridge.ran(process.returncode, out, err)
        assert ran.code in {0, 5}, ran
        assert not ran.code or set(ran.codes) <= {"ssh-cut", "ssh"}
    assert bridge.run("sync").code == 0
    assert {f"shop{number}.example.org" for number in range(8)} <= bridge.aliases
    assert [change for change, _ in bridge.changes() if change == "remove"] == []


@contextmanager
def watching(bridge: Bridge, *options: str) -> Iterator[Path]:
    """Run `watch`, with an interval that no test reaches; yield its log. It must end cleanly."""
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
            yield log
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            process.kill()
            process.wait()


def test_pulse_reports_events_over_the_web_server(bridge: Bridge, server: SshServer, tmp_path: Path) -> None:
    multisite = bridge.multisite
    multisite.enable_closte()
    bridge.adopt()
    install(bridge)
    multisite.create_site("first")
    with web_server(multisite, tmp_path / "web") as web:
        bridge.write_config(web_urls=[web.url], pulse="1s")
        with watching(bridge) as log:
            wait_for_alias(bridge, "first.example.net")
            connections = len(server.connections())
            multisite.create_site("second")
            wait_for_alias(bridge, "second.example.net")
            assert len(server.connections()) == connections, "the pulse needs no SSH"
            # The secret of the shim changes under the running service.
            changed = re.sub('[0-9a-f]{64}"', f'{"0" * 64}"', (secret_file(bridge)).read_text())
            secret_file(bridge).write_text(changed)
            wait_until(lambda: "Could not ask the web server for events" in log.read_text())
    assert log.read_text().count("Could not ask the web server for events") == 1
