"""Tests of what a run reports to the shim, and of events that closte-bridge cannot use, in a real network."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.rows import EVENTS, set_option
from tests.support.shim import events, heartbeat, shimmed, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="none") as bridge:
        yield bridge


def test_partly_failed_run_counts_as_a_heartbeat(bridge: Bridge) -> None:
    """A run counts as a heartbeat if it read WordPress and could add domains, whatever its exit code."""
    multisite = bridge.multisite
    multisite.add_mappings_sql([("bad.example.com", 1), ("good.example.com", 1)])
    bridge.sandbox.set_faults("unknown-error@bad.example.com")
    assert status(bridge)["active"] is False
    assert bridge.run("sync").code == 4
    assert status(bridge)["active"] is True
    # A run that could not add domains is no heartbeat.
    heartbeat(multisite, age=7200)
    with closing(sqlite3.connect(bridge.state / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE meta SET value = value - 7200 WHERE key = 'able'")
    bridge.take_keys(taken=False)
    assert bridge.run("sync").code == 1
    assert bridge.run("sync").code == 1
    silent = bridge.run("shim", "status", "--format=json")
    assert (silent.code, silent.codes) == (1, ["shim-silent"])
    assert silent.envelope["data"]["active"] is False


def test_heartbeat_is_written_rarely_and_without_an_extra_process(bridge: Bridge) -> None:
    multisite = bridge.multisite
    assert status(bridge)["heartbeat"] is None
    costs = bridge.run("sync", "--format=json").envelope["cost"]
    assert costs["wp_calls"] == 2, "the first success tells the shim itself"
    assert bridge.run("doctor").code == 0
    first = multisite.network_option("closte_bridge_status")
    assert abs(time.time() - first["heartbeat"]) < 100
    time.sleep(1.1)
    costs = bridge.run("sync", "--format=json").envelope["cost"]
    assert costs["wp_calls"] == 1
    bridge.run("sync")
    assert multisite.network_option("closte_bridge_status") == first
    assert status(bridge)["active"] is True
    old = first["heartbeat"] - 250
    set_option(multisite, "closte_bridge_status", {**first, "heartbeat": old})
    bridge.run("sync")
    second = multisite.network_option("closte_bridge_status")
    assert second["heartbeat"] > old + 240, "every four minutes it is"
    # Reports have a count, so that an older copy of the database is recognizable by its lower number.
    assert [first["reports"][1], second["reports"]] == [1, [first["reports"][0], 2]]
    assert bridge.run("sync", "--format=json").codes == []
    set_option(multisite, "closte_bridge_status", first)
    assert bridge.run("sync", "--format=json").codes == ["database-restored"]
    assert bridge.run("adopt", "--yes").code == 0
    assert bridge.run("sync", "--format=json").codes == []


def test_malformed_events_are_quarantined(bridge: Bridge) -> None:
    multisite = bridge.multisite
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
    assert ran.codes == ["shim-quarantined"]
