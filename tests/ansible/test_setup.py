"""`setup` on a machine with real systemd: the service runs, is known to `status`, and leaves no trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.ansible.machine import Machine, Process, machine, make_keys
from tests.support.bridge import Bridge, bridge_for
from tests.support.folders import short_folder
from tests.support.servers import server_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real
NAME = "closte-bridge-default.service"
UNIT = f"/etc/systemd/system/{NAME}"


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    multisite.enable_closte()
    multisite.add_mapping("shop.example.com", 1)
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        yield bridge


def run(box: Machine, bridge: Bridge, *args: str) -> Process:
    """Run the program as root inside."""
    variables = [f"{name}={value}" for name, value in bridge.environment().items() if name != "PATH"]
    program = [f"PATH={bridge.multisite.env['PATH']}", sys.executable, "-m", "closte_bridge"]
    return box.run("env", "-i", "--chdir=/", *variables, *program, *args, check=False)


def test_setup_keeps_a_service_running(bridge: Bridge) -> None:
    with (
        short_folder() as folder,
        server_or_fail(machine("box", folder / "machine", make_keys(folder / "keys"))) as box,
    ):
        # The network of this test is below /tmp.
        settings = f"{UNIT}.d/tmp.conf"
        box.run("install", "-D", "-m", "0644", "/dev/stdin", settings, stdin="[Service]\nPrivateTmp=no\n")
        done = run(box, bridge, "setup", "--yes")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert f"Scheduled with the systemd unit {UNIT}, which runs `closte-bridge watch`.\n" in done.stdout
        assert box.run("systemctl", "is-enabled", NAME).stdout == "enabled\n"
        status = run(box, bridge, "status")
        assert status.returncode == 0, status
        assert "Runs:      by `closte-bridge watch`\n" in status.stdout
        assert "shop.example.com" in bridge.aliases
        main = box.run("systemctl", "show", "--property=MainPID", NAME).stdout
        assert run(box, bridge, "setup").returncode == 0
        assert box.run("systemctl", "show", "--property=MainPID", NAME).stdout == main, "It runs on."
        box.run("systemctl", "reload", NAME)
        box.run("systemctl", "is-active", NAME)
        done = run(box, bridge, "uninstall", "--purge", "--yes")
        assert done.returncode == 0, done
        assert not box.path(UNIT).exists()
        assert box.run("systemctl", "is-active", NAME, check=False).stdout == "inactive\n"
        assert box.run("test", "-e", str(bridge.state), check=False).returncode == 1
