"""Tests of the timer's units, with real systemd and a fake closte-bridge: no trigger is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible.fleet import COLLECTION
from tests.ansible.local import Local
from tests.ansible.machine import Machine, machine, make_keys
from tests.support.folders import short_folder
from tests.support.running import wait_until
from tests.support.servers import server_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLE = COLLECTION / "roles" / "closte_bridge"
HERE = "/srv/bridge"
STATE = f"{HERE}/state/shop"
WAKE = f"{STATE}/trigger"
# Each run adds one line; the files `seconds` and `code` set its duration and its exit code.
ENGINE = f"""#!/bin/sh
echo begun >>{STATE}/runs
read -r seconds <{STATE}/seconds && sleep "$seconds"
read -r code <{STATE}/code && exit "$code"
"""


@pytest.fixture
def box() -> Iterator[Machine]:
    """A machine with the role's units for the timer: the path unit is active, and there was no run yet."""
    with short_folder() as folder:
        (folder / "role").mkdir()
        units = written(folder / "role")
        with server_or_fail(machine("box", folder / "machine", make_keys(folder / "keys"))) as booted:
            booted.run("install", "-d", "-o", "daemon", "-m", "0700", STATE)
            booted.run("install", "-d", f"{HERE}/opt/venv/bin", "/etc/systemd/system/closte-bridge@shop.service.d")
            for name, text in units.items():
                booted.run("tee", f"/etc/systemd/system/closte-bridge@{name}", stdin=text)
            booted.run("tee", f"{HERE}/opt/venv/bin/closte-bridge", stdin=ENGINE)
            booted.run("chmod", "755", f"{HERE}/opt/venv/bin/closte-bridge")
            says(booted, seconds="0", code="0")
            booted.run("systemctl", "daemon-reload")
            booted.run("systemctl", "start", "closte-bridge@shop.path")
            yield booted


def written(folder: Path) -> dict[str, str]:
    """Return the units that the role writes, by the ends of their names."""
    local = Local(folder)
    given: dict[str, Any] = {f"closte_bridge_{name}": f"{HERE}/{name}" for name in ("etc", "log")}
    given |= {"closte_bridge_home": f"{HERE}/opt", "closte_bridge_state_dir": f"{HERE}/state"}
    given |= {"_closte_bridge_owners": {"shop": "daemon"}, "_closte_bridge_groups": {"daemon": "daemon"}}
    given |= {"item": {"name": "shop", "has_key": False, "has_password": False}}
    units = {f".{kind}": kind for kind in ("service", "timer", "path")}
    units["shop.service.d/network.conf"] = "network.conf"
    read = [{"name": "Read", "ansible.builtin.include_vars": str(ROLE / f"{d}/main.yml")} for d in ("defaults", "vars")]
    write = [
        {
            "name": "Write",
            "ansible.builtin.template": {"src": str(ROLE / f"templates/{unit}.j2"), "dest": str(folder / unit)},
        }
        for unit in units.values()
    ]
    said = local.tasks(*read, *write, **given)
    assert said.endswith("ended with 0"), said
    return {name: (folder / unit).read_text() for name, unit in units.items()}


def says(box: Machine, **files: str) -> None:
    """Let each run take `seconds` from now on, and end with `code`."""
    for name, text in files.items():
        box.run("runuser", "-u", "daemon", "--", "sh", "-c", f"echo {text} >{STATE}/{name}")


def wake(box: Machine) -> None:
    """Trigger a run, as the shim does."""
    box.run("runuser", "-u", "daemon", "--", "touch", WAKE)


def runs(box: Machine) -> int:
    """Return the number of runs."""
    path = box.path(f"{STATE}/runs")
    return len(path.read_text().splitlines()) if path.exists() else 0


def state_of(box: Machine, unit: str) -> str:
    return box.run("systemctl", "is-active", f"closte-bridge@shop.{unit}", check=False).stdout.strip()


def test_event_burst_does_not_stop_the_path_unit(box: Machine) -> None:
    for number in range(12):
        wake(box)
        wait_until(lambda: runs(box) > number and state_of(box, "service") == "inactive")  # noqa: B023 - called immediately
    assert state_of(box, "path") == "active"


def test_event_during_a_run_starts_another_run(box: Machine) -> None:
    says(box, seconds="3")
    wake(box)
    wait_until(lambda: runs(box) == 1)
    for _ in range(3):
        wake(box)
    says(box, seconds="0")
    wait_until(lambda: runs(box) == 2)
    wait_until(lambda: state_of(box, "service") == "inactive")
    # One run for all triggers, and no further run.
    assert runs(box) == 2
    assert state_of(box, "path") == "active"


def test_trigger_during_another_run_is_retried(box: Machine) -> None:
    says(box, code="75")
    wake(box)
    wait_until(lambda: runs(box) == 1)
    says(box, code="0")
    wait_until(lambda: runs(box) == 2)
    wait_until(lambda: state_of(box, "service") == "inactive")
    assert runs(box) == 2
    assert state_of(box, "path") == "active"


def test_undeletable_trigger_file_causes_no_busy_loop(box: Machine) -> None:
    box.run("mkdir", WAKE)
    wait_until(lambda: state_of(box, "service") == "activating")
    for _ in range(20):
        assert state_of(box, "service") == "activating"
    assert runs(box) <= 1
