"""Tests of events in Ultimate Multisite with real checks: its webhooks hear once that a domain changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.life import HERE, HOUR, STRANGER
from tests.support.running import wait_until
from tests.support.shim import install

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, SITE = "shop.example.org", 2


def hook(world: Life, server: HTTPServer) -> None:
    """Install the shim, and call `server` for each event: the path is its type."""
    server.expect_request(re.compile("/.*")).respond_with_data("")
    world.bridge.adopt()
    install(world.bridge)
    names = ("closte_domain_live", "closte_domain_needs_dns", "closte_domain_broken")
    world.bridge.multisite.php(
        "".join(
            f"wu_create_webhook(array('name' => '{name}', 'event' => '{name}', 'active' => true,"
            f" 'webhook_url' => '{server.url_for('/' + name)}'));"
            for name in names
        )
    )
    assert world.run("sync").code == 0


def heard(server: HTTPServer, number: int) -> list[str]:
    """Wait for a number of calls; return the types and domains of all of them."""
    wait_until(lambda: len(server.log) >= number)
    return [f"{request.path[1:]} {request.get_json()['closte_domain']}" for request, _ in server.log]


def test_webhooks_hear_of_each_change_once(world: Life, httpserver: HTTPServer) -> None:
    hook(world, httpserver)
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    with world.website():
        assert world.run("sync").code == 0
        expected = [f"closte_domain_needs_dns {SHOP}"]
        assert heard(httpserver, 1) == expected
        world.names.point(**{SHOP: HERE})
        world.certificates.issue(SHOP)
        world.later += 61
        assert world.run("sync").code == 0
        expected.append(f"closte_domain_live {SHOP}")
        assert heard(httpserver, 2) == expected
        world.later += 61
        # Without a change, WordPress is only read.
        assert "Cost: 1 wp call " in world.run("sync").out
        assert heard(httpserver, 2) == expected


def test_webhook_that_ends_the_process_is_called_once(world: Life, httpserver: HTTPServer) -> None:
    """The webhook may have done its work, so it is not called again. The next change reaches it."""
    hook(world, httpserver)
    dies = world.bridge.multisite.add_mu_plugin(
        "dies", "add_action('wu_event_closte_domain_needs_dns', function () { exit(1); }, 99);"
    )
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    with world.website():
        ran = world.run("sync", "--format=json")
        assert (ran.code, "wp-cut" in ran.codes or "wp-status" in ran.codes or "wp-no-answer" in ran.codes) == (
            0,
            True,
        ), ran
        assert heard(httpserver, 1) == [f"closte_domain_needs_dns {SHOP}"]
        dies.unlink()
        world.names.point(**{SHOP: HERE})
        world.certificates.issue(SHOP)
        world.later += 2 * HOUR
        assert world.run("sync").code == 0
        assert heard(httpserver, 2) == [f"closte_domain_needs_dns {SHOP}", f"closte_domain_live {SHOP}"]
