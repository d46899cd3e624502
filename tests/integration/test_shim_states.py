"""Tests of the domain states that the engine writes for people, in a real network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.shim import shimmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real
STATES = "wp_closte_bridge_domains"


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="none") as bridge:
        yield bridge


def asked(multisite: Multisite, code: str) -> Any:  # noqa: ANN401 - decoded JSON
    """Return what PHP code returns inside WordPress, with the shim loaded."""
    text = multisite.wp("eval", f"echo '<<' . json_encode( {code} ) . '>>';").stdout
    return json.loads(text.split("<<")[1].split(">>")[0])


def states(multisite: Multisite) -> dict[str, dict[str, Any]]:
    rows = multisite.sql(f"SELECT * FROM {STATES} ORDER BY network_id, domain")
    return {str(row["domain"]): {**row, "args": json.loads(row["args"] or "null")} for row in rows}


def wp_calls(bridge: Bridge, *args: str) -> int:
    return int(bridge.run(*(args or ("sync",)), "--format=json").envelope["cost"]["wp_calls"])


def test_states_are_written_in_the_run_that_finds_them(bridge: Bridge) -> None:
    multisite = bridge.multisite
    assert wp_calls(bridge) == 2, "the first report and the first states share a call"
    assert wp_calls(bridge) == 1, "a run that changes nothing"
    multisite.add_mappings_sql([("new.example.com", 1), ("bad.example.com", 1)])
    bridge.sandbox.set_faults("unknown-error@bad.example.com")
    assert wp_calls(bridge) == 2
    found = states(multisite)
    new, bad = found["new.example.com"], found["bad.example.com"]
    assert (new["status"], new["state"], new["blog_id"], new["needs"]) == ("in-sync", "added", "1", "")
    assert (bad["status"], bad["state"], bad["code"], bad["needs"]) == ("on-hold", "blocked", "back-off", "operator")
    assert (bad["args"]["plan_step"], bad["args"]["until"] > int(bad["since"])) == ("add-later", True)
    assert [entry[1:] for entry in bad["args"]["history"]] == [["blocked", "back-off"]]
    assert wp_calls(bridge) == 1
    bridge.sandbox.set_faults()
    assert bridge.run("sync", "--retry").code == 0
    later = states(multisite)["bad.example.com"]
    assert (later["status"], later["code"]) == ("in-sync", "")
    assert [entry[1:] for entry in later["args"]["history"]] == [["added", ""], ["blocked", "back-off"]]
    multisite.sql("DELETE FROM wp_wu_domain_mappings WHERE domain = 'bad.example.com'")
    bridge.run("sync")
    assert (states(multisite)["bad.example.com"]["status"]) == "on-hold"
    assert bridge.run("domain", "release", "bad.example.com", "--yes").code == 0
    bridge.run("sync")
    assert (states(multisite)["bad.example.com"]["status"]) == "unmanaged"
