"""Tests of the automatic way from a WordPress change to Closte, in a real network."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import bridge_for
from tests.support.running import wait_until, write_script
from tests.support.shim import (
    change_config,
    clear_events,
    events,
    install,
    processes,
    settle,
    shimmed,
    status,
    wait_for_alias,
)
from tests.support.wordpress import php_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.ssh import SshServer
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

DELAY = 6


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="auto", removal_delay=f"{DELAY}s") as bridge:
        yield bridge


def everything_reaches_closte(bridge: Bridge, poll: Callable[[], object] | None = None) -> None:
    """Create, duplicate, map, rename, unmap, archive and delete. Check that each change reaches Closte automatically.

    With `poll`, the shim triggers no run. The test calls that function repeatedly instead, as a timer does.
    """
    assert status(bridge)["trigger"] == ("poll" if poll else "process")

    def seen(name: str, *, there: bool = True) -> None:
        def ready() -> bool:
            if poll:
                poll()
            return (name in bridge.aliases) is there

        wait_until(ready)

    site = names_arrive(bridge.multisite, seen)
    names_change(bridge, seen)
    names_leave(bridge, site, seen)
    assert "two.example.net" in bridge.aliases, "the site that stays keeps its name"
    assert bridge.run("sync").code == 0
    bridge.run("sync")
    assert events(bridge.multisite) == []


def names_arrive(multisite: Multisite, seen: Callable[..., None]) -> int:
    """Create and duplicate a site and map two domains. Return the first site."""
    site = multisite.create_site("one")
    seen("one.example.net")
    multisite.duplicate_site(site, "two.example.net")
    seen("two.example.net")
    for name in ("shop.example.com", "gone.example.com"):
        multisite.add_mapping(name, site)
        seen(name)
    return site


def names_change(bridge: Bridge, seen: Callable[..., None]) -> None:
    """Rename one mapping and delete another. Check that the removals wait for their delay."""
    renamed = time.time()
    bridge.multisite.rename_mapping("shop.example.com", "store.example.com")
    bridge.multisite.delete_mapping("gone.example.com")
    seen("store.example.com")
    assert {"shop.example.com", "gone.example.com"} <= bridge.aliases or time.time() - renamed >= DELAY
    seen("shop.example.com", there=False)
    seen("gone.example.com", there=False)
    assert time.time() - renamed >= DELAY


def names_leave(bridge: Bridge, site: int, seen: Callable[..., None]) -> None:
    """Archive and delete the site. Check that an archived site keeps its domains, and that a deleted one loses them."""
    bridge.multisite.wp("site", "archive", str(site))
    settle(bridge)
    assert {"one.example.net", "store.example.com"} <= bridge.aliases, "an archived site keeps its names"
    bridge.multisite.delete_site(site)
    for name in ("one.example.net", "store.example.com"):
        seen(name, there=False)
    settle(bridge)


def test_every_change_reaches_closte(bridge: Bridge) -> None:
    everything_reaches_closte(bridge)


@pytest.mark.mariadb
def test_every_change_reaches_closte_on_mariadb(multisite_mariadb: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite_mariadb, tmp_path / "engine", wake="auto", removal_delay=f"{DELAY}s") as bridge:
        everything_reaches_closte(bridge)


@pytest.mark.ssh
def test_every_change_reaches_closte_over_ssh_with_the_next_sync(
    multisite: Multisite, tmp_path: Path, sshd: SshServer
) -> None:
    multisite.enable_closte()
    with bridge_for(multisite, tmp_path / "engine", removal_delay=f"{DELAY}s") as bridge:
        bridge.go_over_ssh(sshd)
        bridge.adopt()
        install(bridge, "auto")
        everything_reaches_closte(bridge, lambda: bridge.run("sync"))


def test_addition_waits_for_one_run_only(bridge: Bridge) -> None:
    """The limit is three seconds on an idle machine. On a busy one it is the time of three runs."""
    bridge.run("sync")
    began = time.monotonic()
    assert bridge.run("sync").code == 0
    one_run = time.monotonic() - began
    waited = []
    for slug in ("one", "two", "three"):
        bridge.sandbox.request_log.clear()
        bridge.multisite.create_site(slug)
        over = time.monotonic()
        wait_for_alias(bridge, f"{slug}.example.net")
        waited.append(time.monotonic() - over)
        # The first triggered run has found and added the domain.
        asked = [request.call for request in bridge.sandbox.requests]
        assert asked[: asked.index("add") + 1] == ["list", "add"]
        settle(bridge)
    assert min(waited) <= max(3.0, 3 * one_run), (waited, one_run)


def runs(bridge: Bridge) -> int:
    """Return how many times closte-bridge read Closte's list."""
    return sum(request.call == "list" for request in bridge.sandbox.requests)


