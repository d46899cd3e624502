"""Tests that Ultimate Multisite uses the verdicts on DNS and the network's address from closte-bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.life import HERE, STRANGER
from tests.support.shim import heartbeat, install

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, OTHER, LATE = "shop.example.org", "other.example.org", "late.example.org"
SITE = 2


def told(world: Life) -> Any:  # noqa: ANN401 - PHP decides the type
    """Return the verdicts stored in WordPress."""
    status = world.bridge.multisite.network_option("closte_bridge_status")
    return status and status["verdicts"]


def thinks(world: Life, name: str, before: str) -> Any:  # noqa: ANN401 - PHP decides the type
    """Return the result of the filter if `before` is the result of Ultimate Multisite."""
    domain = f"wu_get_domain_by_domain('{name}')"
    return world.bridge.multisite.php_json(f"apply_filters('wu_domain_has_correct_dns', {before}, {domain}, array())")


def test_proven_verdict_answers_ultimate_multisites_check(world: Life) -> None:
    multisite = world.bridge.multisite
    world.bridge.adopt()
    install(world.bridge)
    world.names.point(**{SHOP: HERE, OTHER: STRANGER})
    multisite.add_mapping(SHOP, SITE)
    multisite.add_mapping(OTHER, SITE)
    assert told(world) is None
    assert thinks(world, SHOP, "false") is False

    world.sync()
    assert {name: told(world)[name] for name in (SHOP, OTHER)} == {SHOP: True, OTHER: False}
    assert thinks(world, SHOP, "false") is True
    assert thinks(world, OTHER, "true") is False
    # Without a verdict the filter keeps the given result.
    multisite.add_mapping(LATE, SITE)
    assert (thinks(world, LATE, "false"), thinks(world, LATE, "true")) == (False, True)

    # The plugin's own check fails behind a load balancer, but passes with the verdict.
    world.write(SHOP, stage="checking-dns")
    multisite.php(f"do_action('wu_async_process_domain_stage', wu_get_domain_by_domain('{SHOP}')->get_id(), 0);")
    assert world.stage(SHOP)[0] == "checking-ssl-cert"

    # The next heartbeat reports later verdicts.
    world.names.point(**{SHOP: None, OTHER: HERE})
    world.sync(after=700)
    heartbeat(multisite, age=700)
    world.sync(after=20)
    assert {name: told(world)[name] for name in (SHOP, OTHER)} == {SHOP: False, OTHER: True}


def shown_address(world: Life) -> str:
    """Return the address that Ultimate Multisite shows to customers."""
    return str(world.bridge.multisite.php_json("\\WP_Ultimo\\Domain_Mapping\\Helper::get_network_public_ip()"))


def test_customers_see_the_address_that_domains_must_point_to(world: Life) -> None:
    multisite = world.bridge.multisite
    multisite.define("CLOSTE_PUBLIC_IP_ADDRESS", "192.0.2.99")
    world.bridge.adopt()
    install(world.bridge)
    # Before the first check, the constant of the host.
    assert shown_address(world) == "192.0.2.99"
    world.names.point(**{SHOP: HERE})
    multisite.add_mapping(SHOP, SITE)
    world.sync()
    # The engine compares with the constant as well.
    assert told(world)[SHOP] is False
    multisite.undefine("CLOSTE_PUBLIC_IP_ADDRESS")
    world.sync(after=700)
    heartbeat(multisite, age=700)
    world.sync(after=20)
    assert told(world)[SHOP] is True
    assert shown_address(world) == HERE
