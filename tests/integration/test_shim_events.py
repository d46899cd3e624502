"""Tests of the events that the shim records in a real network, for every kind of change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.parts import is_mock_plugin
from tests.support.rows import EVENTS, set_option
from tests.support.shim import clear_events, events, heartbeat, shimmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine") as bridge:
        yield bridge


def test_mapping_changes_are_recorded(network: Multisite) -> None:
    site = network.create_site("one")
    clear_events(network)
    network.add_mapping("shop.example.com", site)
    network.rename_mapping("shop.example.com", "store.example.com")
    network.set_stage("store.example.com", "done")
    network.delete_mapping("store.example.com")
    assert events(network) == [
        ("mapping_added", site, "shop.example.com", None),
        ("mapping_renamed", site, "store.example.com", {"from": "shop.example.com"}),
        ("stage_changed", site, "store.example.com", {"from": "checking-dns", "to": "done"}),
        ("mapping_removed", site, "store.example.com", None),
    ]


def test_site_changes_are_recorded(network: Multisite) -> None:
    site = network.create_site("one")
    name = "one.example.net"
    assert events(network) == [("mapping_added", site, name, None), ("site_created", site, name, None)]
    network.add_mapping("shop.example.com", site)
    clear_events(network)
    for verb in ("archive", "unarchive", "spam", "unspam", "deactivate", "activate"):
        network.wp("site", verb, str(site))
    network.delete_site(site)
    kinds = [kind for kind, *_ in events(network)]
    assert kinds == [
        "site_archived",
        "site_restored",
        "site_archived",
        "site_restored",
        "site_archived",
        "site_restored",
        "mapping_removed",
        "mapping_removed",
        "site_deleted",
    ]
    *_, one, other, (_, _, _, detail) = events(network)
    assert {one[2], other[2]} == {name, "shop.example.com"}
    assert detail == {"domains": [name]}


def test_remaining_mappings_of_a_deleted_site_are_not_evidence(network: Multisite) -> None:
    """Ultimate Multisite keeps the rows while domain mapping is off. Deleting them creates separate events."""
    site = network.create_site("one")
    network.add_mapping("shop.example.com", site)
    network.set_setting("enable_domain_mapping", False)
    clear_events(network)
    network.delete_site(site)
    assert events(network) == [("site_deleted", site, "one.example.net", {"domains": []})]
    clear_events(network)
    network.delete_mapping("shop.example.com")
    assert [(kind, domain) for kind, _, domain, _ in events(network)] == [("mapping_removed", "shop.example.com")]


def test_deleted_site_with_its_mappings_lists_their_domains(network: Multisite) -> None:
    site = network.create_site("one")
    network.add_mapping("shop.example.com", site)
    # Otherwise, Ultimate Multisite deletes the mappings first, with an event for each.
    network.set_setting("enable_domain_mapping", False)
    clear_events(network)
    network.php(
        "global $wpdb; wpmu_delete_blog((int) $args[0], true);"
        " $wpdb->delete($wpdb->base_prefix . 'wu_domain_mappings', ['blog_id' => (int) $args[0]]);",
        str(site),
    )
    assert sorted(events(network)[-1][3]["domains"]) == ["one.example.net", "shop.example.com"]


def test_duplicated_site_is_recorded(network: Multisite) -> None:
    source = network.create_site("one")
    clear_events(network)
    copy = network.duplicate_site(source, "two.example.net")
    found = events(network)
    assert ("site_duplicated", copy, "two.example.net", {"from": source}) in found
    assert ("mapping_added", copy, "two.example.net", None) in found
    assert network.domains().count("two.example.net") == 1


def test_settings_and_toggle_changes_are_recorded(network: Multisite) -> None:
    network.enable_closte(enabled=False)
    network.enable_closte(enabled=False)
    network.enable_closte()
    network.set_setting("auto_create_www_subdomain", "never")
    network.set_setting("some_other_setting", "x")
    network.set_network_option("wu_hosting_credential_CLOSTE_CLIENT_API_KEY", "secret-as-anything")
    found = events(network)
    assert [(kind, detail) for kind, _, _, detail in found] == [
        ("toggle_changed", {"enabled": False}),
        ("toggle_changed", {"enabled": True}),
        ("settings_changed", {"settings": ["auto_create_www_subdomain"]}),
        ("settings_changed", {"settings": ["api_key"]}),
    ]


def test_stage_checks_of_ultimate_multisite_record_no_event(network: Multisite) -> None:
    site = network.create_site("one")
    network.add_mapping("shop.example.com", site)
    clear_events(network)
    network.add_mu_plugin("dns", "add_filter('wu_domain_has_correct_dns', '__return_true');")
    network.php("do_action('wu_async_process_domain_stage', wu_get_domain_by_domain('shop.example.com')->get_id(), 0);")
    assert events(network) == []


def test_calls_by_closte_bridge_record_no_event(network: Multisite) -> None:
    network.create_site("one")
    clear_events(network)
    network.php("define('CLOSTE_BRIDGE_ENGINE', true); wu_get_domain_by_domain('one.example.net')->delete();")
    assert network.domains() == []
    assert events(network) == []


def test_event_flood_becomes_one_event(network: Multisite) -> None:
    network.php(
        r"""for ($i = 0; $i < 1500; $i++) { Closte_Bridge\run('Events', 'domain_changed', ['new', "$i.example"]); }"""
    )
    assert events(network) == [("everything", 0, "", None)]


def test_event_flood_is_recorded_for_each_network(network: Multisite) -> None:
    network.sql("INSERT INTO wp_site (id, domain, path) VALUES (2, 'second.example.com', '/')")
    set_option(network, "closte_bridge_owner", {"engine": "e2", "host": "h", "since": "s"}, network_id=2)
    second = network.create_site("one")
    network.sql(f"UPDATE wp_blogs SET site_id = 2 WHERE blog_id = {second}")
    clear_events(network)
    network.php(
        r"""for ($i = 0; $i < 1500; $i++) { Closte_Bridge\run('Events', 'domain_changed', ['new', "$i.example"]); }
        wu_create_domain(['domain' => 'shop.example.com', 'blog_id' => (int) $args[0]]);""",
        str(second),
    )
    assert "shop.example.com" in network.domains()
    told = network.sql(f"SELECT network_id, kind FROM {EVENTS} ORDER BY id")
    assert [(row["network_id"], row["kind"]) for row in told] == [("1", "everything"), ("2", "everything")]


def test_repeated_event_in_one_request_is_recorded_once(network: Multisite) -> None:
    network.php("for ($i = 0; $i < 5; $i++) { do_action('archive_blog', 1); }")
    assert events(network) == [("site_archived", 1, "example.net", None)]


@pytest.mark.parametrize("before", ["", "do_action('unarchive_blog', 1);"])
def test_late_shutdown_events_are_recorded(network: Multisite, before: str) -> None:
    """Other plugins may use the last priority of the last hook, before or after the shim's callback."""
    network.php(f"{before} add_action('shutdown', function () {{ do_action('archive_blog', 1); }}, PHP_INT_MAX);")
    assert events(network)[-1] == ("site_archived", 1, "example.net", None)


