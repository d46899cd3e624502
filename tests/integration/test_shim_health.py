"""Site Health and System Info show whether closte-bridge works, to super admins on the main site only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.admin_session import admin_session
from tests.support.customers import own_admin
from tests.support.parts import is_mock_plugin
from tests.support.rows import set_option
from tests.support.shim import MU_PLUGINS, heartbeat, shimmed
from tests.support.web import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SHOW = r"""
$found = array();
foreach ( apply_filters( 'site_status_tests', array( 'direct' => array() ) )['direct'] as $name => $test ) {
    $result                                                 = call_user_func( $test['test'] );
    $found['tests'][ substr( $name, strlen( 'closte_bridge_' ) ) ] = array( $result['status'], $result['description'] );
}
$found['info']   = apply_filters( 'debug_information', array() );
$found['system'] = apply_filters( 'wu_system_info_data', array() );
echo wp_json_encode( $found );
"""
NAMES = ["owner", "files", "states", "trigger", "cache", "approval", "failures", "parts"]


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine", wake="file") as bridge:
        bridge.run("sync")
        yield bridge


def shown(multisite: Multisite, *options: str, user: str = "--user=1") -> dict[str, Any]:
    text = multisite.wp("eval-file", "-", user, *options, stdin=f"<?php {SHOW}").stdout
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def bad(multisite: Multisite) -> dict[str, str]:
    """Return the description of each test that is not good."""
    return {name: text for name, (status, text) in shown(multisite)["tests"].items() if status != "good"}


def test_healthy_network_is_green(bridge: Bridge) -> None:
    multisite = bridge.multisite
    found = shown(multisite)
    assert list(found["tests"]) == NAMES
    assert {name: text for name, (status, text) in found["tests"].items() if status != "good"} == {}
    fields = {key: field["value"] for key, field in found["info"]["closte-bridge"]["fields"].items()}
    assert (fields["engine"], fields["mode"], fields["states"]) == (fields["shim"], "normal", "yes")
    assert {row["value"] for row in found["system"]["closte-bridge"].values()} == {*fields.values()}
    # Neither of a network's customers, nor on the site of one.
    multisite.wp("user", "create", "customer", "customer@example.org", "--role=administrator")
    other = shown(multisite, user="--user=customer")
    assert (other.get("tests"), other["info"]) == (None, [])
    multisite.create_site("two")
    assert shown(multisite, "--url=two.example.net").get("tests") is None


def test_each_fault_is_shown_with_its_remedy(bridge: Bridge) -> None:
    multisite = bridge.multisite
    folder = multisite.path / MU_PLUGINS / "closte-bridge"
    multisite.add_mappings_sql([("bad.example.org", 1)])
    bridge.sandbox.set_faults("unknown-error@bad.example.org")
    bridge.run("sync")
    (folder / "class-records.php").unlink()
    with (folder / "class-advice.php").open("a") as file:
        file.write("// changed\n")
    heartbeat(multisite, age=7200)
    multisite.add_mu_plugin("wake", "define( 'CLOSTE_BRIDGE_WAKE', 'none' );")
    multisite.php("Closte_Bridge\\report( 'Events::<b>', new Error( 'secret' ) );")
    found = bad(multisite)
    assert [*found] == ["owner", "files", "trigger", "failures", "parts"]
    assert "closte-bridge/class-advice.php, closte-bridge/class-records.php" in found["files"]
    assert "<code>closte-bridge shim install</code>" in found["files"]
    assert "1 domain" in found["failures"]
    assert "Events::&lt;b&gt;: Error in" in found["parts"]
    assert "secret" not in found["parts"]
    multisite.php('global $wpdb; $wpdb->query("DROP TABLE wp_closte_bridge_domains");')
    assert "closte-bridge sync" in bad(multisite)["states"]
    set_option(multisite, "closte_bridge_owner", None)
    assert "closte-bridge adopt" in bad(multisite)["owner"]


def test_failure_of_a_part_is_kept_once_and_never_surfaces(bridge: Bridge) -> None:
    multisite = bridge.multisite
    (multisite.path / MU_PLUGINS / "closte-bridge" / "class-events.php").write_text("<?php throw new Error( 'no' );")
    multisite.create_site("one")
    kept = multisite.network_option("closte_bridge_failures")
    assert ("Error", "class-events.php:1") in {(one["error"], one["place"]) for one in kept.values()}
    assert len(kept) <= 10
    multisite.create_site("two")
    assert multisite.network_option("closte_bridge_failures").keys() == kept.keys()
    text = shown(multisite)["tests"]["parts"][1]
    assert "class-events.php:1" in text


def test_test_that_throws_is_a_result(bridge: Bridge) -> None:
    multisite = bridge.multisite
    (multisite.path / MU_PLUGINS / "closte-bridge" / "class-states.php").write_text("<?php throw new Error( 'no' );")
    found = bad(multisite)
    assert {"states", "approval", "failures", "parts"} <= found.keys()


def test_pages_show_the_results_to_super_admins(bridge: Bridge, tmp_path: Path) -> None:
    multisite = bridge.multisite
    own_admin(multisite)
    with web_server(multisite, tmp_path / "web") as server:
        admin = admin_session(multisite, server)
        health = admin.get("/wp-admin/site-health.php").text
        assert "closte_bridge_owner" in health
        assert "closte-bridge keeps the domains of this network in sync with Closte" in health
        info = admin.get("/wp-admin/site-health.php?tab=debug").words
        assert "Table of domain states yes" in info
        if not is_mock_plugin():
            system = admin.get("/wp-admin/network/admin.php?page=wp-ultimo-system-info").words
            assert "Table of domain states" in system
        # The plugin's own page has warnings.
        log = server.log.read_text() if server.log.exists() else ""
        assert [line for line in log.splitlines() if "PHP " in line and "closte-bridge" in line] == []
