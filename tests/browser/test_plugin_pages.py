"""Tests of closte-bridge in Ultimate Multisite's own screens of the network admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import ADMIN, OTHER, OWNER, BrowserNetwork
from tests.support.chromium import serious_violations
from tests.support.shim import clear_events
from tests.support.state_examples import examples, write_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = [pytest.mark.real, pytest.mark.browser]

NETWORK = "http://example.net/wp-admin/network/admin.php?page="


@pytest.fixture(autouse=True)
def _states(network: BrowserNetwork) -> None:
    """Begin each test with the examples, without events."""
    write_states(network.multisite, examples(network.sites[OWNER], network.sites[OTHER]))
    clear_events(network.multisite)


def test_list_of_domains_shows_states(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, f"{NETWORK}wp-ultimo-domains")
    cell = page.locator("td.column-domain, th.column-domain").filter(has_text="blog.example.org").first
    cell.wait_for()
    assert cell.locator(".closte-bridge-state").text_content() == "Live"
    page.goto(f"{NETWORK}wp-ultimo-domains&s=shop.example.com")
    link = page.get_by_role("link", name="DNS change needed (Closte, shop.example.com)")
    link.wait_for()
    assert serious_violations(page, ".closte-bridge-state") == []
    link.click()
    assert "shop.example.com" in page.locator("#closte-bridge h1").inner_text()


def test_box_in_edit_domain_asks_for_a_check(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    mapping = next(str(r["id"]) for r in network.multisite.mappings() if r["domain"] == "shop.example.com")
    page = visit(ADMIN, f"{NETWORK}wp-ultimo-edit-domain&id={mapping}&model=domain")
    box = page.locator("#closte-bridge.postbox")
    assert "Change the A record of shop.example.com to 192.0.2.10." in box.inner_text()
    assert serious_violations(page, "#closte-bridge.postbox") == []
    box.get_by_role("link", name="Check now").click()
    page.locator("#closte-bridge h1").wait_for()
    network.wait_for_events(("check", "shop.example.com"))


def test_wizard_explains_and_tests_the_bridge(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, f"{NETWORK}wp-ultimo-hosting-integration-wizard&integration=closte")
    assert page.get_by_text("closte-bridge", exact=True).first.is_visible()
    page.goto(f"{NETWORK}wp-ultimo-hosting-integration-wizard&integration=closte&step=closte-bridge")
    section = page.locator("#closte-bridge-wizard")
    rows = section.locator("tbody tr").all_inner_texts()
    assert len(rows) == 4
    assert "OK" in rows[0]
    assert serious_violations(page, "#closte-bridge-wizard") == []
    assert page.get_by_role("button", name="Continue").or_(page.locator("[type=submit]")).first.is_visible()
