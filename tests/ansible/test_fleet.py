"""The life of a small fleet: provisioned, at work, changed, reported on, cleared away, by what can be seen of it."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from closte_bridge.secret import Secret
from tests.ansible.fleet import OWNER, SITE, Fleet, Host, as_version

if TYPE_CHECKING:
    from tests.ansible.fleet import Ran

pytestmark = pytest.mark.real

KEYS = "etc/closte-bridge/keys/"
UNIT = "closte-bridge@shop.service"


def test_a_fleet_is_provisioned_serves_changes_and_leaves_without_a_trace(fleet: Fleet) -> None:
    """One test, because each step stands on the one before: the machines are what takes the time."""
    web1, web2 = fleet.hosts
    before = [host.machine.files() for host in fleet.hosts]
    network_before = [network_options(host) for host in fleet.hosts]

    # A host has a service, the other a timer.
    fleet.per_host = {"web2": {"closte_bridge_runner": "timer"}}
    fleet.write_inventory()
    foretold = succeeded(fleet.play("provision", "--check", "--diff", "-vvv"))
    assert [left_behind(host, files) for host, files in zip(fleet.hosts, before, strict=True)] == [{}, {}]
    done = succeeded(fleet.play("provision", "--diff", "-vvv"))
    assert sorted(done.changed) == sorted(foretold.changed)
    assert len(done.changed) > 20
    for host in fleet.hosts:
        assert host.key not in foretold.text + done.text
        assert secret_is_kept(host)
        units_are_right(host)

    # What was there, and what is mapped now, reaches Closte by itself.
    for host in fleet.hosts:
        host.multisite.add_mapping("first.example.org", 1)
    for host in fleet.hosts:
        host.expect("first.example.org")

    again = succeeded(fleet.play("provision", "--diff"))
    assert again.changed == []

    change_key_and_runner(fleet, web1, web2)
    report_names_the_broken_one(fleet, web1, web2)
    modules_do_what_they_say(fleet, web1)

    gone = succeeded(fleet.play("remove"))
    assert gone.changed
    for host, files, options in zip(fleet.hosts, before, network_before, strict=True):
        assert left_behind(host, files) == {}
        assert network_options(host) == options
        # What is at Closte stays: nobody asked for its removal.
        assert "first.example.org" in host.aliases
    assert succeeded(fleet.play("remove")).changed == []

    networks_on_other_machines_are_served(fleet, web1, web2, before[0])


def change_key_and_runner(fleet: Fleet, web1: Host, web2: Host) -> None:
    """A new key without a restart on one host; a new version, and cron in the timer's place, on the other."""
    old, web1.key = web1.key, "canary-key-that-came-later-77c0aa19"
    web1.sandbox.api._key = Secret(web1.key)
    fleet.per_host = {
        "web2": {"closte_bridge_runner": "cron", "closte_bridge_wheel": str(as_version(fleet.wheel, "0.1.1"))}
    }
    fleet.write_inventory()
    process = main_process(web1)
    done = succeeded(fleet.play("provision", "--diff", "-vvv"))
    assert main_process(web1) == process != "0"
    assert any(line.startswith("web1: ") and "Reload the instances" in line for line in done.changed)
    assert old not in done.text
    assert web1.key not in done.text
    assert web2.key not in done.text
    web1.multisite.add_mapping("second.example.org", 1)
    web1.expect("first.example.org", "second.example.org")

    assert web2.machine.run("closte-bridge", "--version").stdout.split()[-1] == "0.1.1"
    assert not [name for name in web2.machine.files() if "closte-bridge@" in name]
    web2.multisite.add_mapping("second.example.org", 1)
    run_cron(web2)
    web2.expect("first.example.org", "second.example.org")
    assert secret_is_kept(web2)


