"""Check many names at once, with bounds: on names, on DNS questions and on handshakes in flight."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.checks.classify import with_tls
from closte_bridge.checks.dns import ISSUER, DnsCheck, NetworkBoundary, probe_name
from closte_bridge.checks.model import DnsCode, DnsVerdict, DomainCheck, Expected
from closte_bridge.checks.tls import TlsCheck
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from closte_bridge.checks.silence import Silence, Uplink
    from closte_bridge.config.model import DnsSettings, TlsSettings

_POLL = 0.2
"""Seconds after which the wish to stop is looked at again."""

_NOWHERE = Expected((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPool:
    """How names are checked. `main_domain` is the network's; `now` gives seconds since the epoch.

    `should_stop` is asked five times a second: once it says so, what is under way is dropped. `edges` and `issuer` are
    those of `DnsCheck`. With `on_silence`, a pass ends once this machine's own way out is silent: what it saw in that
    silence is dropped, and the function is told.
    """

    main_domain: str
    dns: DnsSettings
    tls: TlsSettings
    issuer: str = ISSUER
    edges: NetworkBoundary | None = None
    now: Callable[[], float] = time.time
    should_stop: Callable[[], bool] = lambda: False
    on_silence: Callable[[Silence], None] | None = None

    def run(self, names: Iterable[str], on_result: Callable[[DomainCheck], None]) -> Expected:
        """Check each name (normalised; wildcards too), and call `on_result` in this thread as verdicts arrive.

        Returns where the names should point (nothing when it was stopped before that was known); `names` is iterated no
        further than there is room. What `on_result` raises comes out. A name whose check breaks for a reason nobody
        thought of is *unknown*, and blocks no other.
        Raises ConfigError for a bad `tls.ca_file`.
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
        expected = _NOWHERE
        lines = (dns.line, tls.line) if self.on_silence else ()
        results = _Results(lines, on_result)

        async def check() -> Silence | None:
            nonlocal expected
            expected = await dns.expected(self.main_domain)
            tls.expect(expected.addresses)
            await self._all(names, dns, tls, expected, results)
            return await results.the_end()

        tasks = {asyncio.ensure_future(check()), asyncio.ensure_future(_silence_of(lines))}
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

    async def _all(
        self,
        names: Iterator[str],
        dns: DnsCheck,
        tls: TlsCheck,
        expected: Expected,
        results: _Results,
    ) -> None:
        async def worker() -> None:
            # They share one iterator: each takes the next name when it is free.
            for name in names:
                began = results.mark()
                results.take(await self._one(name, dns, tls, expected), began)

        # While some names wait for DNS, others shake hands: so many keep both kinds of slots busy.
        size = self.dns.concurrency + self.tls.concurrency
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(size):
                    group.create_task(worker())
        except BaseExceptionGroup as group_error:
            # The first is the cause; the others were ended because of it.
            raise group_error.exceptions[0] from None

    async def _one(self, name: str, dns: DnsCheck, tls: TlsCheck, expected: Expected) -> DomainCheck:
        probe = probe_name(name)
        try:
            dns_verdict = await dns.check(name, expected, probe=probe)
            tls_verdict = None
            if dns_verdict.addresses:
                managed = frozenset(expected.addresses)
                if dns_verdict.points_here:
                    managed |= frozenset(dns_verdict.addresses)
                tls_verdict = await tls.check(name, dns_verdict.addresses, managed=managed, probe=probe)
        except BridgeError:
            raise
        except Exception as error:
            # One bad domain never blocks another.
            unknown = DnsVerdict(name, DnsCode.UNKNOWN, expected=expected.addresses)
            return DomainCheck(name, replace(unknown, detail=type(error).__name__), None, self.now())
        return DomainCheck(name, with_tls(dns_verdict, tls_verdict), tls_verdict, self.now())


class _Results:
    """Hands results on; those of a time in which nothing was heard wait until it is known why."""

    def __init__(self, lines: Sequence[Uplink], on_result: Callable[[DomainCheck], None]) -> None:
        self._lines = lines
        self._on_result = on_result
        self._waiting: list[tuple[DomainCheck, list[tuple[Uplink, int]]]] = []

    def mark(self) -> list[tuple[Uplink, int]]:
        """Return how much was heard so far."""
        return [(line, line.heard) for line in self._lines]

    def take(self, checked: DomainCheck, began: list[tuple[Uplink, int]]) -> None:
        """Hand a result on, or keep it if a line on which it was asked for was silent since `began`."""
        silent = [(line, heard) for line, heard in began if line.heard == heard and line.is_asked]
        if silent:
            self._waiting.append((checked, silent))
        else:
            self._on_result(checked)

    def deliver(self) -> None:
        """Hand on those whose lines were heard since."""
        waiting, self._waiting = self._waiting, []
        for checked, silent in waiting:
            self.take(checked, silent)

    async def the_end(self) -> Silence | None:
        """Find out why what still waits does, and hand it on unless this machine is cut off."""
        for line in dict.fromkeys(line for _, silent in self._waiting for line, _ in silent):
            if silence := await line.silence():
                return silence
        self.deliver()
        return None


async def _silence_of(lines: Sequence[Uplink]) -> Silence:
    """Return once one of the lines is silent; without any, never."""
    while True:
        await asyncio.sleep(_POLL)
        for line in lines:
            if line.is_quiet and (silence := await line.silence()):
                return silence
