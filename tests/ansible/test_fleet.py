"""Test of a small fleet's life: provisioning, work, changes, reports and removal, as seen from outside."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from closte_bridge.secret import Secret
from tests.ansible.fleet import COLLECTION, SETTINGS, WHEELS, Fleet, Host, Network, as_version, yaml_blocks
from tests.ansible.seen import (
    canaries,
    foretold_wrong,
    left_behind,
    main_process,
    mapped,
    network_options,
    options_changed,
    run_cron,
    secrets_are_kept,
    succeeded,
    units_are_right,
)
from tests.support.running import wait_until

pytestmark = pytest.mark.real

METRICS = "/srv/textfile"
PASSWORD = "canary-password-of-a-login-4d20"
# No proxy answers there: requests to this machine, which are all requests here, use no proxy.
PROXY = "http://user:canary-of-a-proxy-77ab@127.0.0.1:9"
UBUNTU = """PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.1 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""


def test_fleet_life_from_provisioning_to_traceless_removal(fleet: Fleet) -> None:
    """One test, because each step needs the previous one: the machines take most of the time."""
    web1, web2 = fleet.hosts
    club = web2.networks[1]
    networks = [web1.shop, web2.shop, club]
    web1.machine.run("mkdir", METRICS)
    web2.machine.run("tee", "/etc/os-release", stdin=UBUNTU)
    web2.machine.run("chpasswd", stdin=f"{club.owner}:{PASSWORD}\n")
    before = [host.machine.files() for host in fleet.hosts]
    networks_before = [network_options(network) for network in networks]

    provision(fleet, web1, web2, before)
    mappings_reach_closte(web1, networks)
    again_by_the_readme(fleet)
    what_cannot_be_is_refused(fleet, web1, web2)
    report_names_the_broken_one(fleet, web1, web2)
    modules_do_what_they_say(fleet, web1)
    change_what_there_is(fleet, web1, web2)
    assert options_changed(club, networks_before[2]) == {}
    go_back(fleet, web2)

    # The additional site that one step created.
    web1.shop.multisite.delete_site(2)
    gone = succeeded(fleet.play("remove"))
    assert gone.changed
    assert [left_behind(host, files) for host, files in zip(fleet.hosts, before, strict=True)] == [{}, {}]
    assert [options_changed(*pair) for pair in zip(networks, networks_before, strict=True)] == [{}, {}, {}]
    # The aliases on Closte stay, because no step requests their removal.
    assert all("first.example.org" in network.aliases for network in networks)


