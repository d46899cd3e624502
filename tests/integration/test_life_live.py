"""Tests of what visitors of a mapped domain get: each kind of answer is named, and only the right site is live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.answers import EMPTY_PAGE
from tests.support.bridge import bridge_for
from tests.support.life import HERE, STRANGER, life
from tests.support.parts import is_mock_plugin
from tests.support.rows import switch_on
from tests.support.shim import install

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.life import Life, Names
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SHOP, SECOND, OTHER = "shop.example.org", "second.example.org", "other.example.org"
SITE = 2
LOOP = "add_action('template_redirect', function () { wp_redirect(home_url('/again?' . wp_rand(0, 1))); exit; });"
ELSEWHERE = "add_action('template_redirect', function () { wp_redirect('https://example.net/'); exit; });"
BROKEN = "throw new Exception('broken');"
CLOSED = "add_action('template_redirect', function () { wp_die('No.', '', 403); });"


@pytest.fixture
def served(world: Life) -> Life:
    """Provide a network that serves two mapped domains of one site; the first is the primary."""
    return serving(world)


def serving(world: Life) -> Life:
    """Let the network serve two mapped domains of one site; the first is the primary."""
    switch_on(world.bridge.multisite, dns_check_interval=60)
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE), (SECOND, SITE)])
    world.write(SHOP, primary_domain=1, secure=1)
    world.names.point(**{SHOP: HERE, SECOND: HERE})
    world.certificates.issue(SHOP, SECOND)
    return world


def checked(world: Life, name: str = SHOP) -> dict[str, Any]:
    """Return the result of `domain check`."""
    (found,) = world.run("domain", "check", name, "--format=json").envelope["data"]
    assert isinstance(found, dict)
    return found


def test_each_answer_to_visitors_is_named(served: Life) -> None:
    multisite = served.bridge.multisite
    with served.website():
        found = checked(served)
        assert (found["http"], found["live"], found["next_step"]) == ("ok", True, "")
        found = checked(served, SECOND)
        assert (found["http"], found["live"]) == ("redirect-to-primary", True)
        for code, expected in (
            (LOOP, "redirect-loop"),
            (ELSEWHERE, "other-site"),
            (BROKEN, "server-error"),
            (CLOSED, "blocked"),
        ):
            plugin = multisite.add_mu_plugin("answer", f"if (PHP_SAPI === 'cli-server') {{ {code} }}")
            found = checked(served)
            assert (found["http"], found["live"]) == (expected, False), found
            assert SHOP in found["next_step"]
            plugin.unlink()
        # As after a lost constant in wp-config.php, or with an outdated object cache.
        multisite.undefine("SUNRISE")
        found = checked(served)
        assert (found["http"], found["live"]) == ("sign-up-page", False)
        multisite.define("SUNRISE", value=True)
    # A stranger's server with a valid certificate, for example the old host.
    old = served.certificates.elsewhere(STRANGER)
    old.issue(SHOP)
    served.names.point(**{SHOP: STRANGER})
    found = checked(served)
    assert (found["http"], found["live"]) == ("other-server", False)


def test_site_that_is_not_public_is_blocked(served: Life) -> None:
    """WordPress answers with 410. Its domains stay mapped and on Closte."""
    sites = served.bridge.multisite.database
    served.bridge.adopt()
    with served.website():
        for flag in ("archived", "spam", "deleted"):
            sites.sql(f"UPDATE wp_blogs SET {flag} = 1 WHERE blog_id = {SITE}")
            found = checked(served)
            assert (found["http"], found["live"], found["tls"]) == ("blocked", False, "ok"), found
            assert f"(site-{flag})" in found["next_step"], found
            assert served.sync().exit_code == 0
            assert SHOP in served.bridge.aliases
            sites.sql(f"UPDATE wp_blogs SET {flag} = 0 WHERE blog_id = {SITE}")
        assert checked(served)["live"] is True


def test_slow_answer_is_a_timeout(served: Life) -> None:
    served.bridge.write_config(http={"timeout": 0.2})

    def slow(_: bytes) -> bytes:
        time.sleep(1)
        return EMPTY_PAGE

    served.certificates.answer = slow
    found = checked(served)
    assert (found["http"], found["live"]) == ("time-out", False)
    assert found["tls"] == "ok"


@pytest.mark.skipif(is_mock_plugin(), reason="the mock plugin has no visit limits")
def test_blocked_site_has_the_reason_of_ultimate_multisite(
    multisite_mariadb: Multisite, changing_dns: Names, tmp_path: Path
) -> None:
    """Counting visits needs a function that SQLite lacks."""
    multisite_mariadb.create_site("shop")
    with (
        bridge_for(multisite_mariadb, tmp_path / "bridge") as bridge,
        life(bridge, changing_dns, tmp_path) as world,
        serving(world).website(),
    ):
        block = """
            update_site_meta(2, 'wu_type', 'customer_owned');
            update_site_meta(2, 'wu_limitations', ['visits' => ['enabled' => true, 'limit' => 1]]);
            update_site_meta(2, 'wu_visits_' . gmdate('Ymd'), 5);"""
        multisite_mariadb.php(block)
        found = checked(world)
        assert (found["http"], found["evidence"]["http"]["reason"]) == ("blocked", "visits-exceeded")
        assert found["next_step"].startswith(f"Raise the visit limit of the site of {SHOP}.")
        multisite_mariadb.php("$site = wu_get_site(2); $site->set_active(false); $site->save();")
        found = checked(world)
        assert (found["http"], found["evidence"]["http"]["reason"]) == ("blocked", "site-inactive")


def test_domain_becomes_live_in_the_sync_that_completes_its_stage(world: Life) -> None:
    """Before that, no request is made: Ultimate Multisite would remember that it does not serve the domain."""
    multisite = world.bridge.multisite
    switch_on(multisite, dns_check_interval=60)
    world.bridge.adopt()
    multisite.add_mapping(SHOP, SITE)
    world.names.point(**{SHOP: HERE})
    world.sync()
    requests: list[bytes] = []
    with world.website():
        answer = world.certificates.answer

        def recorded(request: bytes) -> bytes:
            requests.append(request)
            return answer(request)

        world.certificates.answer = recorded
        world.certificates.issue(SHOP)
        ran = world.run("sync", SHOP, "--wait=30s")
        assert (ran.code, "Success: 1 of 1 domain is live." in ran.out + ran.err) == (0, True), ran
    assert world.stage(SHOP) == ("done", True)
    # One request, which names closte-bridge.
    (request,) = requests
    assert request.startswith(b"GET / HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: closte-bridge/")
    rows = world.run("domain", "list", "--fields=domain,https,live", "--format=json").envelope["data"]
    assert {"domain": SHOP, "https": "ok", "live": True} in rows
    assert SHOP not in world.run("domain", "list", "--state=not-live", "--format=ids").out
    explained = world.run("domain", "explain", SHOP, "--format=json").envelope["data"]
    assert (explained["phase"], explained["live"]) == ("live", True)
    log = world.run("log", "--fields=domain,action,outcome", "--format=csv").out
    assert f"{SHOP},check,live" in log


def test_shim_names_the_site_that_the_web_process_serves(served: Life) -> None:
    """With the shim, the site's ID decides, even if the page shows nothing of WordPress."""
    multisite = served.bridge.multisite
    served.bridge.adopt()
    install(served.bridge)
    requests: list[bytes] = []
    hidden = "remove_action('template_redirect', 'rest_output_link_header', 11);"
    multisite.add_mu_plugin("hidden", hidden)
    with served.website():
        answer = served.certificates.answer

        def recorded(request: bytes) -> bytes:
            requests.append(request.split(b"\r\n")[0])
            return answer(request)

        served.certificates.answer = recorded
        found = checked(served)
        assert (found["http"], found["live"], found["evidence"]["http"]["site"]) == ("ok", True, SITE)
        assert [request.split()[0] for request in requests] == [b"POST", b"GET"]
        # Over a CDN that closte-bridge does not know, the signed answer proves where the domain points.
        cdn = served.certificates.elsewhere(STRANGER)
        cdn.issue(SHOP)
        cdn.answer = answer
        served.names.point(**{SHOP: STRANGER})
        found = checked(served)
        assert (found["dns"], found["http"], found["live"], found["next_step"]) == ("points-elsewhere", "ok", True, "")
        served.names.point(**{SHOP: HERE})
        # The web process serves another site than the database says: its cache is old.
        del requests[:]
        old_cache = "add_filter('pre_get_site_by_path', function () { return get_site(1); }, 1);"
        sunrise = multisite.path / "wp-content" / "sunrise.php"
        text = sunrise.read_text()
        sunrise.write_text(f"{text}\nif (PHP_SAPI === 'cli-server') {{ {old_cache} }}\n")
        found = checked(served)
        assert (found["http"], found["evidence"]["http"]["site"], len(requests)) == ("other-site", 1, 1)
        assert found["next_step"].startswith("Clear the web server's object cache.")
