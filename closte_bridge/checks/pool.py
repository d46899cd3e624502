"""Check many names at once, with bounds: on names, on DNS questions and on handshakes in flight."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.checks.dns import ISSUER, DnsCheck, Edges, probe_name
from closte_bridge.checks.judge import with_tls
from closte_bridge.checks.model import Checked, DnsCode, DnsVerdict, Expected
from closte_bridge.checks.tls import TlsCheck
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.config.model import DnsSettings, TlsSettings

_POLL = 0.2
"""Seconds after which the wish to stop is looked at again."""

_NOWHERE = Expected((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How names are checked. `main_domain` is the network's; `now` gives seconds since the epoch.

    `should_stop` is asked five times a second: once it says so, what is under way is dropped. `edges` and `issuer` are
    those of `DnsCheck`.
    """

    main_domain: str
    dns: DnsSettings
    tls: TlsSettings
    issuer: str = ISSUER
    edges: Edges | None = None
    now: Callable[[], float] = time.time
    should_stop: Callable[[], bool] = lambda: False

    def run(self, names: Iterable[str], on_result: Callable[[Checked], None]) -> Expected:
        """Check each name (normalised; wildcards too), and call `on_result` in this thread as verdicts arrive.

        Returns where the names should point (nothing when it was stopped before that was known); `names` is iterated no
        further than there is room. What `on_result` raises comes out. A name whose check breaks for a reason nobody
        thought of is *unknown*, and blocks no other.
        Raises ConfigError for a bad `tls.ca_file`.
        """
        return asyncio.run(self._run(iter(names), on_result))

    def check(self, names: Iterable[str]) -> list[Checked]:
        """Check each name and return the verdicts in the order of the names."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, Checked] = {}
        self.run(wanted, lambda checked: found.update({checked.name: checked}))
        return [found[name] for name in wanted if name in found]

    async def _run(self, names: Iterator[str], on_result: Callable[[Checked], None]) -> Expected:
        edges = self.edges or Edges()
        dns = DnsCheck(self.dns, issuer=self.issuer, edges=edges)
        tls = TlsCheck(self.tls, now=self.now, public=edges.public)
        expected = _NOWHERE

        async def look() -> None:
            nonlocal expected
            expected = await dns.expected(self.main_domain)
            await self._all(names, dns, tls, expected, on_result)

        work = asyncio.ensure_future(look())
        try:
            while not (await asyncio.wait({work}, timeout=_POLL))[0]:
                if self.should_stop():
                    return expected
            work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        return expected

    async def _all(
        self,
        names: Iterator[str],
        dns: DnsCheck,
        tls: TlsCheck,
        expected: Expected,
        on_result: Callable[[Checked], None],
    ) -> None:
        async def worker() -> None:
            # They share one iterator: each takes the next name when it is free.
            for name in names:
                on_result(await self._one(name, dns, tls, expected))

        # While some names wait for DNS, others shake hands: so many keep both kinds of slots busy.
        size = self.dns.concurrency + self.tls.concurrency
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(size):
                    group.create_task(worker())
        except BaseExceptionGroup as group_error:
            # The first is the cause; the others were ended because of it.
            raise group_error.exceptions[0] from None

    async def _one(self, name: str, dns: DnsCheck, tls: TlsCheck, expected: Expected) -> Checked:
        probe = probe_name(name)
        try:
            dns_verdict = await dns.check(name, expected, probe=probe)
            tls_verdict = None
            if dns_verdict.addresses:
                ours = frozenset(expected.addresses)
                if dns_verdict.leads_here:
                    ours |= frozenset(dns_verdict.addresses)
                tls_verdict = await tls.check(name, dns_verdict.addresses, ours=ours, probe=probe)
        except BridgeError:
            raise
        except Exception as error:
            # One bad domain never blocks another.
            unknown = DnsVerdict(name, DnsCode.UNKNOWN, expected=expected.addresses)
            return Checked(name, replace(unknown, detail=type(error).__name__), None, self.now())
        return Checked(name, with_tls(dns_verdict, tls_verdict), tls_verdict, self.now())
