"""Classify what a visitor of a domain gets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from closte_bridge.checks import advice
from closte_bridge.checks.model import DnsCode, HttpCode, HttpVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.checks.model import DnsVerdict

_SIGN_UP = "/wp-signup.php"
_REDIRECTS = range(300, 400)
_ERRORS = range(500, 600)
_FOUND = range(200, 300)
# The server answers but refuses visitors. WordPress sends 410 for an archived, suspended or deleted site.
_REFUSED = frozenset({401, 402, 403, 410, 423, 429, 451})


@dataclass(frozen=True, slots=True)
class SiteTarget:
    """The site that visitors of a domain should get.

    `site` is its ID, `hosts` are all its domains. `primary`: the domain is the site's primary domain, so visitors stay
    on it. `owner` returns the ID of the site that another domain of the installation belongs to, or None.
    """

    name: str
    site: int
    hosts: frozenset[str]
    primary: bool
    owner: Callable[[str], int | None]


class Page(NamedTuple):
    """What matters of one answer: its status, the absolute URL it redirects to, and the host of its REST API's link."""

    status: int
    location: str = ""
    api_host: str = ""


class Visit(NamedTuple):
    """Evidence of one visit: its answers, following redirects.

    `failure` is why there is no answer. `loop`: the redirects do not end. `site` is the ID of the site that the web
    server's process serves, if the shim answered.
    """

    pages: tuple[Page, ...] = ()
    failure: HttpCode | None = None
    loop: bool = False
    site: int | None = None


def host_of(url: str) -> str:
    """Return the host of a URL in lower case; empty for a URL without a host."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def follows(target: SiteTarget, host: str, url: str) -> bool:
    """Return whether a redirect from `host` to `url` has to be followed to classify the visit.

    A redirect from another domain of the site ends at the primary domain, which has a check of its own.
    """
    to = host_of(url)
    return not is_sign_up(url) and (to == host or (target.primary and to in target.hosts))


def is_sign_up(url: str) -> bool:
    """Return whether WordPress redirects there because it knows no site for the domain."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.path.endswith(_SIGN_UP) and "new" in parse_qs(parts.query, keep_blank_values=True)


def classify_visit(target: SiteTarget, visit: Visit, dns: DnsVerdict) -> HttpVerdict:
    """Return the verdict on a visit. `dns` is the verdict on the domain's DNS, with the certificate."""
    page = visit.pages[-1] if visit.pages else Page(0)
    code = _code(target, visit, page, dns)
    step = advice.for_http(target.name, code, page.status, page.location)
    return HttpVerdict(target.name, code, step, page.status, page.location, visit.site)


def _code(target: SiteTarget, visit: Visit, page: Page, dns: DnsVerdict) -> HttpCode:
    if any(is_sign_up(one.location) for one in visit.pages):
        return HttpCode.SIGN_UP
    if visit.site is not None and visit.site != target.site:
        return HttpCode.OTHER_SITE
    if visit.failure is not None:
        return visit.failure
    if visit.site is None and not dns.points_here:
        return HttpCode.OTHER_SERVER
    if visit.loop:
        return HttpCode.LOOP
    return _of_answer(target, visit, page, dns)


def _of_answer(target: SiteTarget, visit: Visit, page: Page, dns: DnsVerdict) -> HttpCode:
    if page.status in _REDIRECTS and page.location:
        return HttpCode.PRIMARY if host_of(page.location) in target.hosts else HttpCode.OTHER_SITE
    if page.status in _ERRORS:
        return HttpCode.SERVER_ERROR
    if page.status in _REFUSED:
        return HttpCode.BLOCKED
    return _found(target, visit, page, dns)


def _found(target: SiteTarget, visit: Visit, page: Page, dns: DnsVerdict) -> HttpCode:
    """Return the verdict on a page. Without the shim's answer, WordPress' link to its REST API names the site."""
    if visit.site is not None or page.api_host in target.hosts:
        return HttpCode.OK
    if page.api_host:
        return HttpCode.OTHER_SERVER if target.owner(page.api_host) is None else HttpCode.OTHER_SITE
    if page.status not in _FOUND:
        # WordPress links its REST API even on a page that it does not find.
        return HttpCode.OTHER_SERVER
    # A theme or a cache may drop the link. The address proves the server, but a CDN's does not.
    return HttpCode.UNKNOWN if dns.code is DnsCode.PROXIED else HttpCode.OK
