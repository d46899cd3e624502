"""Make what `wp` wrote visible to visitors: refresh the web server's cache, and check what it serves (rule 9).

Domains wait in the ledger until the web process shows them as WordPress' tables have them. So several web servers with
caches of their own, a crash and an unreachable server only delay this. It never fails a run.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.engine.web import client_of, web_client
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.flags import STALE, STALE_UNTIL
from closte_bridge.ledger.state import DAY
from closte_bridge.wordpress.results import StageOutcome
from closte_bridge.wordpress.stage import Stage
from closte_bridge.wordpress.web import WebError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.verify import StageResult
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Mapping as Row
    from closte_bridge.wordpress.snapshot import Network, Snapshot
    from closte_bridge.wordpress.web import ServedSite, WebClient

SWITCH = "wu_host_integrations_enabled"
"""The network option with the setting of the integration."""
# Seconds of all requests of a run, and of one request.
_BUDGET = 10.0
_TIMEOUT = 5.0
# Requests to one address, each on a connection of its own, until the same cache answers twice.
_MOST_SERVERS = 4
# Domains that a run checks; if all of them are shown, the others count as shown, too.
_SAMPLE = 20
# Seconds to the next try: as long as the domain waits already.
_FIRST_WAIT, _LONGEST_WAIT = 15.0, 3600.0
_SERVED = frozenset({Stage.DONE, Stage.DONE_WITHOUT_SSL})


class _Expected(NamedTuple):
    blog_id: int
    stage: str


def note_stale(ledger: Ledger, domains: Collection[str], now: float, *, again: bool = True) -> None:
    """Note that the web server may have an old state of these domains cached; inside a transaction.

    Domains that wait already start over, or with `again=False` keep their time.
    """
    names = {domain.lower() for domain in domains}
    for kind in (STALE, STALE_UNTIL):
        if again:
            ledger.clear_flag(kind, names)
        ledger.set_flag(kind, names, now)


def refresh_option(engine: Engine, option: str) -> None:
    """Refresh a network option in the web server's cache, if that is possible. Without effect before adoption."""
    with suppress(BridgeError):
        with engine.opened():
            identity = engine.ledger.state(engine.clock.now()).identity if engine.ledger else None
        client = client_of(engine, identity.main_domain, timeout=_TIMEOUT) if identity else None
        if client is not None:
            _refresh(client, (), (option,), time.monotonic() + _BUDGET)


def refresh_stale(
    engine: Engine,
    ledger: Ledger,
    network: Network,
    mappings: Iterable[Row],
    stages: Mapping[str, str] | None = None,
) -> float | None:
    """Refresh the domains that are due; return when the next ones are, in seconds since the epoch.

    `stages` are stages that changed since `mappings` were read, by domain.
    """
    now = engine.clock.now()
    waiting = _flags(ledger, STALE_UNTIL)
    due = sorted(name for name, until in waiting.items() if until <= now)
    if due:
        client = web_client(engine, network, timeout=_TIMEOUT)
        names = {*due}
        expected = {
            name: _Expected(m.blog_id, (stages or {}).get(name, m.stage))
            for m in mappings
            if (name := m.domain.lower()) in names
        }
        left = _unshown(client, due, expected) if client is not None else []
        since = _flags(ledger, STALE)
        # A day later, the regular checks of the domain find what visitors get.
        left = [name for name in left if now - since.get(name, now) < DAY]
        again = {name: now + min(_LONGEST_WAIT, max(_FIRST_WAIT, now - since.get(name, now))) for name in left}
        with ledger.transaction():
            ledger.clear_flag(STALE, names.difference(left))
            ledger.clear_flag(STALE_UNTIL, due)
            for name, until in again.items():
                ledger.set_flag(STALE_UNTIL, [name], until)
        waiting = {name: until for name, until in waiting.items() if name not in names} | again
    return min(waiting.values(), default=None)


def refresh_after(engine: Engine, ledger: Ledger, found: Snapshot, moved: Iterable[StageResult]) -> float | None:
    """Show visitors what a run and earlier ones wrote; return the same. `moved` are the stages of this run."""
    stages = {stage.name: stage.after for stage in moved if stage.result.outcome is StageOutcome.DONE}
    return refresh_stale(engine, ledger, found.network, found.mappings, stages)


def _unshown(client: WebClient, names: list[str], expected: Mapping[str, _Expected]) -> list[str]:
    """Refresh these domains; return those that the web process does not show as `expected`, or that are unclear."""
    end = time.monotonic() + _BUDGET
    try:
        if not _refresh(client, names, (), end):
            return []
        unshown: list[str] = []
        for name in names[:_SAMPLE]:
            if time.monotonic() > end:
                return [*unshown, *names[names.index(name) :]]
            if name in expected and not _is_shown(client, name, expected):
                unshown.append(name)
    except BridgeError:
        return names
    return [*unshown, *names[_SAMPLE:]] if unshown else []


def _refresh(client: WebClient, domains: Collection[str], options: Collection[str], end: float) -> bool:
    """Refresh on each web server; return whether one has a cache that outlives requests. Raises WebError."""
    cached = False
    for url in client.urls:
        seen = list[str]()
        while len(seen) < _MOST_SERVERS and time.monotonic() < end:
            seen.append(client.refresh(domains, options=options, url=url))
            if not seen[-1] or seen.count(seen[-1]) > 1:
                break
        cached = cached or any(seen)
    return cached


def _is_shown(client: WebClient, name: str, expected: Mapping[str, _Expected]) -> bool:
    """Return whether each web server shows a domain as the tables have it. Raises WebError if it does not answer."""
    for url in client.urls:
        try:
            if not _agrees(client.site(name, url=url), expected):
                return False
        except WebError as error:
            if error.code != "web-redirect":
                raise
            if expected[name].stage in _SERVED:
                return False
    return True


def _agrees(site: ServedSite, expected: Mapping[str, _Expected]) -> bool:
    mapping = site.mapping
    if mapping is None:
        # The site's own address, which needs no mapping.
        return site.blog_id == expected[site.host].blog_id
    # Ultimate Multisite looks a domain and its `www.` form up together.
    row = expected.get(mapping.domain)
    return row is None or row == (mapping.blog_id, mapping.stage)


def _flags(ledger: Ledger, kind: str) -> dict[str, float]:
    return {
        str(name): float(since) for name, since in ledger.query("SELECT name, since FROM flags WHERE kind = ?", kind)
    }
