"""Tests that kill PHP before each write of a request to the database: to mappings and to the shim's events.

Each change is either complete in the table or absent; closte-bridge finds changes without an event by reading.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import SqliteDatabase
from tests.support.shim import clear_events, events, shimmed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

STAYS, OLD, NEW, GONE, FRESH = (f"{label}.example.org" for label in ("stays", "old", "new", "gone", "fresh"))
# One request renames a mapping, deletes another and creates a third. PHP dies before the write with the given number.
REQUEST = """
    $GLOBALS['writes'] = 0;
    add_filter('query', function ($query) use ($args) {
        if (preg_match('/^\\s*(INSERT|UPDATE|DELETE|REPLACE)\\b/i', $query)) {
            if (++$GLOBALS['writes'] === (int) $args[0]) { posix_kill(getmypid(), 9); sleep(9); }
            fwrite(STDERR, preg_match('/closte_bridge_events/', $query) ? "event\\n" : "write\\n");
        }
        return $query;
    });
    $old = wu_get_domain_by_domain($args[2]);
    $old->set_domain($args[3]);
    $old->save();
    wu_get_domain_by_domain($args[4])->delete();
    wu_create_domain(['domain' => $args[5], 'blog_id' => (int) $args[1]]);
"""


def request(multisite: Multisite, site: int, die_at: int) -> tuple[int, list[str]]:
    """Make the request; return the exit status of PHP, and `event` or `write` for each write."""
    args = (str(die_at), str(site), OLD, NEW, GONE, FRESH)
    ran = multisite.wp("eval-file", "-", *args, stdin=f"<?php\n{REQUEST}\n", check=False)
    return ran.returncode, [word for word in ran.stderr.split("\n") if word in {"event", "write"}]


def converge(bridge: Bridge, context: str) -> None:
    """Sync until both sides agree; no mapped domain may be missing at any time."""
    for _ in range(6):
        ran = bridge.run("sync", "--format=json")
        assert ran.code in {0, 3}, (context, ran)
        mapped = {*bridge.multisite.domains()}
        assert mapped <= bridge.aliases, context
        if bridge.aliases == mapped | {"stranger.example.net"}:
            return
        time.sleep(1.05)
    raise AssertionError((context, bridge.aliases, mapped))


def test_php_crash_before_any_request_write_is_recovered(multisite: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite, tmp_path / "engine", removal_delay="1s", removal_grace="1s") as bridge:
        site = multisite.create_site("one")
        for name in (STAYS, OLD, GONE):
            multisite.add_mapping(name, site)
        bridge.sandbox.aliases = bridge.sandbox.aliases | {"stranger.example.net"}
        assert bridge.run("sync").code == 0
        clear_events(multisite)
        assert isinstance(multisite.database, SqliteDatabase)
        database, aliases = multisite.database.path, bridge.sandbox.aliases
        shutil.copyfile(database, tmp_path / "rows")
        shutil.copytree(bridge.state, tmp_path / "state")

        status, writes = request(multisite, site, 0)
        assert status == 0
        assert writes.count("event") >= 1
        assert len(writes) >= 8
        kinds = {kind for kind, *_ in events(multisite)}
        assert {"mapping_renamed", "mapping_removed", "mapping_added"} <= kinds
        for number in range(1, len(writes) + 1):
            shutil.copyfile(tmp_path / "rows", database)
            shutil.rmtree(bridge.state)
            shutil.copytree(tmp_path / "state", bridge.state)
            bridge.sandbox.aliases = aliases
            context = f"died before write {number} of {len(writes)} ({writes[number - 1]})"
            assert request(multisite, site, number)[0] not in {0, 1}, context
            converge(bridge, context)
