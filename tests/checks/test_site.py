"""Tests of the verdict on what visitors get, without a network."""

from __future__ import annotations

import pytest

from closte_bridge.checks.http import Response, page_of
from closte_bridge.checks.model import DnsCode, DnsVerdict, DomainCheck, HttpCode, HttpVerdict, TlsCode, TlsVerdict
from closte_bridge.checks.site import Page, SiteTarget, Visit, classify_visit, follows

SHOP, OWN, OTHER = "shop.org", "shop.network.org", "other.org"
TARGET = SiteTarget(SHOP, 2, frozenset({SHOP, OWN}), True, {SHOP: 2, OWN: 2, OTHER: 3}.get)
HERE = DnsVerdict(SHOP, DnsCode.OK, points_here=True)
CDN = DnsVerdict(SHOP, DnsCode.PROXIED, points_here=True)
ELSEWHERE = DnsVerdict(SHOP, DnsCode.ELSEWHERE)
SIGN_UP = "https://network.org/wp-signup.php?new=shop.org"


def code(*pages: Page, dns: DnsVerdict = HERE, **more: object) -> HttpCode:
    return classify_visit(TARGET, Visit(pages, **more), dns).code  # type: ignore[arg-type] # fields of `Visit`


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (Page(200, api_host=SHOP), HttpCode.OK),
        (Page(404, api_host=SHOP), HttpCode.OK),
        (Page(200), HttpCode.OK),
        (Page(404), HttpCode.OTHER_SERVER),
        (Page(200, api_host=OTHER), HttpCode.OTHER_SITE),
        (Page(200, api_host="stranger.org"), HttpCode.OTHER_SERVER),
        (Page(302, f"https://{OWN}/"), HttpCode.PRIMARY),
        (Page(302, f"https://{OTHER}/"), HttpCode.OTHER_SITE),
        (Page(302, SIGN_UP), HttpCode.SIGN_UP),
        (Page(503), HttpCode.SERVER_ERROR),
        (Page(403), HttpCode.BLOCKED),
        (Page(410), HttpCode.BLOCKED),
    ],
)
def test_answer_without_the_shim_is_classified(page: Page, expected: HttpCode) -> None:
    assert code(page) is expected


def test_site_named_by_the_shim_decides() -> None:
    assert code(Page(200, api_host="stranger.org"), site=2) is HttpCode.OK
    assert code(Page(200, api_host=SHOP), site=3) is HttpCode.OTHER_SITE
    # It also proves that the domain points here, behind a CDN that closte-bridge does not know.
    assert code(Page(200), dns=ELSEWHERE, site=2) is HttpCode.OK
    assert code(Page(503), dns=ELSEWHERE, site=2) is HttpCode.SERVER_ERROR


def test_address_elsewhere_is_another_server_whatever_it_answers() -> None:
    """A customer's old host may serve an old copy of the same site."""
    for page in (Page(200, api_host=SHOP), Page(302, f"https://{OWN}/"), Page(500)):
        assert code(page, dns=ELSEWHERE) is HttpCode.OTHER_SERVER
    # Only this network redirects to its sign-up page.
    assert code(Page(302, SIGN_UP), dns=ELSEWHERE) is HttpCode.SIGN_UP


def test_cdn_needs_a_sign_of_the_server() -> None:
    assert code(Page(200), dns=CDN) is HttpCode.UNKNOWN
    assert code(Page(200, api_host=SHOP), dns=CDN) is HttpCode.OK


def test_failure_and_loop_are_verdicts() -> None:
    assert code(failure=HttpCode.TIMEOUT) is HttpCode.TIMEOUT
    assert code(Page(302, f"https://{SHOP}/a"), loop=True) is HttpCode.LOOP


@pytest.mark.parametrize("url", [SIGN_UP, "https://network.org/", "", "https://[", "mailto:a@shop.org"])
def test_redirect_that_classifies_itself_is_not_followed(url: str) -> None:
    assert not follows(TARGET, SHOP, url)


def test_only_the_primary_domain_follows_redirects_to_other_domains_of_its_site() -> None:
    assert follows(TARGET, SHOP, f"http://{SHOP}/home/")
    assert follows(TARGET, SHOP, f"https://{OWN}/")
    second = SiteTarget(OWN, 2, TARGET.hosts, False, TARGET.owner)
    assert not follows(second, OWN, f"https://{SHOP}/")


def test_location_and_rest_link_are_read_from_an_answer() -> None:
    link = '<https://fonts.org>; rel=preconnect, <https://Shop.org/wp-json/>; rel="https://api.w.org/"'
    page = page_of(SHOP, "/a", Response(301, {"location": "../b?c=d", "link": link}, b""))
    assert page == Page(301, f"https://{SHOP}/b?c=d", SHOP)
    assert page_of(SHOP, "/", Response(302, {"location": "//[", "link": "<::>"}, b"")) == Page(302)


@pytest.mark.parametrize("right", [HttpCode.OK, HttpCode.PRIMARY])
def test_live_needs_valid_https_at_every_address_and_a_proof_of_the_server(right: HttpCode) -> None:
    tls, wrong = TlsVerdict(SHOP, TlsCode.OK), TlsVerdict(SHOP, TlsCode.WRONG_NAME)
    answer, proven = HttpVerdict(SHOP, right), HttpVerdict(SHOP, right, site=2)
    assert DomainCheck(SHOP, HERE, tls, 0.0, answer).is_live
    assert DomainCheck(SHOP, ELSEWHERE, tls, 0.0, proven).is_live
    assert not DomainCheck(SHOP, ELSEWHERE, tls, 0.0, answer).is_live
    assert not DomainCheck(SHOP, HERE, wrong, 0.0, proven).is_live
    assert not DomainCheck(SHOP, HERE, tls, 0.0).is_live


@pytest.mark.parametrize("verdict", [one for one in HttpCode if not one.right])
def test_each_wrong_answer_has_a_next_step(verdict: HttpCode) -> None:
    found = classify_visit(TARGET, Visit(failure=verdict), HERE)
    assert SHOP in found.advice
    assert found.advice.endswith(".")
