"""Test of the move from a manual installation to the role, which refuses it until the documented steps are done."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.ansible.fleet import SETTINGS, WHEELS, Fleet
from tests.ansible.seen import left_behind, succeeded
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.ansible.fleet import Host

pytestmark = pytest.mark.real

PAGE = "docs/how-to/migrate-to-ansible.md"


def test_manual_installation_is_refused_until_it_is_moved(
    new_fleet: Callable[..., AbstractContextManager[Fleet]],
) -> None:
    with new_fleet({"web1": ["shop"]}) as fleet:
        (web,) = fleet.hosts
        install_by_hand(fleet, web)
        web.shop.multisite.add_mapping("first.example.org", 1)
        by_hand(web, "sync")
        web.shop.expect("first.example.org")
        before = web.machine.files()
        for playbook in ("provision", "remove"):
            refused = fleet.play(playbook)
            assert refused.recap["web1"]["failed"] == 1
            assert refused.changed == []
            assert PAGE in " ".join(refused.text.split())
        assert left_behind(web, before) == {}
        move_as_the_page_says(web)
        an_instance_that_may_not_write_fails_the_play(fleet, web)
        fleet.fast = False
        succeeded(fleet.play("provision"))
        web.machine.run("closte-bridge-as", "shop", "adopt", "--yes")
        plan = json.loads(web.machine.run("closte-bridge-as", "shop", "plan", "--format=json").stdout)
        assert (plan["status"], plan["errors"], plan["warnings"]) == ("ok", [], [])
        said = web.machine.run("closte-bridge-as", "shop", "log", "first.example.org", "--format=json").stdout
        assert "add" in {row["action"] for row in json.loads(said)["data"]}
        succeeded(fleet.play("remove"))
        assert not web.machine.path("/var/lib/closte-bridge").exists()


def an_instance_that_may_not_write_fails_the_play(fleet: Fleet, host: Host) -> None:
    """Without write access to the database folder, nothing works in the unit's sandbox; outside, everything works."""
    closed = {key: value for key, value in fleet.network(host.shop).items() if key != "write_paths"}
    fleet.per_host[host.name] = {"closte_bridge_networks": [closed]}
    fleet.write_inventory()
    refused = fleet.play("provision")
    assert refused.recap[host.name]["failed"] == 1
    assert "add the folder of the database to `write_paths`" in " ".join(refused.text.split())
    assert host.machine.run("closte-bridge-as", "shop", "plan", check=False).returncode in (0, 7)
    fleet.per_host.clear()
    fleet.write_inventory()


def install_by_hand(fleet: Fleet, host: Host) -> None:
    """Follow the README's steps for your own server."""
    run, owner = host.machine.run, host.shop.owner
    run("python3", "-m", "venv", "/opt/closte-bridge")
    # pip needs a home folder and a working directory.
    pip = ("env", "--chdir=/root", "HOME=/root", "/opt/closte-bridge/bin/pip", "install", "-q", "--no-cache-dir")
    run(*pip, "--no-index", f"--find-links={WHEELS}", str(fleet.wheel))
    run("ln", "-s", "/opt/closte-bridge/bin/closte-bridge", "/usr/local/bin/")
    run("install", "-d", "-m", "700", "-o", owner, "/var/lib/closte-bridge")
    run("install", "-d", "/etc/closte-bridge")
    run("install", "-m", "600", "-o", owner, "/dev/stdin", "/etc/closte-bridge/key", stdin=f"{host.shop.key}\n")
    places = {"state_dir": "/var/lib/closte-bridge", "api_key_file": "/etc/closte-bridge/key"}
    config = SETTINGS | places | {"wp": {"path": host.shop.path}, "api_url": host.shop.sandbox.url}
    run("tee", "/etc/closte-bridge/config.yaml", stdin=yaml.safe_dump(config))
    for command in ("adopt --yes", "integration enable"):
        by_hand(host, *command.split())


def by_hand(host: Host, *command: str) -> None:
    home = (f"HOME=/home/{host.shop.owner}", f"WP_CLI_CACHE_DIR=/home/{host.shop.owner}/.wp-cli")
    host.machine.run("runuser", "-u", host.shop.owner, "--", "env", *home, "closte-bridge", *command)


def move_as_the_page_says(host: Host) -> None:
    """Run the steps of the page that change the host."""
    page = (REPOSITORY / PAGE).read_text()
    memory = re.findall(r"^ +# (.*)$", page, re.MULTILINE)
    away = re.findall(r"`(mv [^`]*)`", page)
    assert (len(memory), len(away)) == (4, 2)
    for command in (*memory, *away):
        host.machine.run(*command.split())
