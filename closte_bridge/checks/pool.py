"""Check many domains concurrently, with limits on domains, DNS queries and connections in progress."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.classify import with_tls
from closte_bridge.checks.dns import ISSUER, DnsCheck, NetworkBoundary, probe_name
from closte_bridge.checks.http import FirstVisit, HttpCheck
from closte_bridge.checks.model import NOWHERE, DnsCode, DnsVerdict, DomainCheck, Expected
from closte_bridge.checks.site import classify_visit
from closte_bridge.checks.tls import TlsCheck
from closte_bridge.config.model import HttpSettings
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from closte_bridge.checks.http import Ask
    from closte_bridge.checks.silence import Silence, Uplink
    from closte_bridge.checks.site import SiteTarget
    from closte_bridge.config.model import DnsSettings, TlsSettings

_POLL = 0.2
"""Seconds between calls of `should_stop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPool:
    """Settings of a pass of checks. `main_domain` and `public_ip` are the network's; `now` returns epoch seconds.

    `should_stop` is called five times per second: if it returns true, checks in progress are discarded. `edges` and
    `issuer` are passed to `DnsCheck`. With `on_silence`, a pass ends if this machine's internet connection is down:
    results from that time are discarded, and `on_silence` is called.

    `target_of` returns the site that visitors of a domain should get, or None if WordPress does not serve the domain:
    then there is no HTTP request. `ask` is passed to `HttpCheck`.
    """

    main_domain: str
    dns: DnsSettings
    tls: TlsSettings
    public_ip: str | None = None
    http: HttpSettings = field(default_factory=HttpSettings)
    target_of: Callable[[str], SiteTarget | None] = lambda _: None
    ask: Ask | None = None
    issuer: str = ISSUER
    edges: NetworkBoundary | None = None
    now: Callable[[], float] = time.time
    should_stop: Callable[[], bool] = lambda: False
    on_silence: Callable[[Silence], None] | None = None

    def run(self, names: Iterable[str], on_result: Callable[[DomainCheck], None]) -> Expected:
        """Check each name (normalised; wildcards too). Call `on_result` in this thread for each result.

        Returns where the names should point (empty if stopped before that was known). `names` is consumed only as fast
        as the checks run. Exceptions of `on_result` propagate. If a check fails unexpectedly, its result is *unknown*
        and the other checks continue. Raises ConfigError for an invalid `tls.ca_file`.
        """
        return asyncio.run(self._run(iter(names), on_result))

    def check(self, names: Iterable[str]) -> list[DomainCheck]:
        """Check each name and return the verdicts in the order of the names."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, DomainCheck] = {}
        self.run(wanted, lambda checked: found.update({checked.name: checked}))
        return [found[name] for name in wanted if name in found]

    async def _run(self, names: Iterator[str], on_result: Callable[[DomainCheck], None]) -> Expected:
        edges = self.edges or NetworkBoundary()
        dns = DnsCheck(self.dns, issuer=self.issuer, edges=edges)
        tls = TlsCheck(self.tls, now=self.now, public=edges.public)
        http = HttpCheck(self.http, self.ask) if self.http.enabled else None
        expected = NOWHERE
        uplinks = (dns.uplink, tls.uplink) if self.on_silence else ()
        results = _Results(uplinks, on_result)

        async def check() -> Silence | None:
            nonlocal expected
            expected = await dns.expected(self.main_domain, self.public_ip)
            tls.expect(expected.addresses)
            await self._all(names, _Checks(dns, tls, http, expected), results)
            return await results.finish()

        tasks = {asyncio.ensure_future(check()), asyncio.ensure_future(_silence_of(uplinks))}
        try:
            while not (done := (await asyncio.wait(tasks, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED))[0]):
                results.deliver()
                if self.should_stop():
                    return expected
            silence = done.pop().result()
            if silence and self.on_silence:
                self.on_silence(silence)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return expected

    async def _all(self, names: Iterator[str], checks: _Checks, results: _Results) -> None:
        async def worker() -> None:
            # All workers share one iterator.
            for name in names:
                began = results.mark()
                results.take(await self._one(name, checks), began)

        # Enough workers to use all slots for DNS and for TLS at the same time.
        size = self.dns.concurrency + self.tls.concurrency
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(size):
                    group.create_task(worker())
        except BaseExceptionGroup as group_error:
            # The first exception is the cause: it cancelled the other workers.
            raise group_error.exceptions[0] from None

    async def _one(self, name: str, checks: _Checks) -> DomainCheck:
        probe, expected = probe_name(name), checks.expected
        target = self.target_of(name) if checks.http else None
        visit = FirstVisit(checks.http, target) if checks.http and target else None
        try:
            dns = await checks.dns.check(name, expected, probe=probe)
            tls = None
            if dns.addresses:
                managed = frozenset(expected.addresses)
                if dns.points_here:
                    managed |= frozenset(dns.addresses)
                tls = await checks.tls.check(name, dns.addresses, managed=managed, probe=probe, use=visit)
        except BridgeError:
            raise
        except Exception as error:
            # Isolate failures: one domain must not block the others.
            unknown = DnsVerdict(name, DnsCode.UNKNOWN, expected=expected.addresses)
            return DomainCheck(name, replace(unknown, detail=type(error).__name__), None, self.now())
        dns = with_tls(dns, tls)
        http = classify_visit(target, visit.visit, dns) if target and visit and visit.visit else None
        return DomainCheck(name, dns, tls, self.now(), http)


class _Checks(NamedTuple):
    """The checks of one pass. `expected` is where the domains should point."""

    dns: DnsCheck
    tls: TlsCheck
    http: HttpCheck | None
    expected: Expected


class _Results:
    """Delivers results. Results from a time without any answer wait until the reason is known."""

    def __init__(self, uplinks: Sequence[Uplink], on_result: Callable[[DomainCheck], None]) -> None:
        self._uplinks = uplinks
        self._on_result = on_result
        self._waiting: list[tuple[DomainCheck, list[tuple[Uplink, int]]]] = []

    def mark(self) -> list[tuple[Uplink, int]]:
        """Return the number of answers so far, for each uplink."""
        return [(uplink, uplink.answers) for uplink in self._uplinks]

    def take(self, checked: DomainCheck, began: list[tuple[Uplink, int]]) -> None:
        """Deliver a result, or keep it if one of its uplinks received no answer since `began`."""
        silent = [(uplink, count) for uplink, count in began if uplink.answers == count and uplink.has_unanswered]
        if silent:
            self._waiting.append((checked, silent))
        else:
            self._on_result(checked)

    def deliver(self) -> None:
        """Deliver the kept results whose uplinks have received an answer since."""
        waiting, self._waiting = self._waiting, []
        for checked, silent in waiting:
            self.take(checked, silent)

    async def finish(self) -> Silence | None:
        """Deliver the kept results, unless this machine's internet connection is down."""
        for uplink in dict.fromkeys(uplink for _, silent in self._waiting for uplink, _ in silent):
            if silence := await uplink.test():
                return silence
        self.deliver()
        return None


async def _silence_of(uplinks: Sequence[Uplink]) -> Silence:
    """Wait until one of the uplinks is silent. Without uplinks, wait forever."""
    while True:
        await asyncio.sleep(_POLL)
        for uplink in uplinks:
            if uplink.is_overdue and (silence := await uplink.test()):
                return silence
