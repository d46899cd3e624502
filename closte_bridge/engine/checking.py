"""The checks of domains with a network's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from closte_bridge.checks import advice
from closte_bridge.checks.http import Request, fetch, page_of
from closte_bridge.checks.model import HttpCode
from closte_bridge.checks.site import Visit
from closte_bridge.engine.web import web_client
from closte_bridge.errors import BridgeError
from closte_bridge.wordpress.diagnosis import lock_reasons
from closte_bridge.wordpress.exchange import Answer
from closte_bridge.wordpress.web import WebError

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.checks.connection import Connection
    from closte_bridge.checks.http import Ask
    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.checks.pool import CheckPool
    from closte_bridge.checks.site import SiteTarget
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.targets import Targets
    from closte_bridge.wordpress.snapshot import Snapshot
    from closte_bridge.wordpress.web import WebClient

# Answers of a site whose visitors Ultimate Multisite blocks: an error page, or a redirect to a page of another site.
_MAYBE_BLOCKED = frozenset({HttpCode.SERVER_ERROR, HttpCode.BLOCKED, HttpCode.OTHER_SITE})


def _asker(client: WebClient) -> Ask:
    """Return what asks the shim, over the connection of a visit, which site the web process serves."""

    async def ask(connection: Connection, target: SiteTarget) -> tuple[Visit, bool]:
        signed = client.site_request(target.name)
        request = Request(target.name, signed.path, signed.method, signed.headers, signed.body, close=False)
        found = await fetch(connection, request)
        try:
            served = client.site_answer(target.name, signed, Answer(found.status, found.headers, found.body))
        except WebError as error:
            # Any other answer is judged by the visit itself.
            page = page_of(target.name, signed.path, found)
            return Visit((page,) if error.code == "web-redirect" else ()), found.open
        return Visit(site=served.blog_id), found.open

    return ask


def check_pool(engine: Engine, snapshot: Snapshot, targets: Targets | None = None, **more: Any) -> CheckPool:  # noqa: ANN401 - as in `CheckPool`
    """Return a pool of checks. Without `targets`, it makes no HTTP request."""
    from closte_bridge.checks.pool import CheckPool  # noqa: PLC0415 - 100 ms, only with checks

    settings = engine.settings
    client = web_client(engine, snapshot.network) if targets and settings.http.enabled else None
    return CheckPool(
        main_domain=snapshot.network.domain,
        public_ip=snapshot.network.public_ip,
        dns=settings.dns,
        tls=settings.tls,
        http=settings.http,
        target_of=targets.target if targets else lambda _: None,
        ask=_asker(client) if client else None,
        edges=engine.edges,
        now=engine.clock.now,
        **more,
    )


def diagnosed(engine: Engine, targets: Targets, checked: Collection[DomainCheck]) -> list[DomainCheck]:
    """Return the results that change because Ultimate Multisite says that it blocks the visitors of a site.

    Makes one `wp` call, and only if an answer looks like that. Without a diagnosis, the results stay.
    """
    sites = {}
    for one in checked:
        target = targets.target(one.name) if one.http and one.http.code in _MAYBE_BLOCKED else None
        if target:
            sites[one.name] = target.site
    if not sites:
        return []
    try:
        reasons = lock_reasons(engine.settings.wp, engine.cost.wp, set(sites.values()))
    except BridgeError:
        return []
    found = []
    for one in checked:
        reason = reasons.get(sites.get(one.name, 0), "")
        if one.http and reason:
            step = advice.for_blocked(one.name, reason)
            found.append(replace(one, http=replace(one.http, code=HttpCode.BLOCKED, reason=reason, next_step=step)))
    return found
