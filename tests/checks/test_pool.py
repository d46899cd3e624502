"""Tests of passes over many domains with real DNS and TLS servers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.caa import CaaRecord
from closte_bridge.checks.classify import LookupEvidence, classify, with_caa, with_tls
from closte_bridge.checks.dns import DnsCheck
from closte_bridge.checks.model import Answer, DnsCode, Expected, LookupOutcome, TlsCode, TlsVerdict
from closte_bridge.checks.pool import CheckPool
from closte_bridge.checks.wire import Wire
from closte_bridge.checks.zone import Nameserver, Zone
from closte_bridge.config.model import DnsSettings, Resolver, TlsSettings
from tests.support.running import wait_until

if TYPE_CHECKING:
    from closte_bridge.checks.model import DomainCheck
    from tests.support.dns_world import DnsWorld
    from tests.support.tls_world import TlsWorld

NETWORK, CDN = "127.0.10.1", "127.0.10.3"


def pool_of(
    names: DnsWorld, servers: TlsWorld, *, stop: threading.Event | None = None, concurrency: int = 50
) -> CheckPool:
    return CheckPool(
        main_domain="four.test",
        dns=names.settings(concurrency=concurrency),
        tls=TlsSettings(port=servers.port, ca_file=servers.ca_file, concurrency=concurrency, timeout=5),
        edges=names.edges,
        should_stop=stop.is_set if stop else lambda: False,
    )


def open_files() -> set[str]:
    # The listing opens a file itself, which is closed before `is_symlink` reads it.
    return {f"{entry.name} {entry.readlink()}" for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


def test_domains_are_checked_through_dns_and_tls(names: DnsWorld, servers: TlsWorld) -> None:
    wild = servers.issue("*.wild.shop.test")
    servers.serve(NETWORK, servers.issue("four.test"), a__shop__test=servers.issue("a.shop.test"))
    servers.serve("127.0.10.9", wild)
    wanted = ["a.shop.test", "partly.test", "missing.shop.test", "failing.four.test", "a.shop.test"]
    found = pool_of(names, servers).check(wanted)
    assert [(c.name, c.dns.code, c.tls.code if c.tls else None) for c in found[:3]] == [
        ("a.shop.test", DnsCode.OK, TlsCode.OK),
        ("partly.test", DnsCode.PARTLY, TlsCode.DEFAULT_CERTIFICATE),
        ("missing.shop.test", DnsCode.NXDOMAIN, None),
    ]
    failing = found[3]
    assert failing.dns.code is DnsCode.ELSEWHERE
    assert failing.tls is not None
    assert failing.tls.code is TlsCode.WRONG_NAME
    assert len(found) == 4


def test_default_certificate_differs_from_wrong_name(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(NETWORK, servers.issue("*.host.test"))
    (found,) = pool_of(names, servers).check(["a.shop.test"])
    assert found.tls is not None
    assert (found.dns.code, found.tls.code) == (DnsCode.OK, TlsCode.DEFAULT_CERTIFICATE)


def test_wildcard_is_probed_through_dns_and_tls(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(NETWORK, servers.issue("*.wild.shop.test"))
    (found,) = pool_of(names, servers).check(["*.wild.shop.test"])
    assert found.tls is not None
    assert (found.name, found.dns.code, found.tls.code) == ("*.wild.shop.test", DnsCode.OK, TlsCode.OK)


def test_valid_certificate_is_enough_behind_a_cdn(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(CDN, servers.issue("cdn.shop.test", "cloudy.test", "else.four.test"))
    found = pool_of(names, servers).check(["cdn.shop.test", "cloudy.test", "else.four.test"])
    assert [(c.dns.code, c.dns.points_here, c.dns.advice) for c in found[:2]] == [(DnsCode.PROXIED, True, "")] * 2
    assert {c.dns.proxy for c in found[:2]} == {"Cloudflare"}
    # Without a sign of a CDN, the same server is an unrelated one, even with a valid certificate.
    assert (found[2].dns.code, found[2].dns.points_here) == (DnsCode.ELSEWHERE, False)


@pytest.mark.parametrize("behind", ["targets", "nameservers"])
def test_cdn_addresses_of_the_network_prove_nothing(names: DnsWorld, servers: TlsWorld, behind: str) -> None:
    """All customers of a CDN share its addresses, even if their origins differ."""
    servers.serve(CDN, servers.issue("cdn.shop.test", "else.four.test"))
    pool = pool_of(names, servers)
    if behind == "targets":
        pool = replace(pool, dns=names.settings(targets=(CDN,)))
    else:
        pool = replace(pool, main_domain="cloudy.test")
    found = pool.check(["cdn.shop.test", "else.four.test", "cloudy.test"])
    # The second domain shows no sign of a CDN. For the third, the CDN has no certificate yet.
    assert [c.dns.code for c in found] == [DnsCode.PROXIED, DnsCode.OK, DnsCode.OK]
    assert all(c.dns.points_here for c in found)


def test_own_address_is_proof_even_with_cdn_nameservers() -> None:
    expected = Expected(("192.0.2.1",), ("network.test",))
    zone = Zone("shop.test", (Nameserver("ada.ns.cloudflare.com", ("192.0.2.53",)),))
    answer = Answer("1.1.1.1", False, LookupOutcome.ADDRESSES, ("192.0.2.1",))
    tls = TlsVerdict("a.shop.test", TlsCode.OK)
    direct = classify(LookupEvidence("a.shop.test", expected, zone, (answer,)))
    assert with_tls(direct, tls).code is DnsCode.OK
    shared = classify(LookupEvidence("a.shop.test", replace(expected, shared=True), zone, (answer,)))
    assert with_tls(shared, tls).code is DnsCode.PROXIED
    # The CDN has a valid certificate even though CAA forbids it.
    forbidden = with_caa(shared, [CaaRecord(0, "issue", "pki.test")], "letsencrypt.org")
    assert (forbidden.code, with_tls(forbidden, tls).code) == (DnsCode.CAA, DnsCode.PROXIED)


def test_cdn_without_a_valid_certificate_points_elsewhere(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(CDN, servers.issue("other.test"))
    (found,) = pool_of(names, servers).check(["cdn.shop.test"])
    assert (found.dns.code, found.dns.points_here) == (DnsCode.ELSEWHERE, False)


def test_concurrency_limit_is_respected(names: DnsWorld, servers: TlsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    servers.serve(NETWORK, servers.issue("*.shop.test"))
    in_flight = most = 0
    once = Wire._once

    async def counted(self: Wire, *args: object, **more: object) -> tuple[list[bytes], str]:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            return await once(self, *args, **more)  # type: ignore[arg-type] # passed on unchanged
        finally:
            in_flight -= 1

    monkeypatch.setattr(Wire, "_once", counted)
    wanted = [f"{label}.shop.test" for label in ("a", "www", "old-a", "mail", "missing", "mixed", "allowed")]
    assert len(pool_of(names, servers, concurrency=3).check(wanted)) == 7
    assert 1 < most <= 3


def test_failing_check_does_not_block_others(
    names: DnsWorld, servers: TlsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.serve(NETWORK, servers.issue("a.shop.test"))
    query_nameserver = DnsCheck._query_nameserver

    async def broken(self: DnsCheck, server: object, name: str, apex: str) -> object:
        if name == "old-a.shop.test":
            raise ZeroDivisionError
        return await query_nameserver(self, server, name, apex)  # type: ignore[arg-type] # passed on unchanged

    monkeypatch.setattr(DnsCheck, "_query_nameserver", broken)
    found = pool_of(names, servers).check(["old-a.shop.test", "a.shop.test"])
    assert [(c.dns.code, c.dns.detail) for c in found] == [
        (DnsCode.UNKNOWN, "ZeroDivisionError"),
        (DnsCode.OK, ""),
    ]


def test_callback_exception_is_raised(names: DnsWorld, servers: TlsWorld) -> None:
    def refuse(_: DomainCheck) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        pool_of(names, servers).run(["missing.shop.test", "mail.shop.test"], refuse)


def test_stop_drops_running_checks(names: DnsWorld, servers: TlsWorld) -> None:
    stop = threading.Event()
    stop.set()
    found: list[DomainCheck] = []
    pool = pool_of(names, servers, stop=stop)
    # The silent zone would take far longer than the test may run.
    pool.run(["silent.test"] * 50, found.append)
    assert found == []


def test_stop_works_while_no_resolver_answers(names: DnsWorld, servers: TlsWorld) -> None:
    stop = threading.Event()
    stop.set()
    silent = DnsSettings(resolvers=(Resolver("127.0.53.4", names.port),), timeout=100)
    pool = replace(pool_of(names, servers, stop=stop), dns=silent)
    began = time.monotonic()
    assert pool.run(["shop.test"], lambda _: None).addresses == ()
    # Each of the three tries would take longer.
    assert time.monotonic() - began < 60


def test_domains_are_consumed_only_as_capacity_allows(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(NETWORK, servers.issue("*.shop.test"))
    taken = 0
    given_when_taken: list[int] = []
    found: list[DomainCheck] = []

    def many() -> object:
        nonlocal taken
        for _ in range(40):
            taken += 1
            given_when_taken.append(taken - len(found))
            yield "a.shop.test"

    pool_of(names, servers, concurrency=4).run(many(), found.append)  # type: ignore[arg-type] # a generator of domains
    assert len(found) == 40
    assert max(given_when_taken) <= 8


def test_one_pass_leaks_no_files_or_threads(names: DnsWorld, servers: TlsWorld) -> None:
    servers.serve(NETWORK, servers.issue("a.shop.test"))
    pool = pool_of(names, servers)
    # The first pass of a process loads things that stay open.
    pool.check(["a.shop.test", "missing.shop.test"])
    files, threads = open_files(), set(threading.enumerate())
    pool.check(["a.shop.test", "missing.shop.test"])
    # The servers run in this process and close their ends of the connections a moment later.
    wait_until(lambda: open_files() <= files and set(threading.enumerate()) <= threads)
