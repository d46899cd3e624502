"""Tests that the browser, its names and its checks work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import ADMIN, OWNER, BrowserNetwork
from tests.support.chromium import PHONE, Problems, new_context, scrolls_sideways, serious_violations

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.real, pytest.mark.browser]


def test_person_logs_in(network: BrowserNetwork, browser: Browser) -> None:
    context = new_context(browser)
    page = context.new_page()
    page.goto("http://example.net/wp-login.php")
    page.get_by_label("Username or Email Address").fill(OWNER)
    page.get_by_label("Password", exact=True).fill(OWNER)
    page.get_by_role("button", name="Log In").click()
    page.locator("#wpadminbar").wait_for()
    page.goto("http://keeper.example.net/wp-admin/")
    assert page.locator("#wp-admin-bar-site-name").inner_text() == "Keeper's shop"
    context.close()


def test_cookies_of_the_tests_log_in(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, "http://example.net/wp-admin/network/sites.php")
    assert page.get_by_role("heading", level=1).inner_text().startswith("Sites")
    assert "keeper.example.net" in page.locator("#the-list").inner_text()


def test_problems_of_a_page_are_noticed(network: BrowserNetwork, browser: Browser) -> None:
    problems = Problems()
    context = new_context(browser, size=PHONE)
    problems.watch(context)
    page = context.new_page()
    page.goto("http://example.net/wp-login.php")
    assert (problems.found, scrolls_sideways(page), serious_violations(page, "#loginform")) == ([], False, [])
    with context.expect_event("weberror"):
        page.evaluate(
            "() => { document.body.innerHTML = '<div id=a style=width:2000px><input><img src=data:,x"
            """ onerror="cbHostile = 1; alert(2); missing()"></div>'; }"""
        )
    assert scrolls_sideways(page)
    found = "\n".join(problems.found)
    for expected in ("A hostile value ran.", "dialog: 2", "missing is not defined"):
        assert expected in found
    assert {line.split(":")[0] for line in serious_violations(page, "#a")} == {"image-alt", "label"}
    context.close()