def provision(fleet: Fleet, web1: Host, web2: Host, before: list[dict[str, str]]) -> None:
    """One host gets services from a wheel, the other a timer from an index. Check mode predicts all changes."""
    club = web2.networks[1]
    key_file = fleet.folder / "key-of-the-shop"
    key_file.write_text(f"{web1.shop.key}\n")
    shop = fleet.network(web1.shop)
    shop["api_key"] = f"{{{{ lookup('ansible.builtin.file', '{key_file}') }}}}"
    host_key = fleet.key.with_name("host_key.pub").read_text().strip()
    # On another machine, which only accepts a login with a password.
    far = {
        "name": "club",
        "ssh": f"{club.owner}@127.0.0.1:{web2.machine.port}{club.path}",
        "ssh_password": PASSWORD,
        "ssh_known_hosts": [f"[127.0.0.1]:{web2.machine.port} {host_key}"],
        "api_key": club.key,
        "integration": True,
        "settings": {"api_url": club.sandbox.url},
    }
    fleet.per_host = {
        "web1": {
            "closte_bridge_networks": [shop, far],
            "closte_bridge_metrics_dir": METRICS,
            "closte_bridge_environment": {"HTTPS_PROXY": PROXY},
        },
        "web2": {
            "closte_bridge_runner": "timer",
            "closte_bridge_wheel": None,
            "closte_bridge_version": fleet.version,
            "closte_bridge_pip_args": f"--no-index --find-links={WHEELS} --find-links={fleet.wheel.parent}",
        },
    }
    fleet.write_inventory()
    foretold = succeeded(fleet.play("provision", "--check", "--diff", "-vvv"))
    assert [left_behind(host, files) for host, files in zip(fleet.hosts, before, strict=True)] == [{}, {}]
    done = succeeded(fleet.play("provision", "--diff", "-vvv"))
    assert foretold_wrong(foretold, done) == {}
    assert len(done.changed) > 40
    assert canaries(fleet, foretold.text + done.text) == []
    assert PASSWORD not in foretold.text + done.text
    secrets_are_kept(web1, {web1.shop.key: "shop", club.key: "club", PASSWORD: "club.ssh"})
    given_environment_is_there(web1, foretold.text + done.text)
    hosts_are_known(web1, club)
    secrets_are_kept(web2, {web2.shop.key: "shop"})
    # The database is a file of the site here: without write access to it, WordPress cannot be changed.
    databases = [{f"{host.shop.path}/wp-content/database"} for host in (web1, web2)]
    metrics = "/var/lib/closte-bridge-metrics"
    units_are_right(
        web1,
        {
            "shop": (web1.shop.owner, databases[0] | {f"{metrics}/shop"}),
            "club": ("closte-bridge", {f"{metrics}/club"}),
        },
    )
    units_are_right(web2, {"shop": (web2.shop.owner, databases[1])})


def given_environment_is_there(host: Host, said: str) -> None:
    """The additional variables are in the environment of services, and only root can read their files."""
    assert PROXY not in said
    environment = host.machine.run("cat", f"/proc/{main_process(host, 'shop')}/environ").stdout.split("\0")
    assert {f"HTTPS_PROXY={PROXY}", "LC_ALL=C.UTF-8", "WP_CLI_DISABLE_AUTO_CHECK_UPDATE=1"} <= set(environment)
    places = ("/etc/closte-bridge/environment", "/usr/local/sbin/closte-bridge-as")
    found = host.machine.run("grep", "-rl", PROXY, "/etc", "/opt", "/usr/local", "/var/lib/closte-bridge").stdout
    assert sorted(found.splitlines()) == sorted(places)
    assert {mode[1:] for mode in host.machine.run("stat", "-c", "%a", *places).stdout.split()} == {"00"}


def hosts_are_known(host: Host, network: Network) -> None:
    """The keys of another host are known only to the user whose network is on it."""
    for user, known in (("closte-bridge", True), (host.shop.owner, False)):
        argv = ("runuser", "-u", user, "--", "ssh", "-G", f"{network.owner}@127.0.0.1")
        assert ("/etc/closte-bridge/known_hosts" in host.machine.run(*argv).stdout) is known


def mappings_reach_closte(web1: Host, networks: list[Network]) -> None:
    """New mappings reach Closte automatically, and the monitor is notified."""
    for network in networks:
        network.multisite.add_mapping("first.example.org", 1)
    # Nothing on another machine can trigger the service; it syncs at its start, and then at its interval.
    web1.machine.run("systemctl", "restart", "closte-bridge@club.service")
    for network in networks:
        network.expect("first.example.org")
    for name in ("shop", "club"):
        metrics = web1.machine.run("cat", f"{METRICS}/closte_bridge_{name}.prom").stdout
        assert f'closte_bridge_last_run_exit_code{{network="{name}"}} 0.0' in metrics


def again_by_the_readme(fleet: Fleet) -> None:
    """The playbook in the collection's README does the same as the provision playbook, so it changes nothing."""
    blocks = yaml_blocks(COLLECTION / "README.md")
    (playbook,) = [block for block in blocks if isinstance(block, list) and "roles" in block[0]]
    # The role also recognises the facts of another distribution.
    facts = {"ansible.builtin.assert": {"that": "ansible_facts.distribution_release == facts_say"}}
    playbook[0] |= {"post_tasks": [facts]}
    site = fleet.folder / "site.yml"
    site.write_text(yaml.safe_dump(playbook, sort_keys=False))
    fleet.per_host["web1"]["facts_say"] = "bookworm"
    fleet.per_host["web2"]["facts_say"] = "noble"
    fleet.write_inventory()
    again = succeeded(fleet.play(str(site), "--diff"))
    assert again.changed == []
    assert set(again.recap) == {"web1", "web2"}


