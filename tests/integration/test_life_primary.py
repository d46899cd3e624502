"""Tests of choosing a site's primary domain, to which WordPress redirects visitors, and of the required proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ExitCode
from tests.support.life import HERE, HOUR, STRANGER

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, OTHER = "shop.example.org", "other.example.org"
SITE = 2
# Seconds until the next check of a domain after its stage has moved.
SOON = 70.0


def test_new_mapping_becomes_primary_as_in_ultimate_multisite(world: Life) -> None:
    """As in the plugin, the first custom domain replaces the site's own subdomain. A second one does not."""
    own = f"shop.{world.bridge.multisite.main_domain}"
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, OTHER: HERE, own: HERE})
    world.certificates.issue(SHOP)
    multisite = world.bridge.multisite
    multisite.add_mapping(SHOP, SITE)
    multisite.add_mapping(OTHER, SITE)
    assert world.primaries() == {own}
    world.sync()
    world.certificates.issue(OTHER)
    world.sync(after=SOON)
    assert world.stage(OTHER) == world.stage(SHOP) == ("done", True)
    multisite.run_jobs()
    managed = world.primaries()
    assert managed == {SHOP}
    # The plugin alone gives the same result on the same rows.
    multisite.add_mu_plugin("ok", _ALWAYS_RIGHT)
    for name in (SHOP, OTHER):
        world.write(name, stage="checking-dns", primary_domain=0, secure=0)
    world.write(own, primary_domain=1)
    for name in (SHOP, OTHER):
        for _ in range(2):
            multisite.php(f"do_action('wu_async_process_domain_stage', {world.mapping(name)['id']}, 0);")
    multisite.run_jobs()
    assert world.stage(OTHER) == world.stage(SHOP) == ("done", True)
    assert world.primaries() == managed


# The plugin's own checks find correct DNS and valid certificates without a request. The real plugin has no filter for
# the certificate, so its helper class is loaded with this answer inserted.
_ALWAYS_RIGHT = r"""
add_filter('pre_http_request', function () { return new WP_Error('off', 'off'); });
add_filter('wu_domain_has_correct_dns', '__return_true');
add_filter('wu_mock_has_valid_ssl_certificate', '__return_true');
add_action('plugins_loaded', function () {
    $file = WP_PLUGIN_DIR . '/ultimate-multisite/inc/domain-mapping/class-helper.php';
    if (!is_readable($file) || class_exists('WP_Ultimo\Domain_Mapping\Helper', false)) {
        return;
    }
    $text = preg_replace('/^<\?php/', '', file_get_contents($file), 1);
    $head = "function has_valid_ssl_certificate(\$domain = '') {";
    eval(str_replace($head, $head . ' return true;', $text));
}, -100);
"""


