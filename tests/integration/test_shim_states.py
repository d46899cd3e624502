"""Tests of the domain states that the engine writes for people, in a real network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rows import set_option
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


PAGES = r"""
use Closte_Bridge\States;
Closte_Bridge\run( 'States', 'table' );
$names = static fn( array $query ) => array_column( States::page( $query )['rows'], 'domain' );
$all   = array();
foreach ( array_keys( States::VIEWS ) as $view ) {
    $all[ $view ] = array( $names( array( 'view' => $view ) ), States::page( array( 'view' => $view ) )['total'] );
}
$odd = array( 'view' => array(), 'search' => "\u{e9}'%_", 'orderby' => 'a; DROP', 'per_page' => 'x', 'offset' => -5 );
echo wp_json_encode( array(
    'views'  => $all,
    'counts' => States::counts(),
    'sum'    => States::summary(),
    'second' => $names( array( 'per_page' => 2, 'offset' => 1, 'order' => 'DESC' ) ),
    'search' => $names( array( 'search' => ' B.Exa' ) ),
    'odd'    => States::page( $odd ),
    'blog'   => $names( array( 'blog_id' => 1, 'orderby' => 'since' ) ),
    'of'     => States::of( array( 'B.example.org', 'none.example.org', 5, '' ) ),
    'site'   => States::of_site( 1 ),
    'none'   => array( States::of_site( 99 ), States::of( array() ), States::counts( 7 )['all'] ),
    'errors' => $GLOBALS['wpdb']->last_error,
) );
"""


def read_pages(multisite: Multisite) -> dict[str, Any]:
    """Return what the shim reads from the table."""
    found = json.loads(multisite.wp("eval-file", "-", stdin=f"<?php {PAGES}").stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kind", ["multisite", "multisite_mariadb"])
def test_pages_of_states_and_a_table_that_changed(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    multisite: Multisite = request.getfixturevalue(kind)
    with shimmed(multisite, tmp_path / "engine") as bridge:
        bridge.sandbox.aliases = {*bridge.sandbox.aliases, "unmanaged.example.org"}
        multisite.add_mappings_sql([("a.example.org", 1), ("b.example.org", 1), ("gone.example.org", 77)])
        bridge.sandbox.set_faults("unknown-error@b.example.org")
        bridge.run("sync")
        found = read_pages(multisite)
        views = found["views"]
        assert views["all"] == [sorted(states(multisite)), len(states(multisite))]
        assert views["failed"] == [["b.example.org"], 1]
        www = ["www.a.example.org", "www.b.example.org"]
        assert views["on-hold"][0] == ["b.example.org", *www]
        assert views["unmanaged"] == [["unmanaged.example.org"], 1]
        assert views["site-gone"] == [["gone.example.org"], 1]
        # The engine counts the same.
        assert found["counts"] == {view: total for view, (_, total) in views.items()} == found["sum"]["counts"]
        assert found["sum"]["phases"]["blocked"] == 4
        assert (found["sum"]["mode"], found["sum"]["last_run"]["outcome"]) == ("normal", "some-failed")
        assert found["second"] == sorted(states(multisite), reverse=True)[1:3]
        assert (found["search"], found["odd"]) == (["b.example.org", www[1]], {"rows": [], "total": 0})
        assert {"a.example.org", "b.example.org"} <= {*found["blog"]} == {row["domain"] for row in found["site"]}
        (row,) = found["of"].values()
        assert (row["blog_id"], row["code"], row["args"]["plan_step"]) == (1, "back-off", "add-later")
        assert (found["none"], found["errors"]) == ([[], [], 0], "")
        _check_repairs(bridge)


def _check_repairs(bridge: Bridge) -> None:
    """Break the table in several ways; the next run repairs it with one more call, and the one after makes none."""
    multisite = bridge.multisite
    complete = states(multisite)
    for broken in (
        f"DELETE FROM {STATES} WHERE domain = 'a.example.org'",
        "DELETE FROM wp_sitemeta WHERE meta_key = 'closte_bridge_status'",
    ):
        multisite.sql(f"UPDATE {STATES} SET args = 'x', state = '<b>', since = -1")
        multisite.sql(broken)
        assert wp_calls(bridge) == 2, broken
        assert states(multisite) == complete
        assert wp_calls(bridge) == 1
    multisite.php(f'global $wpdb; $wpdb->query("DROP TABLE {STATES}");')
    assert read_pages(multisite)["views"]["all"] == [[], 0]
    assert wp_calls(bridge) == 2
    assert states(multisite) == complete


def test_hostile_rows_are_data(bridge: Bridge) -> None:
    multisite = bridge.multisite
    bridge.run("sync")
    deep = "[" * 5000
    for number, args in enumerate(["", "x", "5", deep, '{"step": "<script>"}', "{" + "x" * 9000]):
        multisite.sql(f"INSERT INTO {STATES} VALUES (1, 'h{number}.org', 1, '<b>', '', '', 'x', '{args}', -5, 9)")
    rows = {row["domain"]: row for row in read_pages(multisite)["site"]}
    assert [rows[f"h{number}.org"]["args"] for number in range(6)] == [[], [], [], [], {"step": "<script>"}, []]
    assert rows["h0.org"]["since"] == -5


def test_failed_write_is_a_warning(bridge: Bridge) -> None:
    multisite = bridge.multisite
    bridge.run("sync")
    # A table of the same name that WordPress did not make.
    multisite.php(
        f'global $wpdb; $wpdb->query("DROP TABLE {STATES}"); $wpdb->query("CREATE TABLE {STATES} (network_id int)");'
    )
    multisite.add_mappings_sql([("new.example.com", 1)])
    ran = bridge.run("sync", "--format=json")
    assert (ran.code, ran.codes) == (0, ["states-not-written"])
    assert "new.example.com" in bridge.aliases
    multisite.php(f'global $wpdb; $wpdb->query("DROP TABLE {STATES}");')
    assert bridge.run("sync", "--format=json").codes == []
    assert "new.example.com" in states(multisite)


def test_only_the_owner_writes_and_networks_are_separate(bridge: Bridge) -> None:
    multisite = bridge.multisite
    bridge.run("sync")
    multisite.sql(f"INSERT INTO {STATES} VALUES (2, 'other.org', 5, 'live', 'in-sync', '', '', '{{}}', 1, 2)")
    owner = multisite.network_option("closte_bridge_owner")
    set_option(multisite, "closte_bridge_owner", {**owner, "engine": "other"})
    multisite.add_mappings_sql([("new.example.com", 1)])
    before = states(multisite)
    assert bridge.run("sync").code == 7
    assert states(multisite) == before
    set_option(multisite, "closte_bridge_owner", owner)
    multisite.sql(f"DELETE FROM {STATES} WHERE network_id = 1")
    bridge.run("sync")
    after = states(multisite)
    assert {"new.example.com", "other.org"} <= after.keys()
    assert "other.org" not in read_pages(multisite)["views"]["all"][0]


def test_nothing_is_left_after_the_uninstallation(bridge: Bridge) -> None:
    multisite = bridge.multisite
    bridge.run("sync")
    assert states(multisite)
    assert bridge.run("shim", "uninstall", "--yes", "--keep-owner").code == 0
    shown = multisite.php_json("$GLOBALS['wpdb']->get_col(\"SHOW TABLES LIKE '%closte_bridge%'\")")
    assert (shown, multisite.network_option("closte_bridge_status")) == ([], None)
    assert wp_calls(bridge) == 1
    assert multisite.php_json("$GLOBALS['wpdb']->get_col(\"SHOW TABLES LIKE '%closte_bridge%'\")") == []


def test_paused_network_says_so(bridge: Bridge) -> None:
    multisite = bridge.multisite
    bridge.run("sync")
    rows = states(multisite)
    multisite.set_network_option("wu_host_integrations_enabled", {"closte": False})
    assert wp_calls(bridge) == 2
    assert multisite.network_option("closte_bridge_status")["summary"]["mode"] == "inactive"
    assert states(multisite) == rows
    assert wp_calls(bridge) == 1
