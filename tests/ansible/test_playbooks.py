"""Tests of how the playbooks for daily work end, with a fake closte-bridge on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.ansible.fleet import COLLECTION
from tests.ansible.local import engine, envelope, run_playbook

if TYPE_CHECKING:
    from pathlib import Path

GREEN = envelope([{"network": "shop", "healthy": True, "last_error": ""}])
RED = envelope([{"network": "shop", "healthy": False, "last_error": ""}], 1, "unhealthy")


class Inventory:
    """Two hosts in the group (this machine with a fake closte-bridge, and an unreachable one), and one outside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "state" / "shop").mkdir(parents=True)

    def play(self, playbook: str, answer: dict[str, Any], *options: str, away: bool = False) -> tuple[int, str]:
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "closte_bridge_wrapper": str(engine(self.folder, health=answer)),
            "closte_bridge_state_dir": str(self.folder / "state"),
        }
        hosts: dict[str, Any] = {"web1": variables}
        if away:
            hosts["web2"] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_become": False}
        others = {"hosts": {"db1": variables}}
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"closte_bridge": {"hosts": hosts}, "others": others}))
        report = ("-e", f"closte_bridge_report_dir={self.folder}")
        done = run_playbook(self.folder, "-i", str(inventory), *report, *options, f"closte_bridge.ops.{playbook}")
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return Inventory(tmp_path)


@pytest.mark.parametrize("limit", [(), ("--limit=web1",), ("--limit=web1:localhost",)])
def test_broken_network_fails_the_play_with_any_limit(inventory: Inventory, limit: tuple[str, ...]) -> None:
    code, said = inventory.play("health", RED, *limit)
    assert code != 0
    assert "Broken: web1." in said


def test_healthy_network_passes(inventory: Inventory) -> None:
    code, said = inventory.play("health", GREEN, "--limit=web1")
    assert code == 0, said
    assert "No networks are broken." in said


@pytest.mark.parametrize(
    ("playbook", "options"), [("health", ("-e", "closte_bridge_hosts=typo")), ("provision", ("--limit=db1",))]
)
def test_play_without_matching_hosts_fails(inventory: Inventory, playbook: str, options: tuple[str, ...]) -> None:
    code, said = inventory.play(playbook, GREEN, *options)
    assert code != 0
    assert "No hosts found in" in said
    assert "No networks are broken" not in said


def test_every_play_resolves_its_hosts_first() -> None:
    playbooks = COLLECTION / "playbooks"
    for path in set(playbooks.glob("*.yml")) - {playbooks / "hosts.yml", playbooks / "report.yml"}:
        first = yaml.safe_load(path.read_text())[0]["ansible.builtin.import_playbook"]
        assert first in {"closte_bridge.ops.hosts", "closte_bridge.ops.ask"}, path


def test_unreachable_host_is_not_counted_as_a_network(inventory: Inventory) -> None:
    code, said = inventory.play("health", GREEN, away=True)
    assert code != 0
    assert "Broken: web2." in said
    page = (inventory.folder / "closte-bridge-health.html").read_text()
    assert "health of 1 network on 2 hosts" in page
