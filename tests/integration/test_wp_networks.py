"""Tests of an installation with several networks: closte-bridge reads each by its address."""

from __future__ import annotations

import pytest

from closte_bridge.wordpress.snapshot import Owner
from tests.support.rows import add_event, create_events_table, set_option
from tests.support.running import wp_settings
from tests.support.snapshots import names, read
from tests.support.wordpress import TABLE, Multisite

pytestmark = pytest.mark.real

SECOND = r"""
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
populate_network(2, 'second.example.com', 'admin@example.net', 'Second', '/', true);
$blog = wp_insert_site(
    ['domain' => 'second.example.com', 'path' => '/', 'network_id' => 2, 'title' => 'Second', 'user_id' => 1]
);
if (is_wp_error($blog)) { WP_CLI::error($blog->get_error_message()); }
update_network_option(2, 'site_name', 'Second');
update_network_option(2, 'active_sitewide_plugins', get_network_option(1, 'active_sitewide_plugins'));
update_network_option(2, 'wu_setup_finished', time());
echo "\nid=$blog\n";
"""


def add_second_network(multisite: Multisite) -> int:
    """Create the network `second.example.com` in the same installation and return its main site."""
    blog_id = int(multisite.php(SECOND).rsplit("id=", 1)[1])
    multisite.undefine("DOMAIN_CURRENT_SITE", "PATH_CURRENT_SITE", "SITE_ID_CURRENT_SITE", "BLOG_ID_CURRENT_SITE")
    return blog_id


def test_networks_of_one_installation_are_read_separately(multisite: Multisite) -> None:
    blog_id = add_second_network(multisite)
    multisite.sql(f"DELETE FROM {TABLE}")
    multisite.add_mappings_sql([("first.example.org", 1), ("other.example.org", blog_id)])
    create_events_table(multisite)
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True}, network_id=2)
    set_option(multisite, "closte_bridge_owner", {"engine": "e2", "host": "h", "since": "s"}, network_id=2)
    for network_id in (1, 2):
        add_event(multisite, "everything", uid=f"of-{network_id}", network_id=network_id)
    first = read(wp_settings(multisite, url="example.net"))
    second = read(wp_settings(multisite, url="http://second.example.com/"))
    assert (first.network.id, first.network.domain, first.network.main_site) == (1, "example.net", 1)
    assert (second.network.id, second.network.domain, second.network.main_site) == (2, "second.example.com", blog_id)
    # The networks share the table, so the snapshot contains domains of both.
    assert names(first) == names(second) == ["first.example.org", "other.example.org"]
    assert {site.network_id for site in first.sites.values()} == {1, 2}
    assert (first.settings.integration, second.settings.integration) == (False, True)
    assert (first.owner, second.owner) == (None, Owner("e2", "h", "s"))
    assert ([e.uid for e in first.events], [e.uid for e in second.events]) == (["of-1"], ["of-2"])
    # closte-bridge also reads the table that Ultimate Multisite creates for a single network.
    multisite.php(
        'global $wpdb; $create = $wpdb->get_row("SHOW CREATE TABLE $args[0]", ARRAY_N)[1];'
        " $wpdb->query(str_replace($args[0], $args[1], $create));",
        TABLE,
        "wp_wu_2_domain_mappings",
    )
    columns = "blog_id, domain, active, primary_domain, secure, stage, date_created, date_modified"
    multisite.sql(
        f"INSERT INTO wp_wu_2_domain_mappings ({columns})"
        f" VALUES ({blog_id}, 'own-table.example.org', 1, 0, 0, 'done', NULL, NULL)"
    )
    assert "own-table.example.org" in names(read(wp_settings(multisite, url="second.example.com")))
    # Without an address `wp` selects the first network without a warning.
    assert read(wp_settings(multisite)).network.id == 1