def test_no_event_is_recorded_without_an_owner(network: Multisite) -> None:
    network.php("delete_network_option(null, 'closte_bridge_owner');")
    network.create_site("one")
    assert events(network) == []


def test_hostile_domains_are_stored_as_text(bridge: Bridge) -> None:
    multisite = bridge.multisite
    mark = bridge.folder / "executed"
    hostile = [
        f"a'; touch {mark}; '.example.com",
        f"$(touch {mark}).example.com",
        f"`touch {mark}`\nX: y.example.com",
        '"quoted" %s %d {} \\.example.com',
        "münchen-\u202e\U0001f600.example",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + ".example.com",
    ]
    multisite.php(
        r"""
        function changed(...$args) { Closte_Bridge\run('Events', 'domain_changed', $args); }
        foreach (json_decode($args[0]) as $name) { changed('new', $name, 0); }
        changed('new', "bad\xff\xfe.example.com", 0);
        changed('new', str_repeat('a', 10240) . '.example.com', 0);
        changed(str_repeat('b', 10240), 'c.example.com', 0);
        changed(array('x'), new stdClass(), 0);
        do_action('wu_duplicate_site', array('site_id' => 'x'));
        foreach (array('domain_deleted', 'domain_saved', 'site_created', 'site_deleted', 'stage_changed') as $method) {
            foreach (array(null, 7, 'text', array(), new stdClass()) as $odd) {
                Closte_Bridge\run('Events', $method, array($odd, $odd, $odd));
            }
        }""",
        json.dumps(hostile),
    )
    found = events(multisite)
    assert [domain for kind, _, domain, _ in found if kind == "mapping_added"][: len(hostile)] == hostile
    assert {kind for kind, *_ in found} == {"mapping_added", "everything"}, found
    assert all(len(domain) <= 253 for _, _, domain, _ in found)
    # The next syncs process the events without an error.
    assert bridge.run("sync").code == 0
    assert bridge.run("sync").code == 0
    assert events(multisite) == []
    assert not mark.exists()