def report_names_the_broken_one(fleet: Fleet, web1: Host, web2: Host) -> None:
    """WordPress of one host is broken: the other is served, and every report says which one is not well."""
    config = f"{SITE}/wp-config.php"
    web2.machine.run("mv", config, f"{config}.away")
    page = fleet.folder / "closte-bridge-plan.html"
    plan = fleet.play("plan", closte_bridge_report_dir=str(fleet.folder))
    assert plan.code != 0
    assert re.search(r"web2 +shop +broken", plan.text), plan.text
    assert re.search(r"web1 +shop +ok", plan.text), plan.text
    assert "Broken: web2." in plan.text
    html = page.read_text()
    assert "<svg" in html
    assert "Broken: 1" in html
    assert not re.search(r"(?:src|href)=\"(?!#)", html)
    assert web1.key not in html

    # A host that cannot be reached at all is in the report as well.
    fleet.write_inventory()
    inventory = fleet.folder / "inventory.yml"
    known = yaml.safe_load(inventory.read_text())
    known["closte_bridge"]["hosts"]["web3"] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "root"}
    inventory.write_text(yaml.safe_dump(known))
    health = fleet.play("health")
    assert re.search(r"web3 +- +broken", health.text), health.text
    assert re.search(r"web1 +shop +ok", health.text), health.text
    fleet.write_inventory()

    web1.machine.run("systemctl", "stop", UNIT)
    web1.multisite.add_mapping("third.example.org", 1)
    synced = fleet.play("sync", closte_bridge_serial=2, closte_bridge_max_fail=60)
    assert synced.recap["web2"]["failed"] == 1
    assert synced.recap["web1"]["changed"] == 1
    assert "third.example.org" in web1.aliases
    web1.machine.run("systemctl", "start", UNIT)
    web2.machine.run("mv", f"{config}.away", config)

    doctor = fleet.play("doctor", "--limit=web1,localhost", closte_bridge_hosts="web1")
    assert re.search(r"web1 +shop +\w+", doctor.text), doctor.text


def modules_do_what_they_say(fleet: Fleet, web1: Host) -> None:
    """Modules foretell what they do in check mode, do it once, and say when there is nothing to do."""
    playbook = fleet.folder / "modules.yml"
    domain: dict[str, Any] = {"network": "shop", "name": "legacy.example.com"}
    tasks = [
        ("Foretell", domain, True),
        ("Pin", domain, False),
        ("Pin again", domain, False),
        ("Remove", domain | {"state": "absent"}, False),
        ("Remove again", domain | {"state": "absent"}, False),
        ("Refuse", {"network": "shop", "name": "first.example.org", "state": "absent"}, False),
    ]
    written = [
        {
            "name": name,
            "closte_bridge.ops.closte_bridge_domain": values,
            "check_mode": check,
            "ignore_errors": name == "Refuse",
        }
        for name, values, check in tasks
    ]
    sync = {"name": "Sync", "closte_bridge.ops.closte_bridge_sync": {"network": "shop"}}
    play = {"hosts": "web1", "gather_facts": False, "tasks": [*written, sync]}
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    done = succeeded(fleet.play(str(playbook), "--diff"))
    assert done.changed == ["web1: Foretell", "web1: Pin", "web1: Remove"]
    assert "is still mapped in WordPress" in done.text
    assert "legacy.example.com" not in web1.aliases


def networks_on_other_machines_are_served(fleet: Fleet, web1: Host, web2: Host, before: dict[str, str]) -> None:
    """One machine looks after the network of another, where it has nothing but a login with a password."""
    password = "canary-password-of-a-login-4d20"
    web2.machine.run("chpasswd", stdin=f"{OWNER}:{password}\n")
    host_key = fleet.key.with_name("host_key.pub").read_text().strip()
    network = {
        "name": "far",
        "ssh": f"{OWNER}@127.0.0.1:{web2.machine.port}{SITE}",
        "ssh_password": password,
        "ssh_known_hosts": [f"[127.0.0.1]:{web2.machine.port} {host_key}"],
        "api_key": web2.key,
        "integration": True,
    }
    settings = {"api_url": web2.sandbox.url, "rate_limit": 1000}
    fleet.per_host = {
        "web1": {"closte_bridge_networks": [network], "closte_bridge_settings": settings, "closte_bridge_interval": 5}
    }
    fleet.write_inventory()
    done = succeeded(fleet.play("provision", "--diff", "-vvv", "--limit=web1"))
    assert password not in done.text
    known = web2.aliases
    web2.multisite.add_mapping("far.example.org", 1)
    web2.expect(*known, "far.example.org")
    succeeded(fleet.play("remove", "--limit=web1"))
    assert left_behind(web1, before) == {}


