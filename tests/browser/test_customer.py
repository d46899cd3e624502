"""Tests of what a site owner sees of their domains, and does with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import OTHER, OWNER, BrowserNetwork
from tests.support.chromium import PHONE, scrolls_sideways, serious_violations
from tests.support.shim import clear_events, events
from tests.support.state_examples import TABLE, examples, hostile, write_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.support.chromium import Problems

pytestmark = [pytest.mark.real, pytest.mark.browser]

ACCOUNT = "http://{}.example.net/wp-admin/admin.php?page=account"
BENGALI = re.compile("[\u0980-\u09ff]")
DIALOG = "#closte-bridge-dialog"


@pytest.fixture(autouse=True)
def _states(network: BrowserNetwork) -> None:
    """Begin each test with the examples, without events and earlier requests."""
    write_states(network.multisite, examples(network.sites[OWNER], network.sites[OTHER]))
    clear_events(network.multisite)
    network.multisite.sql("DELETE FROM wp_sitemeta WHERE meta_key LIKE '%closte_bridge_requests'")


def row_of(page: Page, domain: str) -> Locator:
    """Return the cell of a domain in the element."""
    link = page.locator(f"a.closte-bridge-open[aria-label$=': {domain}']")
    return page.locator(".closte-bridge-cell").filter(has=link)


def test_owner_learns_what_to_do(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER))
    assert row_of(page, "blog.example.org").locator(".closte-bridge-badge").inner_text() == "Live"
    cell = row_of(page, "shop.example.com")
    assert cell.locator(".closte-bridge-badge").inner_text() == "DNS change needed"
    cell.get_by_role("link", name="What to do").click()
    dialog = page.locator(DIALOG)
    head = dialog.locator("table thead").inner_text().split("\t")
    assert [name.strip() for name in head] == ["Type", "Host", "Value", "Current value"]
    record = dialog.locator("table tbody tr").inner_text()
    for expected in ("A", "shop.example.com", "192.0.2.10", "203.0.113.9"):
        assert expected in record
    assert "Last checked 10 minutes ago. Next check in 5 minutes." in dialog.inner_text()
    dialog.get_by_role("button", name="Copy 192.0.2.10").click()
    assert dialog.get_by_role("status").inner_text() == "Copied."
    dialog.locator("summary").click()
    message = dialog.get_by_role("textbox").input_value()
    assert message.splitlines()[1:] == ["A shop.example.com 192.0.2.10"]
    assert serious_violations(page, DIALOG, ".closte-bridge-cell") == []
    dialog.get_by_role("button", name="Check now").click()
    dialog.get_by_text("The check was requested.").wait_for()
    network.wait_for_events(("check", "shop.example.com"))
    assert events(network.multisite)[0][1] == network.sites[OWNER]
    dialog.get_by_role("button", name="Check now").click()
    dialog.get_by_text("Wait a minute").wait_for()
    assert len(events(network.multisite)) == 1


def test_open_dialog_follows_the_state(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    page = visit(OWNER, "about:blank")
    page.clock.install()
    page.goto(ACCOUNT.format(OWNER))
    row_of(page, "shop.example.com").get_by_role("link").click()
    page.locator(DIALOG).get_by_text("Change the A record").wait_for()
    network.multisite.sql(f"UPDATE {TABLE} SET state = 'live', needs = '', code = ''")
    with page.expect_response(re.compile("closte_bridge_domain")):
        page.clock.fast_forward("00:13")
    page.locator(f"{DIALOG} .closte-bridge-sentence").get_by_text("shop.example.com is live.").wait_for()


def test_keyboard_is_enough(visit: Callable[..., Page]) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER))
    link = row_of(page, "shop.example.com").get_by_role("link")
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.locator(DIALOG)
    dialog.locator("table").wait_for()
    seen = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        inside = page.evaluate("id => document.activeElement.closest(id) !== null", DIALOG)
        seen.add(page.evaluate("() => document.activeElement.innerText"))
        # From the last element, the focus goes to the browser, never to the page below.
        assert inside or page.evaluate("() => document.activeElement === document.body")
    assert {"Close", "Copy", "Check now", "Message for your DNS provider"} <= seen
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert link.evaluate("link => link === document.activeElement")


@pytest.mark.usefixtures("right_to_left")
def test_dialog_fits_from_right_to_left(visit: Callable[..., Page]) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER), PHONE)
    row_of(page, "shop.example.com").get_by_role("link").click()
    dialog = page.locator(DIALOG)
    dialog.locator("table").wait_for()
    assert dialog.evaluate("dialog => getComputedStyle(dialog).direction") == "rtl"
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    assert serious_violations(page, DIALOG) == []


def test_domain_is_checked_before_it_is_added(visit: Callable[..., Page]) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER))
    page.get_by_role("link", name="Check a domain").click()
    dialog = page.locator(DIALOG)
    field = dialog.get_by_label("Domain")
    field.wait_for()
    assert field.evaluate("field => field === document.activeElement")
    field.fill("https://New.Example.com/start")
    page.keyboard.press("Enter")
    dialog.locator("table").wait_for()
    assert "new.example.com" in dialog.inner_text()
    assert "192.0.2.10" in dialog.locator("tbody").inner_text()
    assert serious_violations(page, DIALOG) == []
    field.fill('"><img src=data:,x onerror=cbHostile=1>')
    page.keyboard.press("Enter")
    dialog.get_by_text("is not a valid domain").wait_for()
    field.fill("other.example.com")
    page.keyboard.press("Enter")
    dialog.get_by_text("other.example.com").first.wait_for()
    assert "stranger" not in dialog.inner_text().lower()


def test_instructions_before_adding_have_the_right_address(visit: Callable[..., Page]) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER))
    page.get_by_text("Add Domain", exact=True).first.click()
    page.get_by_text("192.0.2.10").first.wait_for()
    assert "CNAME" not in page.get_by_text("192.0.2.10").first.inner_text()


def test_other_customer_sees_nothing(visit: Callable[..., Page], network: BrowserNetwork, problems: Problems) -> None:
    page = visit(OTHER, ACCOUNT.format(OTHER))
    text = page.inner_text("body")
    assert "other.example.com" in text
    assert "shop.example.com" not in text
    href = page.locator("a.closte-bridge-open[aria-label$=': other.example.com']").get_attribute("href")
    other = next(str(r["id"]) for r in network.multisite.mappings() if r["domain"] == "shop.example.com")
    answer = page.goto(re.sub(r"mapping=\d+", f"mapping={other}", str(href)))
    assert answer
    assert answer.status in {403, 404}
    assert "shop.example.com" not in page.inner_text("body")
    page.goto(ACCOUNT.format(OWNER))
    assert "shop.example.com" not in page.inner_text("body")
    problems.expect("the server responded with a status of 40")


def test_everything_works_without_script(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    page = visit(OWNER, ACCOUNT.format(OWNER), java_script_enabled=False)
    row_of(page, "shop.example.com").get_by_role("link").click()
    assert page.get_by_role("heading", level=1).inner_text() == "shop.example.com"
    assert page.get_by_role("button", name=re.compile("^Copy")).count() == 0
    page.get_by_role("button", name="Check now").click()
    assert "The check was requested." in page.inner_text("body")
    network.wait_for_events(("check", "shop.example.com"))
    page.goto(ACCOUNT.format(OWNER))
    page.get_by_role("link", name="Check a domain").click()
    page.get_by_label("Domain").fill("new.example.com")
    page.get_by_role("button", name="Show the records").click()
    assert "192.0.2.10" in page.locator("tbody").inner_text()


@pytest.mark.parametrize("language", ["en", "bn_BD"])
def test_dialog_fits_a_phone(visit: Callable[..., Page], network: BrowserNetwork, language: str) -> None:
    network.speak(OWNER, None if language == "en" else language)
    try:
        page = visit(OWNER, ACCOUNT.format(OWNER), size=PHONE)
        # The real plugin's own page is wider than a phone.
        wide = scrolls_sideways(page)
        page.locator("a.closte-bridge-open[aria-label$=': shop.example.com']").click()
        dialog = page.locator(DIALOG)
        dialog.locator("table").wait_for()
        assert scrolls_sideways(page) is wide
        box = dialog.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]
        for value in dialog.locator("tbody code").all():
            lines = value.evaluate("code => code.getClientRects().length")
            assert lines == 1, f"{value.inner_text()} is broken into {lines} lines."
        assert serious_violations(page, DIALOG) == []
        if language != "en":
            parts = (
                "h2, th[scope=col], button, li strong, li span, .closte-bridge-sentence, .closte-bridge-times, summary"
            )
            for text in dialog.locator(parts).all_inner_texts():
                assert BENGALI.search(text) or text in {"DNS", ""}, text
            badges = page.locator(".closte-bridge-badge").all_inner_texts()
            assert all(BENGALI.search(text) for text in badges), badges
    finally:
        network.speak(OWNER, None)


def test_hostile_values_are_text(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    rows = [
        hostile(row) | {"domain": row["domain"], "needs": row["needs"]}
        for row in examples(network.sites[OWNER], network.sites[OTHER])
    ]
    write_states(network.multisite, rows)
    page = visit(OWNER, ACCOUNT.format(OWNER))
    row_of(page, "shop.example.com").get_by_role("link").click()
    page.locator(DIALOG).get_by_role("heading").first.wait_for()
    assert page.locator(f"{DIALOG} img, {DIALOG} script, .closte-bridge-cell img").count() == 0