def test_missing_events_table_does_not_break_requests(bridge: Bridge) -> None:
    multisite = bridge.multisite
    multisite.php("global $wpdb; $wpdb->query('DROP TABLE wp_closte_bridge_events');")
    ran = multisite.wp("site", "create", "--slug=one", "--porcelain")
    assert ran.stderr == ""
    assert multisite.domains() == ["one.example.net"]
    assert bridge.run("shim", "status", "--format=json").codes == ["shim-no-table"]


def test_provider_listeners_are_removed_while_closte_bridge_reports(network: Multisite) -> None:
    sending = {"wu_add_domain", "wu_add_subdomain"}

    def asked_for(slug: str) -> set[str]:
        network.create_site(slug)
        return {hook for hook, args in network.jobs() if slug in json.dumps(args)} & sending

    # Without a heartbeat the plugin's provider works.
    assert asked_for("one") == sending
    heartbeat(network)
    assert asked_for("two") == set()
    heartbeat(network, age=1700)
    assert asked_for("three") == set()
    heartbeat(network, age=1900)
    assert asked_for("four") == sending
    heartbeat(network, age=-4000)
    assert asked_for("five") == sending
    heartbeat(network)
    network.define("CLOSTE_BRIDGE_DISABLE", value=True)
    assert asked_for("six") == sending
    network.define("CLOSTE_BRIDGE_DISABLE", value=False)
    assert asked_for("seven") == set()
    network.php("delete_network_option(null, 'closte_bridge_owner');")
    assert asked_for("eight") == sending


def test_network_of_the_site_decides_about_its_provider(network: Multisite) -> None:
    """The provider depends on the heartbeat of the site's network, not on that of the request's network."""
    network.php(
        "require_once ABSPATH . 'wp-admin/includes/upgrade.php';"
        " populate_network(2, 'second.example.com', 'admin@example.net', 'Second', '/', true);"
    )

    def asked_for(slug: str, network_id: int) -> bool:
        made = f"wpmu_create_blog('{slug}.example.org', '/', 'T', 1, array(), {network_id})"
        mapped = f"wu_create_domain(array('domain' => 'shop.{slug}.com', 'blog_id' => $site))"
        network.php(f"$site = {made}; {mapped};")
        wanted = {f"{slug}.example.org", f"shop.{slug}.com"}
        told = {name for _, args in network.jobs() for name in args.values() if name in wanted}
        assert told in (wanted, set())
        return bool(told)

    heartbeat(network)
    assert (asked_for("one", 1), asked_for("two", 2)) == (False, True)
    set_option(network, "closte_bridge_owner", {"engine": "e2", "host": "h", "since": "s"}, network_id=2)
    heartbeat(network, network_id=2)
    set_option(network, "closte_bridge_owner", None)
    assert (asked_for("three", 1), asked_for("four", 2)) == (True, False)


SENDING = r"""
add_filter('pre_http_request', function ($answer, $args, $url) {
    add_option('sent_' . md5($url), $url);
    return new WP_Error('no');
}, 10, 3);
"""
LISTENERS = r"""
function counted($hook) {
    global $wp_filter;
    $count = 0;
    foreach ($wp_filter[$hook]->callbacks ?? array() as $callbacks) {
        foreach ($callbacks as $callback) { $count += is_array($callback['function']); }
    }
    return $count;
}
"""