# What is looked at


def succeeded(ran: Ran) -> Ran:
    assert ran.code == 0, ran.text[: ran.text.find("PLAY RECAP")][-8000:]
    return ran


def secret_is_kept(host: Host) -> bool:
    """Tell whether the key is in its own file, closed to others, and nowhere else that was written."""
    holders = []
    for folder in (host.machine.written, host.machine.path("/run/log"), host.machine.path("/run/systemd")):
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink() and host.key.encode() in path.read_bytes():
                    holders.append(path)
    assert [str(path.relative_to(host.machine.written)) for path in holders] == [f"{KEYS}shop"]
    assert holders[0].stat().st_mode & 0o777 == 0o400
    return True


def units_are_right(host: Host) -> None:
    """systemd itself judges the units with each network's own settings."""
    names = [name for name in host.machine.files() if re.fullmatch(r"etc/systemd/system/closte-bridge@\.\w+", name)]
    assert names
    host.machine.run("mkdir", "/run/judged")
    for name in names:
        judged = f"/run/judged/{Path(name).name.replace('@.', '@shop.')}"
        host.machine.run("ln", "-s", f"/{name}", judged)
        verified = host.machine.run("systemd-analyze", "verify", judged)
        assert "closte-bridge" not in verified.stdout + verified.stderr
    limit = ("security", "--offline=true", "--threshold=20", "--no-pager", f"/run/judged/{UNIT}")
    host.machine.run("systemd-analyze", *limit)
    assert host.machine.run("systemctl", "show", "-P", "User", UNIT).stdout.strip() == OWNER


def main_process(host: Host) -> str:
    return host.machine.run("systemctl", "show", "-P", "MainPID", UNIT).stdout.strip()


def run_cron(host: Host) -> None:
    """Do what cron does with the entry."""
    entry = host.machine.run("cat", "/etc/cron.d/closte-bridge-shop").stdout.splitlines()
    settings = [line for line in entry if re.match(r"[A-Z_]+=", line)]
    (job,) = [line for line in entry if line.startswith("*/")]
    user, command = job.split(None, 6)[5:]
    host.machine.run("runuser", "-u", user, "--", "env", "-i", *settings, "sh", "-c", command)


def network_options(host: Host) -> dict[str, object]:
    """Return what WordPress keeps of the network: options, tables and must-use plugins; an empty switch is none."""
    code = """[
        'options' => array_column($GLOBALS['wpdb']->get_results(
            "SELECT meta_key, meta_value FROM {$GLOBALS['wpdb']->sitemeta} WHERE meta_key NOT LIKE '%transient%'",
            ARRAY_A
        ), 'meta_value', 'meta_key'),
        'tables' => $GLOBALS['wpdb']->get_col('SHOW TABLES'),
        'plugins' => glob(WPMU_PLUGIN_DIR . '/*'),
    ]"""
    found = host.multisite.php_json(code)
    switches = found["options"].pop("wu_host_integrations_enabled", "")
    assert 's:6:"closte";b:1' not in switches
    return dict(found)


def left_behind(host: Host, before: dict[str, str]) -> dict[str, str]:
    """Return what was written and is still there: neither the site's database, nor folders that were there anyway."""
    now = host.machine.files()
    ignored = f"{SITE.lstrip('/')}/wp-content/database"
    return {
        name: state
        for name, state in now.items()
        if before.get(name) != state
        and not name.startswith(ignored)
        and not (state.endswith("folder") and os.path.isdir(f"/{name}"))  # noqa: PTH112 - only a question
    } | {name: "gone" for name in before if name not in now}
