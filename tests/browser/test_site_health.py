"""Tests of Site Health: what closte-bridge adds to its status and its information."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import ADMIN, OTHER, OWNER, BrowserNetwork
from tests.support.chromium import serious_violations
from tests.support.running import wait_until
from tests.support.state_examples import examples, write_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = [pytest.mark.real, pytest.mark.browser]

HEALTH = "http://example.net/wp-admin/site-health.php"
NETWORK = "http://example.net/wp-admin/network/admin.php?page="


def open_section(page: Page, title: str, section: str) -> None:
    """Open a section. A click before WordPress' script is ready opens nothing."""

    def is_open() -> bool:
        if page.locator(section).is_hidden():
            page.locator(".health-check-accordion-heading button").filter(has_text=title).click()
        return page.locator(section).is_visible()

    wait_until(is_open)


def test_site_health_shows_failures_with_their_command(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    write_states(network.multisite, examples(network.sites[OWNER], network.sites[OTHER]))
    page = visit(ADMIN, HEALTH)
    for title, part in (("Domains failed", "failures"), ("Removals need approval", "approval")):
        open_section(page, title, f"#health-check-accordion-block-closte_bridge_{part}")
    section = page.locator("#health-check-accordion-block-closte_bridge_failures")
    assert "closte-bridge domain list --state=not-live" in section.inner_text()
    assert section.get_by_role("link").get_attribute("href") == f"{NETWORK}closte-bridge"
    assert serious_violations(page, "#health-check-accordion-block-closte_bridge_failures") == []


def test_information_has_a_section(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, f"{HEALTH}?tab=debug")
    page.get_by_role("button", name="closte-bridge").click()
    section = page.locator("#health-check-accordion-block-closte-bridge")
    assert "0.1.0" in section.inner_text()
    assert serious_violations(page, "#health-check-accordion-block-closte-bridge") == []