def what_cannot_be_is_refused(fleet: Fleet, web1: Host, web2: Host) -> None:
    """The role refuses an invalid config, and a network with another owner: no file changes, and the owner stays."""
    wordpress = web2.shop.multisite
    managed = wordpress.network_option("closte_bridge_owner")
    wordpress.set_network_option(
        "closte_bridge_owner", {"engine": "f" * 32, "host": "elsewhere", "since": managed["since"]}
    )
    given = {name: dict(variables) for name, variables in fleet.per_host.items()}
    fleet.per_host["web1"]["closte_bridge_settings"] = {**SETTINGS, "removal_grase": "48h"}
    switched_off = fleet.network(web2.shop) | {"integration": False}
    fleet.per_host["web2"]["closte_bridge_networks"] = [switched_off]
    fleet.write_inventory()
    # Another run would write as well, such as one that the change of the owner triggers.
    units = [f"closte-bridge@shop.{kind}" for kind in ("timer", "path")]
    web2.machine.run("systemctl", "stop", *units, "closte-bridge@shop.service")
    before = [host.machine.files() for host in fleet.hosts]
    options = ("closte_bridge_owner", "wu_host_integrations_enabled")
    options_before = [wordpress.network_option(name) for name in options]
    # A batch ends with the first host that fails, so each host runs separately.
    first, second = (fleet.play("provision", "--diff", f"--limit={host.name}") for host in fleet.hosts)
    assert (first.recap["web1"]["failed"], second.recap["web2"]["failed"]) == (1, 1)
    assert first.changed == second.changed == []
    assert 'Unknown key \\"removal_grase\\"' in first.text, first.text
    assert re.search(r"Another installation owns .*--take-over", second.text)
    # The role does not remove the data of another owner either.
    play = fleet.folder / "leave.yml"
    task = {"name": "Leave", "closte_bridge.ops.closte_bridge_network": {"name": "shop", "state": "absent"}}
    play.write_text(yaml.safe_dump([{"hosts": "web2", "gather_facts": False, "tasks": [task]}]))
    assert succeeded(fleet.play(str(play))).changed == []
    assert [left_behind(host, files) for host, files in zip(fleet.hosts, before, strict=True)] == [{}, {}]
    assert [wordpress.network_option(name) for name in options] == options_before
    wordpress.set_network_option("closte_bridge_owner", managed)
    web2.machine.run("systemctl", "start", *units)
    fleet.per_host = given
    fleet.write_inventory()


