"""Tests of the page *Closte* of the network admin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_network import ADMIN, OTHER, OWNER, BrowserNetwork
from tests.support.chromium import PHONE, scrolls_sideways, serious_violations
from tests.support.rows import quoted
from tests.support.shim import clear_events
from tests.support.state_examples import HOSTILE, VIEWS, approval, examples, hostile, write_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.support.chromium import Problems

pytestmark = [pytest.mark.real, pytest.mark.browser]

NETWORK = "http://example.net/wp-admin/network/admin.php?page="
CLOSTE = f"{NETWORK}closte-bridge"
BENGALI = re.compile("[\u0980-\u09ff]")
# Terms that are the same in Bengali.
SAME = {"DNS", "HTTPS", "unmanaged"}


@pytest.fixture(autouse=True)
def _states(network: BrowserNetwork) -> None:
    """Begin each test with the examples, without events."""
    rows = examples(network.sites[OWNER], network.sites[OTHER])
    write_states(network.multisite, rows, approval=[approval("old.example.org")])
    clear_events(network.multisite)


def domains(page: Page) -> list[str]:
    """Return the domains of the list, in its order."""
    return page.locator("#closte-bridge-domains tbody .column-domain .row-title").all_inner_texts()


def follow(page: Page, selector: str) -> None:
    """Click, and wait for the next page."""
    with page.expect_navigation():
        page.locator(selector).click()


def test_page_shows_summary_approvals_and_all_views(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, CLOSTE)
    menu = page.locator("#adminmenu .wp-submenu a[href*='page=closte-bridge']")
    assert menu.locator(".pending-count").inner_text() == "3"
    above = page.locator("#adminmenu .wp-submenu a[href$='page=wp-ultimo-domains']")
    assert above.evaluate("link => link.closest('li').nextElementSibling.innerText").startswith("Closte")
    shown = page.locator("#closte-bridge-summary").inner_text()
    for expected in ("Active", "(closte-bridge 0.1.0)", "2 minutes ago (removals need approval)", "by a timer"):
        assert expected in shown
    removals = page.locator("#closte-bridge-approval")
    assert "More inferred removals than the limit for 24 hours allows" in removals.inner_text()
    assert "--allow-removals=" in removals.locator("code").inner_text()
    assert removals.locator("form, input, a").count() == 0
    assert not removals.get_by_text("old.example.org").is_visible()
    removals.locator("summary").click()
    assert removals.get_by_text("old.example.org").is_visible()
    for view, count in VIEWS.items():
        follow(page, f"ul.subsubsub li.{view} a")
        assert page.locator("ul.subsubsub a[aria-current=page] .count").inner_text() == f"({count})"
        assert len(domains(page)) == count, view
    row = page.locator("#closte-bridge-domains tbody tr").first.inner_text()
    assert "lost.example.org" in row
    assert "domain prune" in row


def test_list_is_searched_sorted_and_paged(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, CLOSTE)
    page.get_by_role("searchbox").fill("shop.")
    follow(page, "#search-submit")
    assert domains(page) == ["shop.example.com", "www.shop.example.com"]
    page.goto(CLOSTE)
    assert domains(page)[0] == "blog.example.org"
    follow(page, "thead #domain a")
    follow(page, "thead #domain a")
    assert domains(page)[0] == "www.shop.example.com"
    page.locator("#show-settings-link").click()
    page.locator("#closte_bridge_per_page").fill("4")
    follow(page, "#screen-options-apply")
    assert len(domains(page)) == 4
    follow(page, ".tablenav.top .next-page")
    assert len(domains(page)) == 4
    page.locator("#show-settings-link").click()
    page.locator("#https-hide").uncheck()
    assert not page.locator("thead #https").is_visible()
    page.locator("#closte_bridge_per_page").fill("20")
    page.locator("#https-hide").check()
    follow(page, "#screen-options-apply")


@pytest.mark.parametrize("script", [True, False], ids=["script", "without script"])
def test_bulk_actions_ask_for_checks_and_retries(
    visit: Callable[..., Page], network: BrowserNetwork, script: bool
) -> None:
    page = visit(ADMIN, CLOSTE, java_script_enabled=script)
    for domain in ("failed.example.com", "hold.example.com"):
        page.locator(f"input[value='{domain}']").check()
    page.locator("#bulk-action-selector-top").select_option("check")
    follow(page, "#doaction")
    assert "checks 2 domains" in page.get_by_role("status").inner_text()
    page.locator("input[value='failed.example.com']").check()
    page.locator("#bulk-action-selector-top").select_option("retry")
    follow(page, "#doaction")
    assert "retries 1 failed change" in page.get_by_role("status").inner_text()
    network.wait_for_events(
        ("check", "failed.example.com"), ("check", "hold.example.com"), ("retry", "failed.example.com")
    )
    assert page.locator(".copy-button").first.is_visible() is script


@pytest.mark.parametrize("script", [True, False], ids=["script", "without script"])
def test_why_shows_records_evidence_and_history(
    visit: Callable[..., Page], network: BrowserNetwork, script: bool
) -> None:
    page = visit(ADMIN, f"{CLOSTE}&s=shop", java_script_enabled=script)
    page.locator("#closte-bridge-domains tbody tr").first.hover()
    follow(page, "#closte-bridge-domains a.closte-bridge-why >> nth=0")
    assert "shop.example.com" in page.get_by_role("heading", level=1).inner_text()
    records = page.locator("#closte-bridge-records tbody tr").inner_text()
    for expected in ("A", "shop.example.com", "192.0.2.10", "203.0.113.9"):
        assert expected in records
    assert "203.0.113.9" in page.locator("#closte-bridge-evidence").inner_text()
    assert page.locator("#closte-bridge-history tbody tr").count() == 2
    assert "Change the A record of shop.example.com to 192.0.2.10." in page.locator("#wpbody").inner_text()
    if script:
        page.locator("#closte-bridge-records").get_by_role("button", name="Copy to clipboard: 192.0.2.10").click()
        page.locator("#closte-bridge-records .success:visible").wait_for()
        page.goto(CLOSTE)
        page.get_by_role("searchbox").focus()
        page.keyboard.press("Control+V")
        assert page.get_by_role("searchbox").input_value() == "192.0.2.10"
    else:
        follow(page, "#closte-bridge-check")
        assert "checks 1 domain " in page.get_by_role("status").inner_text()
        network.wait_for_events(("check", "shop.example.com"))


def test_keyboard_is_enough(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, f"{CLOSTE}&s=www.shop")
    page.locator("#cb-select-all-1").focus()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        label = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
        box = page.evaluate("() => document.activeElement.getBoundingClientRect().toJSON()")
        assert box["width"] > 0
        seen.append(label)
        if label and label.startswith("Why?"):
            # WordPress shows the actions of a row that has the focus.
            assert box["left"] >= 0
            page.keyboard.press("Enter")
            break
    page.locator("#closte-bridge-evidence").wait_for()
    assert "www.shop.example.com" in page.get_by_role("heading", level=1).inner_text(), seen


@pytest.mark.parametrize("language", ["en", "bn_BD"])
def test_screens_are_accessible_and_fit_a_phone(
    visit: Callable[..., Page], network: BrowserNetwork, language: str
) -> None:
    network.speak(ADMIN, None if language == "en" else language)
    try:
        page = visit(ADMIN, CLOSTE)
        assert serious_violations(page, "#closte-bridge") == []
        if language != "en":
            for head in page.locator("#closte-bridge-domains thead th:visible, ul.subsubsub a").all_inner_texts():
                assert BENGALI.search(head) or head.partition(" (")[0].strip() in SAME, head
            for head in page.locator("#closte-bridge-summary th").all_inner_texts():
                assert BENGALI.search(head), head
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert not scrolls_sideways(page)
        page.goto(f"{CLOSTE}&domain=shop.example.com")
        assert not scrolls_sideways(page)
        assert serious_violations(page, "#closte-bridge") == []
        text = page.locator("#closte-bridge").inner_text()
        assert bool(BENGALI.search(text)) is (language != "en")
    finally:
        network.speak(ADMIN, None)


@pytest.mark.usefixtures("right_to_left")
def test_screens_fit_from_right_to_left(visit: Callable[..., Page]) -> None:
    page = visit(ADMIN, CLOSTE)
    assert page.locator("html[dir=rtl]").count() == 1
    name, step = (page.locator(f"#closte-bridge-domains thead .column-{part}") for part in ("domain", "step"))
    assert (name.bounding_box() or {"x": 0})["x"] > (step.bounding_box() or {"x": 0})["x"]
    for url in (CLOSTE, f"{CLOSTE}&domain=shop.example.com"):
        page.goto(url)
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert not scrolls_sideways(page)
        assert serious_violations(page, "#closte-bridge") == []


def test_hostile_values_are_text(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    rows = [hostile(row) for row in examples(network.sites[OWNER], network.sites[OTHER])]
    options, title = f"wp_{network.sites[OWNER]}_options", quoted(f"Shop{HOSTILE}")
    network.multisite.sql(f"UPDATE {options} SET option_value = {title} WHERE option_name = 'blogname'")
    write_states(
        network.multisite,
        rows,
        **hostile({"reason_text": "R", "mode": "normal", "how": "x", "version": "1", "owner": {"host": "h"}}),
        **hostile({"approval": [approval("old.example.org")], "last_run": {"outcome": "o"}}),
    )
    page = visit(ADMIN, CLOSTE)
    page.locator("#closte-bridge-approval summary").click()
    assert page.locator("#closte-bridge img, #closte-bridge script").count() == 0
    links = page.locator("#closte-bridge-domains tbody .row-title")
    assert [name for name in links.all_inner_texts() if "onerror" in name] == [*sorted(row["domain"] for row in rows)]
    # No domain has such a name, so only its other columns can be hostile in the view of one domain.
    write_states(network.multisite, [row | {"domain": f"d{number}.example.com"} for number, row in enumerate(rows)])
    for number in (1, 3):
        page.goto(f"{CLOSTE}&domain=d{number}.example.com")
        assert page.locator("#closte-bridge img, #closte-bridge script").count() == 0
        assert "onerror" in page.locator("#closte-bridge").inner_text()
    page.goto(f"{CLOSTE}&domain=%22%3E%3Cimg%20src%3Dx%20onerror%3DcbHostile%3D1%3E&s=%22%3E%3Cscript%3EcbHostile=1")
    assert page.locator("#closte-bridge img, #closte-bridge script").count() == 0


def test_page_invites_before_there_is_an_owner(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    write_states(network.multisite, [])
    page = visit(ADMIN, CLOSTE)
    assert page.locator("#closte-bridge-domains tbody").count() == 0 or "No domains" in page.inner_text(
        "#closte-bridge"
    )
    assert serious_violations(page, "#closte-bridge") == []


def test_page_refreshes_while_nobody_uses_it(visit: Callable[..., Page], network: BrowserNetwork) -> None:
    page = visit(ADMIN, "about:blank")
    page.clock.install()
    page.goto(f"{CLOSTE}&s=shop")
    assert "Live" not in page.locator("#closte-bridge-domains tbody .column-state").first.inner_text()
    network.multisite.sql(
        "UPDATE wp_closte_bridge_domains SET state = 'live', code = '' WHERE domain = 'shop.example.com'"
    )
    with page.expect_response(re.compile("page=closte-bridge")):
        page.clock.fast_forward("00:30")
    page.locator("#closte-bridge-domains tbody .column-state").first.get_by_text("Live").wait_for()


def test_others_see_nothing(visit: Callable[..., Page], problems: Problems) -> None:
    page = visit(OWNER, CLOSTE)
    assert page.locator("#closte-bridge").count() == 0
    assert "not allowed" in page.inner_text("body")
    problems.expect("403 (Forbidden)")
