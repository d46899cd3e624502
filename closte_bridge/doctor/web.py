"""Diagnostics of the web server: what it caches, and whether it answers closte-bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from closte_bridge.doctor.model import Finding, ok, skip, warning
from closte_bridge.engine.web import web_client
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.wordpress.snapshot import Network


def of_web(engine: Engine, network: Network, facts: dict[str, Any]) -> Iterator[Finding]:
    """Check the signed requests, and compare the object caches of `wp` and the web server.

    `facts` are those of `doctor.php`.
    """
    client = web_client(engine, network)
    if client is None:
        yield skip("routes", "Skipped: the shim is not installed.")
        yield _unknown(facts, "Run `closte-bridge shim install`, so that closte-bridge refreshes the cache.")
        return
    caches = set[str]()
    for url in client.urls:
        try:
            with engine.waiting("the web server"):
                caches.add(client.site(network.domain, url=url).cache)
        except BridgeError as failure:
            yield warning("routes", failure.message, failure.hint)
            yield _unknown(facts, "See the check `routes`.")
            return
    yield ok("routes", "The web server answers signed requests.")
    if caches == {""}:
        yield ok("object-cache", "The web server has no object cache that outlives a request.")
    elif caches == {facts.get("cache_id")}:
        yield ok("object-cache", "`wp` and the web server share their object cache.")
    else:
        text = "`wp` and the web server do not share their object cache. closte-bridge refreshes it after each change."
        yield ok("object-cache", text)


def _unknown(facts: dict[str, Any], hint: str) -> Finding:
    """Return a finding for a web server that cannot be asked."""
    if not facts.get("object_cache"):
        return ok("object-cache", "The web server has no object cache that outlives a request.")
    text = (
        "The web server's object cache may not be that of `wp`. If so, a new domain redirects to the sign-up page "
        "until the cache is flushed in the web server."
    )
    return warning("object-cache", text, hint)