def report_names_the_broken_one(fleet: Fleet, web1: Host, web2: Host) -> None:
    """WordPress of one host is broken: the other host is served, and every report names the broken one."""
    config = f"{web2.shop.path}/wp-config.php"
    web2.machine.run("mv", config, f"{config}.away")
    plan = fleet.play("plan", closte_bridge_report_dir=str(fleet.folder))
    assert plan.code != 0
    assert re.search(r"web2 +shop +broken", plan.text), plan.text
    assert re.search(r"web1 +shop +ok", plan.text), plan.text
    assert "Broken: web2." in plan.text
    html = (fleet.folder / "closte-bridge-plan.html").read_text()
    assert html.count("<svg") == 2
    assert "Broken: 1" in html
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import", html)
    assert canaries(fleet, html) == []

    # An unreachable host is in the report as well, and stops a sync before it continues with other hosts.
    known = yaml.safe_load((fleet.folder / "inventory.yml").read_text())
    known["closte_bridge"]["hosts"]["away"] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "root"}
    (fleet.folder / "inventory.yml").write_text(yaml.safe_dump(known, sort_keys=True))
    health = fleet.play("health", "--limit=away:web1:localhost")
    assert re.search(r"away +- +broken", health.text), health.text
    assert re.search(r"web1 +club +ok", health.text), health.text
    assert "web2" not in health.text
    for name in ("shop", "club"):
        web1.machine.run("systemctl", "stop", f"closte-bridge@{name}.service")
    web1.shop.multisite.add_mapping("third.example.org", 1)
    # Ultimate Multisite is not loaded, so the new site lacks its domain record.
    web1.shop.multisite.wp("site", "create", "--slug=fourth", "--skip-plugins")
    stopped = fleet.play("sync")
    assert stopped.code != 0
    assert set(stopped.recap) == {"away", "localhost"}
    assert "third.example.org" not in web1.shop.aliases
    fleet.write_inventory()

    fourth = f"fourth.{web1.shop.multisite.main_domain}"
    told = ["+third.example.org", f"+{fourth}: has a domain record"]
    foretold = succeeded(fleet.play("sync", "--check", "--diff", "--limit=web1"))
    assert [line for line in told if f"\n{line}\n" not in foretold.text] == []
    assert mapped(web1.shop) == {"first.example.org", "third.example.org"}
    synced = fleet.play("sync", "--diff", closte_bridge_serial=2, closte_bridge_max_fail=60)
    assert synced.recap["web2"]["failed"] == 1
    assert synced.recap["web1"]["changed"] == foretold.recap["web1"]["changed"] == 1
    assert [line for line in told if f"\n{line}\n" not in synced.text] == []
    assert {"third.example.org", fourth} <= web1.shop.aliases
    for name in ("shop", "club"):
        web1.machine.run("systemctl", "start", f"closte-bridge@{name}.service")
    web2.machine.run("mv", f"{config}.away", config)

    doctor = fleet.play("doctor", closte_bridge_hosts="web1")
    assert re.search(r"web1 +shop +\w+", doctor.text), doctor.text
    assert "web2" not in doctor.text


def modules_do_what_they_say(fleet: Fleet, web1: Host) -> None:
    """Modules predict their changes in check mode, make them once, and report when there is nothing to do."""
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
    playbook = fleet.folder / "modules.yml"
    play = {"hosts": "web1", "gather_facts": False, "tasks": [*written, sync]}
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    done = succeeded(fleet.play(str(playbook), "--diff"))
    assert done.changed == ["web1: Foretell", "web1: Pin", "web1: Remove"]
    assert "is still mapped in WordPress" in done.text
    assert "legacy.example.com" not in web1.shop.aliases