def test_five_hundred_additions_in_one_request_cost_few_runs(bridge: Bridge) -> None:
    multisite = bridge.multisite
    site = multisite.create_site("one")
    settle(bridge)
    bridge.sandbox.request_log.clear()
    multisite.php(
        "for ($i = 0; $i < 500; $i++) {"
        " wu_create_domain(array('domain' => \"n$i.example$i.com\", 'blog_id' => $args[0])); }",
        str(site),
    )
    names = {f"n{number}.example{number}.com" for number in range(500)}
    wait_until(lambda: names <= bridge.aliases)
    settle(bridge)
    assert runs(bridge) <= 10
    assert bridge.run("sync").code == 0
    assert events(multisite) == []


def many_at_once(bridge: Bridge) -> None:
    """Map a domain in each of twenty concurrent processes. Check that none is lost, and that few runs start."""
    multisite = bridge.multisite
    site = multisite.create_site("one")
    settle(bridge)
    bridge.sandbox.request_log.clear()
    names = {f"n{number}.example{number}.com" for number in range(20)}
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda name: multisite.add_mapping(name, site), sorted(names)))
    wait_until(lambda: names <= bridge.aliases)
    settle(bridge)
    assert runs(bridge) <= 10
    assert bridge.run("sync").code == 0
    assert events(multisite) == []
    kept = bridge.run("log", "--format=json").envelope["data"]
    added = [row["domain"] for row in kept if row["action"] == "add" and row["domain"] in names]
    assert sorted(added) == sorted(names)


def test_twenty_concurrent_processes_trigger_correctly(bridge: Bridge) -> None:
    many_at_once(bridge)


@pytest.mark.mariadb
def test_twenty_concurrent_processes_trigger_correctly_on_mariadb(multisite_mariadb: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite_mariadb, tmp_path / "engine", wake="auto") as bridge:
        many_at_once(bridge)


