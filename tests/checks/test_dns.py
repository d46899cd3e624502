"""Tests of every DNS verdict against real DNS servers."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks import advice
from closte_bridge.checks.dns import DnsCheck, NetworkBoundary, probe_name
from closte_bridge.checks.model import DnsCode, LookupOutcome
from closte_bridge.checks.wire import Endpoint
from closte_bridge.config.model import DnsSettings, Resolver
from tests.support.zones import NETWORK_A, NETWORK_AAAA, STRANGER_A

if TYPE_CHECKING:
    from closte_bridge.checks.model import DnsVerdict, Expected
    from tests.support.dns_world import DnsWorld

# The domain, the expected verdict, whether it points to the network, and the advice as a pattern.
CASES = [
    ("shop.test", DnsCode.OK, True, r""),
    ("www.shop.test", DnsCode.OK, True, r""),
    ("a.shop.test", DnsCode.OK, True, r""),
    ("allowed.shop.test", DnsCode.OK, True, r""),
    ("x.strict.test", DnsCode.OK, True, r""),
    ("signed.test", DnsCode.OK, True, r""),
    ("*.wild.shop.test", DnsCode.OK, True, r""),
    (
        "aaaa.shop.test",
        DnsCode.ONE_FAMILY,
        False,
        r"Add an A record for aaaa\.shop\.test with the value 127\.0\.10\.1\. Without it, .*",
    ),
    (
        "old-aaaa.shop.test",
        DnsCode.ONE_FAMILY,
        False,
        r"Change the AAAA record of old-aaaa\.shop\.test to 2001:db8::10\. It currently points to 2001:db8::bad\.",
    ),
    (
        "old-a.shop.test",
        DnsCode.ONE_FAMILY,
        False,
        r"Change the A record of old-a\.shop\.test to 127\.0\.10\.1\. It currently points to 203\.0\.113\.9\.",
    ),
    (
        "elsewhere.shop.test",
        DnsCode.ELSEWHERE,
        False,
        r"Change the A record of elsewhere\.shop\.test to 127\.0\.10\.1\. It currently points to 203\.0\.113\.9\.",
    ),
    (
        "both-elsewhere.shop.test",
        DnsCode.ELSEWHERE,
        False,
        r"Change the A record of both-elsewhere\.shop\.test to 127\.0\.10\.1\. "
        r"Change the AAAA record of both-elsewhere\.shop\.test to 2001:db8::10\. "
        r"It currently points to 203\.0\.113\.9, 2001:db8::bad\.",
    ),
    (
        "mixed.shop.test",
        DnsCode.ELSEWHERE,
        False,
        r"Change the A record of mixed\.shop\.test to 127\.0\.10\.1\. It currently points to .*203\.0\.113\.9.*",
    ),
    ("*.wrong.shop.test", DnsCode.ELSEWHERE, False, r"Change the A record of \*\.wrong\.shop\.test to .*"),
    (
        "alias.shop.test",
        DnsCode.ELSEWHERE,
        False,
        r"Change the CNAME record of alias\.shop\.test to network\.test\. "
        r"It currently points to host\.other\.test \(203\.0\.113\.9\)\.",
    ),
    (
        "mail.shop.test",
        DnsCode.NO_ADDRESS,
        False,
        r"Add an A record for mail\.shop\.test with the value 127\.0\.10\.1 in the DNS settings of shop\.test\. "
        r"Add an AAAA record for mail\.shop\.test with the value 2001:db8::10\. The domain has no A or AAAA record\.",
    ),
    (
        "dangling.shop.test",
        DnsCode.NO_ADDRESS,
        False,
        r"Change the CNAME record of .* to network\.test\. It .* nothing\.other\.test, which has no address\.",
    ),
    ("loop.shop.test", DnsCode.NO_ADDRESS, False, r"Add an A record .*"),
    (
        "missing.shop.test",
        DnsCode.NXDOMAIN,
        False,
        r"Add an A record .* in the DNS settings of shop\.test\. Add .*\. The domain does not exist in DNS\.",
    ),
    ("*.none.shop.test", DnsCode.NXDOMAIN, False, r"Add an A record for \*\.none\.shop\.test .*"),
    ("unregistered.test", DnsCode.NOT_DELEGATED, False, r"Check that unregistered\.test is registered .*"),
    ("a.unregistered.test", DnsCode.NOT_DELEGATED, False, r"Check that unregistered\.test is registered .*"),
    (
        "lame.test",
        DnsCode.NOT_DELEGATED,
        False,
        r"Correct the nameservers of lame\.test .* The current ones \(ns2\.test\) do not host this domain\.",
    ),
    ("ghost.test", DnsCode.NOT_DELEGATED, False, r"Correct the nameservers of ghost\.test .*"),
    ("partly.test", DnsCode.PARTLY, False, r"Ask the DNS provider of partly\.test .*\. ns2\.test still returns .*"),
    (
        "stale.shop.test",
        DnsCode.PARTLY,
        False,
        r"Please wait for up to 50 minutes\. .* still returns? the old answer\.",
    ),
    (
        "apex.test",
        DnsCode.CNAME_AT_APEX,
        True,
        r"Delete the CNAME record of apex\.test\. Add an A record for apex\.test with the value 127\.0\.10\.1\. Add .*",
    ),
    (
        "forbidden.shop.test",
        DnsCode.CAA,
        True,
        r'Add a CAA record for forbidden\.shop\.test with the value 0 issue "letsencrypt\.org"\. .*pki\.other\.test.*',
    ),
    (
        "*.strict.test",
        DnsCode.CAA,
        True,
        r'Add a CAA record for strict\.test with the value 0 issuewild "letsencrypt\.org"\. .*',
    ),
    ("broken.test", DnsCode.DNSSEC, False, r"Ask your registrar to fix or remove the DS record of broken\.test\. .*"),
    ("cdn.shop.test", DnsCode.ELSEWHERE, False, r"Change the CNAME record of cdn\.shop\.test to network\.test\. .*"),
]


def look(
    names: DnsWorld,
    *wanted: str,
    settings: DnsSettings | None = None,
    edges: NetworkBoundary | None = None,
    issuer: str = "",
    public_ip: str | None = None,
) -> tuple[Expected, list[DnsVerdict]]:
    async def run() -> tuple[Expected, list[DnsVerdict]]:
        more = {"issuer": issuer} if issuer else {}
        check = DnsCheck(settings or names.settings(), edges=edges or names.edges, **more)
        expected = await check.expected("network.test", public_ip)
        return expected, list(await asyncio.gather(*(check.check(name, expected) for name in wanted)))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def verdicts(names: DnsWorld) -> dict[str, DnsVerdict]:
    """The verdicts on all cases, from one pass as in production."""
    _, found = look(names, *(name for name, *_ in CASES))
    return {verdict.name: verdict for verdict in found}


@pytest.mark.parametrize(("name", "code", "points_here", "advice"), CASES, ids=[c[0] for c in CASES])
def test_each_domain_gets_its_verdict_and_advice(
    verdicts: dict[str, DnsVerdict], name: str, code: DnsCode, points_here: bool, advice: str
) -> None:
    verdict = verdicts[name]
    assert (verdict.code, verdict.points_here) == (code, points_here), verdict
    assert re.fullmatch(advice, verdict.advice), verdict.advice


def test_every_verdict_and_every_advice_has_a_case() -> None:
    """Verdicts that need a silent server or a CDN with a certificate have tests of their own."""
    codes = {code for _, code, _, _ in CASES}
    assert codes | {DnsCode.TIMEOUT, DnsCode.UNKNOWN, DnsCode.PROXIED} == set(DnsCode)
    assert set(advice._DNS) <= codes | {DnsCode.TIMEOUT}


@pytest.mark.parametrize(
    ("target", "name", "code", "step"),
    [
        (
            NETWORK_A,
            "both-elsewhere.shop.test",
            DnsCode.ELSEWHERE,
            "Change the A record of both-elsewhere.shop.test to 127.0.10.1. "
            "Delete the AAAA record of both-elsewhere.shop.test. It currently points to 203.0.113.9, 2001:db8::bad.",
        ),
        (
            NETWORK_A,
            "shop.test",
            DnsCode.ONE_FAMILY,
            "Delete the AAAA record of shop.test. It currently points to 2001:db8::10. The server has no IPv6 address.",
        ),
        (
            NETWORK_AAAA,
            "elsewhere.shop.test",
            DnsCode.ELSEWHERE,
            "Delete the A record of elsewhere.shop.test. "
            "Add an AAAA record for elsewhere.shop.test with the value 2001:db8::10. "
            "It currently points to 203.0.113.9.",
        ),
        (NETWORK_AAAA, "aaaa.shop.test", DnsCode.OK, ""),
        (
            NETWORK_A,
            "missing.shop.test",
            DnsCode.NXDOMAIN,
            "Add an A record for missing.shop.test with the value 127.0.10.1 in the DNS settings of shop.test. "
            "The domain does not exist in DNS.",
        ),
    ],
)
def test_network_with_one_address_family_expects_only_that_family(
    names: DnsWorld, target: str, name: str, code: DnsCode, step: str
) -> None:
    _, (verdict,) = look(names, name, settings=names.settings(targets=(target,)))
    assert (verdict.code, verdict.advice) == (code, step)


def test_expected_addresses_follow_the_main_domain(names: DnsWorld) -> None:
    expected, _ = look(names)
    assert expected.addresses == (NETWORK_A, NETWORK_AAAA)
    assert expected.names == ("network.test",)


def test_targets_replace_the_main_domain(names: DnsWorld) -> None:
    settings = names.settings(targets=("203.0.113.77", "host.other.test"))
    expected, (verdict,) = look(names, "elsewhere.shop.test", settings=settings)
    assert expected.addresses == ("203.0.113.9", "203.0.113.77")
    assert expected.names == ("host.other.test",)
    assert verdict.code is DnsCode.OK


def test_address_of_the_host_replaces_a_main_domain_elsewhere(names: DnsWorld) -> None:
    expected, (verdict,) = look(names, "elsewhere.shop.test", public_ip="203.0.113.9")
    assert (expected.addresses, expected.names) == (("203.0.113.9",), ())
    assert verdict.code is DnsCode.OK


def test_main_domain_at_the_address_of_the_host_counts_with_all_its_addresses(names: DnsWorld) -> None:
    expected, _ = look(names, public_ip=NETWORK_A)
    assert (expected.addresses, expected.names) == ((NETWORK_A, NETWORK_AAAA), ("network.test",))
    # The config comes first.
    expected, _ = look(names, settings=names.settings(targets=("203.0.113.77",)), public_ip=NETWORK_A)
    assert expected.addresses == ("203.0.113.77",)


def test_evidence_lists_each_server(verdicts: dict[str, DnsVerdict], names: DnsWorld) -> None:
    verdict = verdicts["partly.test"]
    assert verdict.nameservers == ("ns1.test", "ns2.test")
    assert {a.server: a.addresses for a in verdict.answers if a.authoritative} == {
        "ns1.test": (NETWORK_A,),
        "ns2.test": (STRANGER_A,),
    }
    assert [a.server for a in verdict.answers if not a.authoritative] == [str(r) for r in names.settings().resolvers]
    assert "ns2.test" in verdict.differing
    assert verdict.ttl == 300
    alias = verdicts["alias.shop.test"]
    assert {a.cnames for a in alias.answers} == {("host.other.test",)}
    # `Answer.ttl` is the lowest of the chain, and the resolver may have cached the target before the CNAME.
    assert all(a.ttl is not None and 0 < a.ttl <= 300 for a in alias.answers)


def test_truncated_answer_is_read_over_tcp(names: DnsWorld) -> None:
    settings = names.settings(targets=tuple(f"192.0.2.{i}" for i in range(1, 121)))
    _, (verdict,) = look(names, "big.test", settings=settings)
    assert verdict.code is DnsCode.OK
    assert {len(answer.addresses) for answer in verdict.answers} == {120}


def test_silent_zone_is_a_timeout(names: DnsWorld) -> None:
    _, (verdict,) = look(names, "silent.test", settings=names.settings(timeout=0.5))
    assert verdict.code is DnsCode.TIMEOUT
    assert verdict.nameservers == ("ns4.test",)
    assert verdict.advice.startswith("Contact the DNS provider of silent.test. Its nameservers (ns4.test) are ")


def test_verdict_is_unknown_without_a_resolver(names: DnsWorld) -> None:
    # This server of the silent zone does not answer as a resolver either.
    nobody = DnsSettings(resolvers=(Resolver("127.0.53.4", names.port),), timeout=0.1)
    expected, (verdict,) = look(names, "shop.test", settings=nobody)
    assert expected.addresses == ()
    assert verdict.code is DnsCode.UNKNOWN
    _, (verdict,) = look(names, "shop.test", settings=dataclasses.replace(nobody, targets=(NETWORK_A,)))
    assert verdict.code is DnsCode.UNKNOWN


def test_resolver_that_is_down_does_not_change_the_verdict(names: DnsWorld) -> None:
    settings = names.settings(timeout=0.5)
    settings = dataclasses.replace(settings, resolvers=(Resolver("127.0.53.4", names.port), *settings.resolvers))
    _, verdicts = look(names, "shop.test", "missing.shop.test", "broken.test", settings=settings)
    assert [v.code for v in verdicts] == [DnsCode.OK, DnsCode.NXDOMAIN, DnsCode.DNSSEC]


def test_resolvers_decide_if_the_zone_is_unreachable(names: DnsWorld) -> None:
    barred = NetworkBoundary(authority=lambda _: Endpoint("127.0.53.4", names.port), public=lambda _: True)
    _, verdicts = look(names, "shop.test", "elsewhere.shop.test", settings=names.settings(timeout=1.0), edges=barred)
    assert [v.code for v in verdicts] == [DnsCode.OK, DnsCode.ELSEWHERE]
    assert {a.outcome for a in verdicts[0].answers if a.authoritative} == {LookupOutcome.TIMEOUT}


def test_private_nameservers_are_not_queried(names: DnsWorld) -> None:
    asked: list[str] = []

    def authority(address: str) -> Endpoint:
        asked.append(address)
        return Endpoint(address, names.port)

    _, (verdict,) = look(names, "shop.test", edges=NetworkBoundary(authority=authority))
    assert asked == []
    assert verdict.code is DnsCode.OK


def test_private_nameservers_are_not_queried_for_a_delegation(names: DnsWorld) -> None:
    """No resolver can read these zones, so the check would query the parent zone."""
    asked: list[str] = []

    def authority(address: str) -> Endpoint:
        asked.append(address)
        return Endpoint(address, names.port)

    look(
        names,
        "lame.test",
        "silent.test",
        settings=names.settings(timeout=0.3),
        edges=NetworkBoundary(authority=authority),
    )
    assert asked == []


def test_caa_issuer_can_be_configured(names: DnsWorld) -> None:
    _, verdicts = look(names, "forbidden.shop.test", "x.strict.test", issuer="pki.other.test")
    assert [v.code for v in verdicts] == [DnsCode.OK, DnsCode.CAA]


def test_wildcard_is_probed_with_a_new_random_label() -> None:
    first, second = probe_name("*.shop.test"), probe_name("*.shop.test")
    assert first != second
    assert re.fullmatch(r"cb-[0-9a-f]{12}\.shop\.test", first)
    assert probe_name("shop.test") == "shop.test"