def change_what_there_is(fleet: Fleet, web1: Host, web2: Host) -> None:
    """One host gets a new key without a restart, and loses a network. The other gets a new version, and cron."""
    shop = web1.shop
    old, shop.key = shop.key, "canary-key-that-came-later-77c0aa19"
    shop.sandbox.api._key = Secret(shop.key)
    (fleet.folder / "key-of-the-shop").write_text(shop.key)
    lead_root_astray(web1)
    a_play_failed_between_key_and_service(fleet, web1)
    fleet.per_host["web1"]["closte_bridge_networks"][1]["state"] = "absent"
    fleet.per_host["web2"] = {
        "closte_bridge_runner": "cron",
        "closte_bridge_wheel": str(as_version(fleet.wheel, "0.1.999")),
        # The base system has neither cron nor logrotate, and their daemons would have no work here.
        "closte_bridge_manage_packages": False,
    }
    fleet.write_inventory()
    take_long(web2)
    # As if cron had run it for a while before.
    web1.machine.run("mkdir", "-p", "/var/log/closte-bridge")
    web1.machine.run("touch", "/var/log/closte-bridge/club.log", "/var/log/closte-bridge/club.log.2.gz")
    process = main_process(web1, "shop")
    foretold = succeeded(fleet.play("provision", "--check", "--diff"))
    done = succeeded(fleet.play("provision", "--diff", "-vvv"))
    assert foretold_wrong(foretold, done) == {}
    assert main_process(web1, "shop") == process != "0"
    assert any(line.startswith("web1: ") and "Reload the instances" in line for line in done.changed)
    assert old not in done.text
    # No file that root wrote is where the site's user redirected it.
    assert web1.machine.run("find", "/etc", "-user", shop.owner).stdout == ""
    assert canaries(fleet, foretold.text + done.text) == []
    shop.multisite.add_mapping("second.example.org", 1)
    fourth = f"fourth.{shop.multisite.main_domain}"
    shop.expect("first.example.org", "second.example.org", "third.example.org", fourth)
    assert [name for name in web1.machine.files() if "club" in name] == []

    assert web2.machine.run("closte-bridge", "--version").stdout.split()[-1] == "0.1.999"
    assert not [name for name in web2.machine.files() if "closte-bridge@" in name]
    assert main_process(web2, "shop") == "0"
    # Without `watch`, the shim starts closte-bridge itself; cron's entry does the rest.
    web2.shop.multisite.add_mapping("second.example.org", 1)
    web2.shop.expect("first.example.org", "second.example.org")
    run_cron(web2)
    secrets_are_kept(web2, {web2.shop.key: "shop"})


def lead_root_astray(host: Host) -> None:
    """Let the site's user create links for root's files, in every folder below /run that this user may write to."""
    names = ("api-key", "api-key.new", "shop.key", "shop.key.new", ".ssh")
    link = " && ".join(f'ln -sfn /etc/apt/apt.conf.d "$1/{name}"' for name in names)
    mine = ("-path", "/run/written", "-prune", "-o", "-type", "d", "-writable", "-print")
    argv = ("runuser", "-u", host.shop.owner, "--", "find", "/run", *mine)
    for folder in host.machine.run(*argv, check=False).stdout.splitlines():
        if "closte-bridge" in folder:
            host.machine.run("runuser", "-u", host.shop.owner, "--", "sh", "-c", link, "sh", folder)


def a_play_failed_between_key_and_service(fleet: Fleet, host: Host) -> None:
    """Leave a host as a failed play does that wrote the new key, but failed before the service got it."""
    key = (fleet.folder / "key-of-the-shop").read_text()
    host.machine.run("tee", "/etc/closte-bridge/keys/shop", stdin=f"{key}\n")


def take_long(host: Host) -> None:
    """Let the timer start a run that takes a long time."""
    unit = "closte-bridge@shop.service"
    slow = "[Service]\nExecStart=\nExecStart=/bin/sleep 600\n"
    host.machine.run("mkdir", "-p", f"/run/systemd/system/{unit}.d")
    host.machine.run("tee", f"/run/systemd/system/{unit}.d/slow.conf", stdin=slow)
    host.machine.run("systemctl", "daemon-reload")
    host.machine.run("systemctl", "start", "--no-block", unit)
    wait_until(lambda: main_process(host, "shop") != "0")
    host.machine.run("rm", "-r", f"/run/systemd/system/{unit}.d")


def go_back(fleet: Fleet, web2: Host) -> None:
    """Install an older version again, with its timer."""
    fleet.per_host["web2"] = {"closte_bridge_runner": "timer"}
    # As after an upgrade of the distribution: the virtual environment belongs to a Python that no longer exists.
    web2.machine.run("sh", "-c", "mv /opt/closte-bridge/venv/lib/python3.* /opt/closte-bridge/venv/lib/python3.1")
    fleet.write_inventory()
    succeeded(fleet.play("provision", "--limit=web2"))
    assert web2.machine.run("closte-bridge", "--version").stdout.split()[-1] == fleet.version
    web2.shop.multisite.add_mapping("third.example.org", 1)
    web2.shop.expect("first.example.org", "second.example.org", "third.example.org")
