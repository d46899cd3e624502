"""From WordPress to Closte without anybody running a command, on a real network."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import EVENTS, wait_until, write_script
from tests.support.shim import clear_events, events, install, processes, settle, shimmed, status, wait_for_alias
from tests.support.wordpress import php_literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

DELAY = 6


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="auto", removal_delay=f"{DELAY}s") as bridge:
        yield bridge


def everything_reaches_closte(bridge: Bridge) -> None:
    """Create, duplicate, map, rename, unmap, archive and delete; each shows at Closte by itself."""
    multisite = bridge.multisite
    assert status(bridge)["wake"] == "process"
    site = multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")
    call = "\\WP_Ultimo\\Helpers\\Site_Duplicator::duplicate_site((int) $args[0], 'Copy', json_decode($args[1], true))"
    options = {"domain": "two.example.net", "path": "/", "email": "admin@example.net"}
    multisite.php_json(call, str(site), json.dumps(options))
    wait_for_alias(bridge, "two.example.net")
    multisite.add_mapping("shop.example.com", site)
    wait_for_alias(bridge, "shop.example.com")
    multisite.add_mapping("gone.example.com", site)
    wait_for_alias(bridge, "gone.example.com")
    renamed = time.time()
    multisite.rename_mapping("shop.example.com", "store.example.com")
    multisite.delete_mapping("gone.example.com")
    wait_for_alias(bridge, "store.example.com")
    assert {"shop.example.com", "gone.example.com"} <= bridge.aliases or time.time() - renamed >= DELAY
    wait_for_alias(bridge, "shop.example.com", there=False)
    wait_for_alias(bridge, "gone.example.com", there=False)
    assert time.time() - renamed >= DELAY
    multisite.wp("site", "archive", str(site))
    settle(bridge)
    assert {"one.example.net", "store.example.com"} <= bridge.aliases, "an archived site keeps its names"
    # The rows of a deleted site stay, and so do its names, until somebody deletes the rows.
    multisite.delete_site(site)
    settle(bridge)
    assert {"one.example.net", "store.example.com"} <= bridge.aliases
    multisite.delete_mapping("store.example.com")
    wait_for_alias(bridge, "store.example.com", there=False)
    settle(bridge)
    assert bridge.aliases >= {"one.example.net", "two.example.net"}
    assert bridge.run("sync").code == 0
    assert events(multisite) == []


def test_everything_reaches_closte(bridge: Bridge) -> None:
    everything_reaches_closte(bridge)


@pytest.mark.mariadb
def test_everything_reaches_closte_on_mariadb(multisite_mariadb: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite_mariadb, tmp_path / "engine", wake="auto", removal_delay=f"{DELAY}s") as bridge:
        everything_reaches_closte(bridge)


def runs(bridge: Bridge) -> int:
    """Return how many times the engine read Closte's list."""
    return sum(request.call == "list" for request in bridge.sandbox.requests)


def test_five_hundred_at_once_cost_few_runs(bridge: Bridge) -> None:
    multisite = bridge.multisite
    site = multisite.create_site("one")
    settle(bridge)
    bridge.sandbox.journal.clear()
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
    """Let twenty processes map a name each at the same moment: nothing is lost, and few runs are made."""
    multisite = bridge.multisite
    site = multisite.create_site("one")
    settle(bridge)
    bridge.sandbox.journal.clear()
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


@pytest.mark.mariadb
def test_twenty_processes_at_once(multisite_mariadb: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite_mariadb, tmp_path / "engine", wake="auto") as bridge:
        many_at_once(bridge)