def test_returning_domain_does_not_become_primary_again(world: Life) -> None:
    """A returning domain stays secondary if another domain became primary before closte-bridge moved it back."""
    own = f"shop.{world.bridge.multisite.main_domain}"
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, own: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    world.write(SHOP, primary_domain=0)
    world.write(own, primary_domain=1)
    world.names.point(**{SHOP: STRANGER})
    world.certificates.elsewhere(STRANGER)
    for _ in range(3):
        world.sync(after=2 * HOUR)
    assert world.stage(SHOP) == ("checking-dns", False)
    world.names.point(**{SHOP: HERE})
    world.sync(after=2 * HOUR)
    world.bridge.multisite.run_jobs()
    assert world.stage(SHOP) == ("done", True)
    assert world.primaries() == {own}
    # This applies to the old mapping only: a new mapping becomes primary as usual.
    world.bridge.multisite.delete_mapping(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync(after=2 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    assert SHOP in world.primaries()


def test_check_of_a_deleted_mapping_proves_nothing_for_its_successor(world: Life) -> None:
    """The customer may have given up the domain between the check of the old mapping and the new mapping."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    multisite = world.bridge.multisite
    multisite.add_mapping(SHOP, SITE)
    world.sync()
    for _ in range(6):
        world.sync(after=24 * HOUR)
    # The domain still points to this host, and a new check confirms it.
    for address, code, stage in ((HERE, "ok", "done"), (None, "nxdomain", "checking-dns")):
        world.names.point(**{SHOP: address})
        multisite.delete_mapping(SHOP)
        multisite.add_mapping(SHOP, SITE)
        report = world.sync(after=2 * HOUR)
        assert report.verified is not None
        assert report.verified.checked[SHOP].dns.code == code
        assert world.stage(SHOP)[0] == stage


def test_mapping_older_than_adoption_does_not_become_primary(world: Life) -> None:
    """Ultimate Multisite never checks a row that `wp wu domain create` made, so the row may be a year old."""
    own = f"shop.{world.bridge.multisite.main_domain}"
    world.names.point(**{SHOP: HERE, own: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE)], stage="checking-dns")
    world.bridge.adopt()
    # A save of the row after adoption does not count.
    world.write(SHOP, date_modified="2030-01-01 00:00:00")
    world.sync()
    world.bridge.multisite.run_jobs()
    assert world.stage(SHOP) == ("done", True)
    assert world.primaries() == {own}


def test_contested_domain_becomes_no_sites_primary_domain(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    multisite = world.bridge.multisite
    other = multisite.create_site("other")
    multisite.add_mapping(SHOP, SITE)
    multisite.sql(
        "INSERT INTO wp_wu_domain_mappings (blog_id, domain, active, primary_domain, secure, stage, date_created, "
        f"date_modified) VALUES ({other}, '{SHOP}', 1, 0, 0, 'checking-dns', '2030-01-01 00:00:00', NULL)"
    )
    report = world.sync()
    assert report.verified is not None
    assert [held.code for held in report.verified.stages.holds] == ["conflict"] * 2
    assert "mapped to several sites (" in world.run("plan").out
    assert {str(row["stage"]) for row in multisite.mappings() if row["domain"] == SHOP} == {"checking-dns"}
    assert SHOP not in world.primaries()


# The answer to the test request of Ultimate Multisite.
_ANSWER = """
add_filter('pre_http_request', function ($given, $arguments, $url) {
    $names = %s;
    $host = wp_parse_url($url, PHP_URL_HOST);
    $token = $arguments['body']['async_check_dns_nonce'] ?? '';
    $right = isset($names[$host]) && hash_equals(wp_hash($host), $token);
    $body = $right ? wp_json_encode(array('id' => $names[$host])) : '<html>Another shop</html>';
    $code = array('code' => 200, 'message' => 'OK');
    return array('headers' => array(), 'body' => $body, 'response' => $code, 'cookies' => array(), 'filename' => null);
}, 10, 3);
"""


def test_wordpress_must_answer_behind_a_cdn(world: Life) -> None:
    """A CDN with a valid certificate may still point to the customer's old host. Then the stage does not change."""
    world.bridge.adopt()
    world.names.behind_cdn = {"example.org"}
    world.names.point(**{SHOP: STRANGER})
    world.certificates.elsewhere(STRANGER).issue(SHOP)
    multisite = world.bridge.multisite
    multisite.add_mapping(SHOP, SITE)
    world.write(SHOP, stage="checking-dns")
    multisite.add_mu_plugin("answer", _ANSWER % "array()")
    report = world.sync()
    assert report.verified is not None
    assert report.verified.checked[SHOP].dns.code == "proxied"
    assert (report.exit_code, report.verified.moved) == (ExitCode.OK, [])
    assert [held.code for held in report.verified.stages.holds] == ["proxy-unproven"]
    assert world.stage(SHOP) == ("checking-dns", False)
    why = world.run("domain", "explain", SHOP, "--field=why").out
    assert "stage unchanged: behind a CDN, and Ultimate Multisite's test request did not reach this network" in why

    # The domain points to this host now. closte-bridge detects this after about an hour.
    (multisite.path / "wp-content" / "mu-plugins" / "answer.php").unlink()
    ids = f"array('{SHOP}' => {world.mapping(SHOP)['id']})"
    multisite.add_mu_plugin("answer", _ANSWER % ids)
    world.sync(after=0.5 * HOUR)
    assert world.stage(SHOP) == ("checking-dns", False)
    world.sync(after=1.5 * HOUR)
    assert world.stage(SHOP) == ("done", True)


def test_revive_moves_a_stage_behind_a_cdn_without_proof(world: Life) -> None:
    world.bridge.adopt()
    world.names.behind_cdn = {"example.org"}
    world.names.point(**{SHOP: STRANGER})
    world.certificates.elsewhere(STRANGER).issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.write(SHOP, stage="checking-dns")
    world.bridge.multisite.add_mu_plugin("answer", _ANSWER % "array()")
    world.sync()
    assert world.stage(SHOP) == ("checking-dns", False)
    assert world.run("domain", "revive", SHOP, "--yes").code == 0
    assert world.stage(SHOP) == ("done", True)
