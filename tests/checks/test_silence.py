"""Tests of network outages of this machine: they end a pass within seconds and cause no verdicts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.checks.model import DnsCode, TlsCode
from closte_bridge.checks.silence import Silence
from closte_bridge.checks.tls import TlsCheck
from closte_bridge.checks.wire import TIMED_OUT, Wire
from closte_bridge.config.model import DnsSettings, Resolver, TlsSettings
from tests.checks.test_pool import NETWORK, pool_of
from tests.support.dns_world import RESOLVERS, SILENT

if TYPE_CHECKING:
    import pytest

    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.checks.pool import CheckPool
    from tests.support.dns_world import DnsWorld
    from tests.support.tls_world import TlsWorld


def passed(pool: CheckPool, *names: str) -> tuple[list[DomainCheck], list[Silence]]:
    """Run a pass; return the checks that finished and the outages that ended the pass."""
    found: list[DomainCheck] = []
    silences: list[Silence] = []
    replace(pool, on_silence=silences.append).run(names, found.append)
    return found, silences


def asking(
    pool: CheckPool, *resolvers: str, port: int, timeout: float = 0.3, targets: tuple[str, ...] = ()
) -> CheckPool:
    """Return the pool with other resolvers."""
    servers = tuple(Resolver(address, port) for address in resolvers)
    return replace(pool, dns=DnsSettings(resolvers=servers, timeout=timeout, targets=targets))


def test_unresponsive_resolvers_end_the_pass_without_verdicts(names: DnsWorld, servers: TlsWorld) -> None:
    # With `dns.targets` the expected addresses are known, so silence would otherwise count against the domains.
    pool = asking(pool_of(names, servers), SILENT, "127.0.53.9", port=names.port, targets=("192.0.2.1",))
    began = time.monotonic()
    found, silences = passed(pool, *(f"name{number}.shop.test" for number in range(1000)))
    # Waiting for a single domain to time out would take longer.
    assert time.monotonic() - began < 5
    assert found == []
    assert [(silence.what, {*silence.peers}) for silence in silences] == [("dns", {SILENT, "127.0.53.9"})]


def test_silence_is_noticed_with_a_single_domain(names: DnsWorld, servers: TlsWorld) -> None:
    pool = asking(pool_of(names, servers), SILENT, port=names.port)
    assert passed(pool, "a.shop.test") == ([], [Silence("dns", (SILENT,))])


def test_one_responsive_resolver_is_enough(names: DnsWorld, servers: TlsWorld) -> None:
    pool = asking(pool_of(names, servers), SILENT, RESOLVERS[0], port=names.port)
    found, silences = passed(pool, "missing.shop.test", "mail.shop.test")
    assert silences == []
    assert {one.name: one.dns.code for one in found} == {
        "missing.shop.test": DnsCode.NXDOMAIN,
        "mail.shop.test": DnsCode.NO_ADDRESS,
    }


def test_silent_nameservers_of_a_domain_are_no_local_outage(names: DnsWorld, servers: TlsWorld) -> None:
    pool = asking(pool_of(names, servers), *RESOLVERS, port=names.port)
    found, silences = passed(pool, "silent.test")
    assert silences == []
    assert [one.dns.code for one in found] == [DnsCode.TIMEOUT]


def test_verdicts_before_the_silence_are_kept(
    names: DnsWorld, servers: TlsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    silences: list[Silence] = []
    found: list[DomainCheck] = []

    async def nothing(*_: object, timeout: float | None = None, **__: object) -> tuple[list[bytes], str]:
        await asyncio.sleep(timeout or 0.3)
        return [b"", b""], TIMED_OUT

    def take(checked: DomainCheck) -> None:
        found.append(checked)
        # From now on no DNS server answers.
        monkeypatch.setattr(Wire, "_once", nothing)

    settings = names.settings(timeout=0.3, concurrency=1)
    pool = replace(pool_of(names, servers, concurrency=1), dns=settings, on_silence=silences.append)
    wanted = (f"missing{number}.shop.test" for number in range(1000))
    pool.run(wanted, take)
    assert 1 <= len(found) <= 2
    assert {one.dns.code for one in found} == {DnsCode.NXDOMAIN}
    assert [silence.what for silence in silences] == ["dns"]


def test_unreachable_tls_servers_end_the_pass(names: DnsWorld, servers: TlsWorld) -> None:
    # No server listens, not even at the network's own address.
    found, silences = passed(pool_of(names, servers), "a.shop.test", "failing.four.test", "else.four.test")
    assert found == []
    assert [silence.what for silence in silences] == ["tls"]
    assert sorted(silences[0].peers) == ["127.0.10.1", "127.0.10.3", "127.0.10.9"]


def test_other_servers_are_blamed_if_the_networks_own_answers(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(NETWORK, servers.issue("four.test"))
    wanted = ("failing.four.test", "else.four.test", "direct.cloudy.test")
    found, silences = passed(pool_of(names, servers), *wanted)
    assert silences == []
    assert {one.tls.code for one in found if one.tls} == {TlsCode.NO_LISTENER}
    assert len(found) == 3


def test_silence_of_one_address_is_no_local_outage(names: DnsWorld, servers: TlsWorld) -> None:
    found, silences = passed(pool_of(names, servers), "a.shop.test", "four.test")
    assert silences == []
    assert {one.tls.code for one in found if one.tls} == {TlsCode.NO_LISTENER}


async def _never(*_: object, **__: object) -> None:
    await asyncio.sleep(60)


def test_silent_address_is_not_awaited_for_every_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> int:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "sock_connect", _never)
        tls = TlsCheck(TlsSettings(timeout=0.1, concurrency=2))
        codes = [await tls.check(f"{number}.example.org", ["192.0.2.1"]) for number in range(50)]
        assert {verdict.code for verdict in codes} == {TlsCode.TIMEOUT}
        return len(codes)

    began = time.monotonic()
    assert asyncio.run(check()) == 50
    assert time.monotonic() - began < 3