def test_queued_provider_jobs_are_not_sent_twice(network: Multisite) -> None:
    network.add_mu_plugin("counting", LISTENERS)
    run = "(do_action($args[0], 'x.example.com', 1) ?? counted($args[0]))"
    network.add_mu_plugin("http", SENDING)
    heartbeat(network)
    for hook in ("wu_add_domain", "wu_remove_domain", "wu_add_subdomain", "wu_remove_subdomain"):
        assert network.php_json(run, hook) == 0
    assert network.php_json("counted('wu_add_domain')") == 1, "given back, or never taken: nothing was asked here"
    assert network.sql("SELECT option_name FROM wp_options WHERE option_name LIKE 'sent_%'") == []
    heartbeat(network, age=4000)
    network.php("do_action('wu_remove_domain', 'x.example.com', 1);")
    assert len(network.sql("SELECT option_name FROM wp_options WHERE option_name LIKE 'sent_%'")) == 1


def test_provider_layout_before_2_5_is_recognised(network: Multisite) -> None:
    if not is_mock_plugin():
        pytest.skip("the layout before 2.5 cannot be beside the real one")
    network.add_mu_plugin(
        "older",
        "eval('namespace WP_Ultimo\\Integrations\\Host_Providers; class Closte_Host_Provider { "
        'public function on_add_domain($d, $s) { add_option("old_sent", $d); } }\');'
        "add_action('plugins_loaded', function () { add_action('wu_add_domain', "
        "array(new \\WP_Ultimo\\Integrations\\Host_Providers\\Closte_Host_Provider(), 'on_add_domain'), 10, 2); });",
    )
    heartbeat(network)
    network.php("do_action('wu_add_domain', 'x.example.com', 1);")
    assert network.sql("SELECT option_value FROM wp_options WHERE option_name = 'old_sent'") == []
    heartbeat(network, age=4000)
    network.add_mu_plugin("http", "add_filter('pre_http_request', fn() => new WP_Error('no'));")
    network.php("do_action('wu_add_domain', 'x.example.com', 1);")
    assert len(network.sql("SELECT option_value FROM wp_options WHERE option_name = 'old_sent'")) == 1


def test_admin_notice_and_dns_verdict_follow_the_status(network: Multisite) -> None:
    site = network.create_site("one")
    network.add_mapping("shop.example.com", site)
    network.add_mu_plugin(
        "seen", "function seen($hook) { wp_set_current_user(1); ob_start(); do_action($hook); return ob_get_clean(); }"
    )
    notice = "seen('network_admin_notices')"
    verdict = "apply_filters('wu_domain_has_correct_dns', false, wu_get_domain_by_domain('shop.example.com'), array())"
    assert "closte-bridge has not synced yet." in network.php_json(notice)
    heartbeat(network, age=3600)
    assert "closte-bridge has not synced successfully for 1 hour." in network.php_json(notice)
    heartbeat(network)
    assert "closte-bridge" not in network.php_json(notice)
    assert network.php_json(verdict) is False
    status = "array('heartbeat' => time(), 'verdicts' => array('shop.example.com' => true))"
    network.php(f"update_network_option(null, 'closte_bridge_status', {status});")
    assert network.php_json(verdict) is True
    for crafted in ("'text'", "array('heartbeat' => array(), 'verdicts' => 'x')", "array('heartbeat' => '1e99')", "7"):
        network.php(f"update_network_option(null, 'closte_bridge_status', {crafted});")
        assert network.php_json(verdict) is False
        assert "closte-bridge" in network.php_json(notice)


def test_notice_is_translated(network: Multisite) -> None:
    """WordPress loads the shim's translations, or better ones, without a warning about loading them too early."""
    network.add_mu_plugin(
        "seen",
        "add_filter('locale', fn() => 'bn_BD'); function seen() { wp_set_current_user(1); ob_start();"
        " do_action('network_admin_notices'); return array(ob_get_clean(), did_action('doing_it_wrong_run')); }",
    )
    notice, warnings = network.php_json("seen()")
    assert "<p>closte-bridge এখনো কোনো সিঙ্ক করেনি। ততক্ষণ Ultimate Multisite-এর নিজের Closte" in notice
    assert warnings == 0
    folder = network.path / "wp-content" / "languages" / "plugins"
    folder.mkdir(parents=True)
    messages = {"closte-bridge has not synced yet.": "অনুবাদ।"}
    text = f"<?php return array('messages' => json_decode('{json.dumps(messages)}', true));"
    (folder / "closte-bridge-bn_BD.l10n.php").write_text(text)
    notice, warnings = network.php_json("seen()")
    assert "<p>অনুবাদ। Ultimate Multisite" in notice
    assert warnings == 0