def test_a_watcher_is_told_by_a_file(bridge: Bridge) -> None:
    watch = subprocess.Popen(
        bridge.argv("watch", "--interval=3600"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=bridge.folder,
        env=bridge.environment(),
    )
    try:
        wait_until((bridge.state / "watching").exists)
        assert status(bridge)["wake"] == "file"
        bridge.multisite.create_site("one")
        assert processes(bridge) == []
        wait_for_alias(bridge, "one.example.net")
    finally:
        watch.terminate()
        watch.wait()
    assert status(bridge)["wake"] == "process"


def test_an_engine_that_does_not_work_harms_nobody(bridge: Bridge) -> None:
    multisite = bridge.multisite
    config = multisite.path / "wp-content/mu-plugins/closte-bridge/config.php"
    told = multisite.php_json("(include WP_CONTENT_DIR . '/mu-plugins/closte-bridge/config.php')[1]")
    programs = {name: bridge.folder / name for name in ("missing", "not-executable", "broken", "hanging")}
    for name, text in (("not-executable", "exit 0"), ("broken", "exit 1"), ("hanging", "exec sleep 5")):
        write_script(programs[name], text)
    programs["not-executable"].chmod(0o644)
    changes: list[dict[str, object]] = [{"engine": [str(program)]} for program in programs.values()]
    changes += [{"wake": "file", "wake_file": "/proc/wake"}, {"wake": ["odd"], "engine": "odd", "environment": 5}]
    for number, change in enumerate(changes):
        text = json.dumps(told | change)
        config.write_text(f"<?php return array(1 => json_decode({php_literal(text)}, true));")
        clear_events(multisite)
        ran = multisite.wp("site", "create", f"--slug=s{number}", "--porcelain")
        assert ran.stderr == "", change
        assert [kind for kind, *_ in events(multisite)] == ["mapping_added", "site_created"], change
    assert len(multisite.domains()) == len(changes)
    found = bridge.run("shim", "status", "--format=json")
    assert (found.code, found.codes) == (1, ["shim-stranger", "shim-no-config"])


def test_what_it_is_told_is_no_command(bridge: Bridge) -> None:
    """Paths with all that a shell would act on come through as they are."""
    folder = bridge.folder / 'it\'s "quoted" $(touch executed) `touch executed` ;\n & münchen'
    folder.mkdir()
    config = folder / "config.yaml"
    config.write_bytes(bridge.config.read_bytes())
    ran = bridge.run(f"--config={config}", "shim", "install")
    assert ran.code == 0, ran
    bridge.multisite.create_site("one")
    wait_for_alias(bridge, "one.example.net")
    assert list(bridge.folder.rglob("executed")) == []
    assert not (bridge.multisite.path / "executed").exists()


def test_only_the_poll(bridge: Bridge) -> None:
    bridge.multisite.define("CLOSTE_BRIDGE_WAKE", "none")
    assert status(bridge)["wake"] == "poll"
    bridge.multisite.create_site("one")
    assert processes(bridge) == []
    assert "one.example.net" not in bridge.aliases
    assert bridge.run("sync").code == 0
    assert "one.example.net" in bridge.aliases


def test_the_heartbeat_is_written_rarely_and_without_another_process(bridge: Bridge) -> None:
    multisite = bridge.multisite
    install(bridge, "none")
    assert status(bridge)["heartbeat"] is None
    bridge.run("sync")
    bridge.run("sync")
    first = multisite.network_option("closte_bridge_status")
    assert abs(time.time() - first["heartbeat"]) < 100
    time.sleep(1.1)
    costs = bridge.run("sync", "--format=json").envelope["cost"]
    assert costs["wp_calls"] == 1
    bridge.run("sync")
    assert multisite.network_option("closte_bridge_status") == first
    assert status(bridge)["in_charge"] == "yes"


def test_poisoned_events_are_set_aside(bridge: Bridge) -> None:
    multisite = bridge.multisite
    install(bridge, "none")
    bridge.add_event("mapping_removed", "x" * 300)
    bridge.add_event("no_such_kind", "a.example.com")
    bridge.add_event("site_deleted", "a.example.com", detail="[" * 1900)
    bridge.add_event("mapping_renamed", "b.example.com", detail={"to": 5})
    multisite.sql(
        f"INSERT INTO {EVENTS} (network_id, uid, created_at, kind, blog_id, domain, detail)"
        " VALUES (1, '', 9223372036854775807, '', 9223372036854775807, '', '')"
    )
    multisite.create_site("one")
    assert bridge.run("sync").code == 0
    assert "one.example.net" in bridge.aliases
    bridge.run("sync")
    assert events(multisite) == []
    ran = bridge.run("shim", "status", "--format=json")
    assert ran.code == 1
    assert ran.codes == ["shim-set-aside"]