def test_watch_is_triggered_by_a_file(bridge: Bridge) -> None:
    watch = subprocess.Popen(
        bridge.argv("watch", "--interval=3600"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=bridge.folder,
        env=bridge.environment(),
    )
    try:
        wait_until((bridge.state / "heartbeat").exists)
        assert status(bridge)["trigger"] == "file"
        bridge.multisite.create_site("one")
        assert processes(bridge) == []
        wait_for_alias(bridge, "one.example.net")
    finally:
        watch.terminate()
        watch.wait()
    assert status(bridge)["trigger"] == "process"


def test_waiting_run_is_triggered_by_a_file(bridge: Bridge) -> None:
    """While removals wait for their delay, an event starts no process that would only meet the lock."""
    multisite = bridge.multisite
    starts = bridge.folder / "starts"
    program = write_script(bridge.folder / "closte-bridge-counting", f"echo . >>{starts}")
    change_config(multisite, "$config[1]['engine'] = array($args[0]);", str(program))
    with (bridge.state / "triggered.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        multisite.create_site("one")
        assert (bridge.state / "trigger").exists()
    assert not starts.exists()
    multisite.create_site("two")
    wait_until(starts.exists)


def test_setsid_without_fork_still_triggers(bridge: Bridge) -> None:
    """The `setsid` of BusyBox has no `--fork`. If `setsid` fails completely, `shim status` and `doctor` report it."""
    bridge.env["PATH"] = f"{bridge.folder}:{os.environ['PATH']}"
    setsid = write_script(bridge.folder / "setsid", 'case $1 in -*) exit 1;; esac; exec "$@"')
    install(bridge, "auto")
    assert status(bridge)["trigger"] == "process"
    bridge.multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")
    settle(bridge)
    write_script(setsid, "exit 1")
    ran = bridge.run("shim", "status", "--format=json")
    assert (ran.code, ran.codes) == (1, ["shim-cannot-trigger"])
    assert "Programs that the shim starts in the background never run." in bridge.run("doctor").out


def test_starts_without_a_heartbeat_are_reported(bridge: Bridge) -> None:
    silent = write_script(bridge.folder / "closte-bridge", "exit 0")
    change_config(bridge.multisite, "$config[1]['engine'][0] = $args[0];", str(silent))
    bridge.multisite.create_site("one")
    waking = bridge.state / "spawned"
    before = time.time() - 40
    os.utime(waking, (before, before))
    bridge.multisite.create_site("two")
    assert (int(waking.stat().st_mtime), waking.stat().st_atime > before + 30) == (int(before), True)
    assert "shim-trigger-failed" in bridge.run("shim", "status", "--format=json").codes
    assert "no run began" in bridge.run("doctor").out


def test_invalid_configuration_does_not_break_requests(bridge: Bridge) -> None:
    multisite = bridge.multisite
    config = multisite.path / "wp-content/mu-plugins/closte-bridge/config.php"
    told = multisite.php_json("(include WP_CONTENT_DIR . '/mu-plugins/closte-bridge/config.php')[1]")
    changes: list[dict[str, object]] = [{"wake": "file", "trigger_file": "/proc/trigger"}]
    changes += [{"wake": ["odd"], "engine": "odd", "environment": 5}, {"start": ["/no/such/program"]}]
    for number, change in enumerate(changes):
        text = json.dumps(told | change)
        config.write_text(f"<?php return array(1 => json_decode({php_literal(text)}, true));")
        clear_events(multisite)
        ran = multisite.wp("site", "create", f"--slug=s{number}", "--porcelain")
        assert ran.stderr == "", change
        assert [kind for kind, *_ in events(multisite)] == ["mapping_added", "site_created"], change
    assert len(multisite.domains()) == len(changes)
    found = bridge.run("shim", "status", "--format=json")
    assert (found.code, found.codes) == (1, ["shim-foreign-file", "shim-no-config"])


def test_paths_with_shell_characters_are_passed_unchanged(bridge: Bridge) -> None:
    """Paths with special shell characters pass unchanged."""
    folder = bridge.folder / 'it\'s "quoted" $(touch executed) `touch executed` ;\n & münchen'
    folder.mkdir()
    config = folder / "config.yaml"
    config.write_bytes(bridge.config.read_bytes())
    for command in (("adopt", "--yes"), ("shim", "install")):
        ran = bridge.run(f"--config={config}", *command)
        assert ran.code == 0, ran
    bridge.multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")
    assert list(bridge.folder.rglob("executed")) == []
    assert not (bridge.multisite.path / "executed").exists()


def test_trigger_works_if_installed_from_the_wordpress_folder(bridge: Bridge) -> None:
    """As in the README, the config has no WordPress path, and the triggered run starts in another folder."""
    bridge.write_config(wp={key: value for key, value in bridge.settings["wp"].items() if key != "path"})
    (here,) = bridge.multisite.path.parent.glob(bridge.multisite.path.name)
    installed = subprocess.run(
        bridge.argv("shim", "install"), capture_output=True, check=False, cwd=here, env=bridge.environment()
    )
    assert installed.returncode == 0, installed
    bridge.multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")


def test_trigger_names_its_network_from_the_start(bridge: Bridge) -> None:
    """The triggered run names its network, so the choice stays clear if the config gets more networks."""
    bridge.settings["networks"] = {"main": {"state_dir": bridge.settings.pop("state_dir")}}
    bridge.write_config()
    install(bridge, "auto")
    bridge.settings["networks"]["other"] = {"state_dir": str(bridge.folder / "other")}
    bridge.write_config()
    bridge.multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")


def test_site_titles_are_never_executed(bridge: Bridge) -> None:
    mark = bridge.folder / "executed"
    titles = [
        f"'; touch {mark}; '",
        f'$(touch {mark}) `touch {mark}`\n<script>"quoted" %s {{}}',
        "münchen \u202e\U0001f600",
        "x" * 10240,
    ]
    code = """foreach (json_decode($args[0]) as $i => $title) {
        echo is_wp_error(wpmu_create_blog("t$i.example.net", '/', $title, 1)) ? 'refused' : 'made ';
    }"""
    assert bridge.multisite.php(code, json.dumps(titles)) == "made " * len(titles)
    for number in range(len(titles)):
        wait_for_alias(bridge, f"t{number}.example.net")
    assert not mark.exists()


def test_trigger_can_be_disabled_by_a_constant(bridge: Bridge) -> None:
    bridge.multisite.define("CLOSTE_BRIDGE_WAKE", "none")
    assert status(bridge)["trigger"] == "poll"
    bridge.multisite.create_site("one")
    assert processes(bridge) == []
    assert "one.example.net" not in bridge.aliases
    assert bridge.run("sync").code == 0
    assert "one.example.net" in bridge.aliases
