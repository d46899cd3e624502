"""Tests of the sentences that describe a verdict."""

from __future__ import annotations

import json

import pytest

from closte_bridge.checks.advice import for_tls
from closte_bridge.checks.classify import LookupEvidence, classify
from closte_bridge.checks.domain_state import next_step
from closte_bridge.checks.fields import FIELDS
from closte_bridge.checks.model import (
    AddressVerdict,
    Answer,
    Certificate,
    DnsCode,
    DnsVerdict,
    DomainCheck,
    Expected,
    LookupOutcome,
    TlsCode,
    TlsVerdict,
)
from closte_bridge.checks.report import document, row, sentences
from closte_bridge.checks.zone import Nameserver, Zone
from tests.support.check_states import a_step

NOW = 1_750_000_000.0
EXPECTED = Expected(("192.0.2.10",), ("network.example.org",))
ZONE = Zone("example.com", (Nameserver("ns1.example.com", ("192.0.2.53",)),))


def elsewhere() -> DnsVerdict:
    answers = (
        Answer("ns1.example.com", True, LookupOutcome.ADDRESSES, ("203.0.113.9",), (), 300),
        Answer("1.1.1.1", False, LookupOutcome.NXDOMAIN, (), (), 60),
        Answer("8.8.8.8", False, LookupOutcome.TIMEOUT),
    )
    return classify(LookupEvidence("example.com", EXPECTED, ZONE, answers))


def served(days: float) -> DomainCheck:
    answers = (Answer("1.1.1.1", False, LookupOutcome.ADDRESSES, ("192.0.2.10",), (), 300),)
    certificate = Certificate(
        "", "Let's Encrypt, R11", ("example.com",), NOW + (days - 90) * 86_400, NOW + days * 86_400, "ab"
    )
    at = AddressVerdict("192.0.2.10", TlsCode.OK, certificate)
    tls = TlsVerdict("example.com", TlsCode.OK, a_step(""), (at,), certificate, int(days))
    return DomainCheck("example.com", classify(LookupEvidence("example.com", EXPECTED, ZONE, answers)), tls, NOW)


def test_sentences_for_a_domain_that_points_elsewhere() -> None:
    checked = DomainCheck("example.com", elsewhere(), None, NOW)
    assert list(sentences(checked)) == [
        '"example.com" points elsewhere.',
        "Nameserver ns1.example.com: 203.0.113.9.",
        "Resolver 1.1.1.1: does not exist.",
        "Resolver 8.8.8.8: no answer.",
        "Expected: 192.0.2.10.",
        "Next step: Change the A record of example.com to 192.0.2.10. It currently points to 203.0.113.9.",
    ]


def test_sentences_for_a_domain_with_valid_https() -> None:
    assert list(sentences(served(80))) == [
        '"example.com" points to the correct address.',
        "At 192.0.2.10, the certificate is valid. Issued by: Let's Encrypt, R11. Valid until: 2025-09-03.",
    ]
    assert list(sentences(served(9)))[-1] == "The certificate expires in 9 days, on 2025-06-24."
    assert list(sentences(served(1)))[-1] == "The certificate expires in 1 day, on 2025-06-16."


def test_row_has_every_field() -> None:
    assert tuple(row(served(80))) == FIELDS
    assert row(served(80)) == {
        "domain": "example.com",
        "dns": "ok",
        "tls": "ok",
        "http": "",
        "live": False,
        "points_at": "192.0.2.10",
        "expected": "192.0.2.10",
        "issuer": "Let's Encrypt, R11",
        "expires": "2025-09-03",
        "days_left": "80",
        "next_step": "",
    }
    empty = row(DomainCheck("example.com", DnsVerdict("example.com", DnsCode.UNKNOWN), None, NOW))
    assert {key: value for key, value in empty.items() if value} == {"domain": "example.com", "dns": "unknown"}


def test_document_is_plain_json() -> None:
    found = json.loads(json.dumps(document(served(80))))
    assert found["checked_at"] == "2025-06-15T15:06:40Z"
    assert (found["dns"], found["tls"]) == ("ok", "ok")
    assert found["evidence"]["dns"]["answers"][0]["addresses"] == ["192.0.2.10"]
    assert found["evidence"]["tls"]["addresses"][0]["certificate"]["not_after"] == "2025-09-03T15:06:40Z"
    assert document(DomainCheck("example.com", elsewhere(), None, NOW))["evidence"]["tls"] is None


def test_a_document_has_the_records_of_its_next_step() -> None:
    found = json.loads(json.dumps(document(DomainCheck("example.com", elsewhere(), None, NOW))))
    record = {"type": "A", "host": "example.com", "value": ["192.0.2.10"], "current": ["203.0.113.9"]}
    assert found["records_to_set"] == [record]
    assert (found["advice_code"], found["advice_args"]) == ("change-records", {})
    fine = document(served(80))
    assert (fine["advice_code"], fine["advice_args"], fine["records_to_set"]) == ("", {}, [])


@pytest.mark.parametrize("code", list(DnsCode))
def test_every_dns_verdict_has_sentences(code: DnsCode) -> None:
    verdict = DnsVerdict("example.com", code, a_step("Do it."), expected=("192.0.2.10",), caa_unknown=True)
    said = list(sentences(DomainCheck("example.com", verdict, None, NOW)))
    assert all(text[-1] == "." for text in said)
    assert said[-1] == "Next step: Do it."
    assert any("CAA" in text for text in said)


@pytest.mark.parametrize("code", list(TlsCode))
def test_every_tls_verdict_has_sentences_and_advice(code: TlsCode) -> None:
    at = AddressVerdict("2001:db8::1", code)
    advice = for_tls("example.com", at)
    assert bool(advice.text) is (code not in {TlsCode.OK, TlsCode.UNKNOWN})
    checked = DomainCheck(
        "example.com", DnsVerdict("example.com", DnsCode.OK), TlsVerdict("example.com", code, advice, (at,)), NOW
    )
    said = list(sentences(checked))
    assert said[1].startswith("At 2001:db8::1, ")
    assert all(text[-1] == "." for text in said)
    assert next_step(checked) == advice


def test_unknown_verdict_states_its_reason() -> None:
    unknown = DnsVerdict("example.com", DnsCode.UNKNOWN)
    assert list(sentences(DomainCheck("example.com", unknown, None, NOW))) == [
        '"example.com" could not be checked.',
        "It is unknown where it should point: the network's main domain could not be resolved.",
    ]
    unheard = DnsVerdict("example.com", DnsCode.UNKNOWN, expected=("192.0.2.10",))
    assert list(sentences(DomainCheck("example.com", unheard, None, NOW)))[1].startswith("No DNS server returned ")


def test_certificate_for_another_name_lists_its_names() -> None:
    for names, shown in ((("a.com", "b.com"), "(a.com, b.com)"), ((), "(no names)")):
        certificate = Certificate("", "CA", names, NOW - 1, NOW + 9, "ab")
        at = AddressVerdict("192.0.2.10", TlsCode.WRONG_NAME, certificate)
        tls = TlsVerdict("example.com", TlsCode.WRONG_NAME, a_step(""), (at,), certificate, 0)
        dns = DnsVerdict("example.com", DnsCode.OK, points_here=True)
        checked = DomainCheck("example.com", dns, tls, NOW)
        assert shown in list(sentences(checked))[1]
        assert not checked.has_https


def test_https_needs_correct_dns_and_every_address() -> None:
    """Incorrect DNS, a missing certificate check or one address with an invalid certificate is no valid HTTPS."""
    assert served(80).has_https
    tls = served(80).tls
    assert not DomainCheck("example.com", elsewhere(), tls, NOW).has_https
    assert not DomainCheck("example.com", served(80).dns, None, NOW).has_https


def test_dns_advice_precedes_certificate_advice() -> None:
    tls = TlsVerdict("example.com", TlsCode.WRONG_NAME, a_step("Install a certificate."))
    assert next_step(DomainCheck("example.com", elsewhere(), tls, NOW)).text.startswith(
        "Change the A record of example.com to "
    )


def verdict(*answers: Answer, zone: Zone | None = ZONE, heard: bool = True) -> DnsVerdict:
    return classify(LookupEvidence("example.com", EXPECTED, zone, answers, heard))


OWN = Answer("ns1.example.com", True, LookupOutcome.TIMEOUT)
ASKED = Answer("1.1.1.1", False, LookupOutcome.TIMEOUT)
HERE, AWAY = ("192.0.2.10",), ("203.0.113.9",)


def test_verdict_is_unknown_if_every_server_is_silent() -> None:
    assert verdict(OWN, ASKED).code is DnsCode.TIMEOUT
    assert verdict(OWN, ASKED, heard=False).code is DnsCode.UNKNOWN
    no_route = [a._replace(outcome=LookupOutcome.UNREACHABLE) for a in (OWN, ASKED)]
    assert verdict(*no_route).code is DnsCode.UNKNOWN
    assert verdict().code is DnsCode.UNKNOWN


def test_authoritative_servers_outweigh_resolvers() -> None:
    right = OWN._replace(outcome=LookupOutcome.ADDRESSES, addresses=HERE)
    stale = ASKED._replace(outcome=LookupOutcome.ADDRESSES, addresses=AWAY, ttl=90_000)
    late = verdict(right, stale)
    assert (late.code, late.differing, late.ttl) == (DnsCode.PARTLY, ("1.1.1.1",), 90_000)
    assert late.advice.startswith("Please wait for up to 2 days. ")
    assert verdict(right, stale._replace(ttl=50)).advice.startswith("Please wait for up to 50 seconds. ")
    assert verdict(right, stale._replace(ttl=3600)).advice.startswith("Please wait for up to 1 hour. ")
    changed = verdict(right._replace(addresses=AWAY), stale._replace(addresses=HERE))
    assert changed.code is DnsCode.ELSEWHERE


def test_validating_resolver_outweighs_a_dnssec_failure() -> None:
    bogus = ASKED._replace(outcome=LookupOutcome.BOGUS)
    own = OWN._replace(outcome=LookupOutcome.ADDRESSES, addresses=HERE)
    other = Answer("8.8.8.8", False, LookupOutcome.ADDRESSES, HERE)
    assert verdict(own, bogus, other).code is DnsCode.DNSSEC
    assert verdict(own, bogus, other._replace(validated=True)).code is DnsCode.OK


def test_cname_to_the_network_is_correct_whatever_it_resolves_to() -> None:
    alias = ASKED._replace(outcome=LookupOutcome.ADDRESSES, addresses=AWAY, cnames=("network.example.org",))
    name = LookupEvidence("www.example.com", EXPECTED, ZONE, (alias,))
    assert classify(name).code is DnsCode.OK


def test_nonexistent_top_level_domain_is_not_delegated() -> None:
    """The root server itself answers that the domain does not exist."""
    root = Zone("", (Nameserver("a.root.test", ("192.0.2.1",)),))
    gone = Answer("192.0.2.53", False, LookupOutcome.NXDOMAIN)
    nowhere = classify(LookupEvidence("shop.nowhere", EXPECTED, root, (gone,)))
    assert nowhere.code is DnsCode.NOT_DELEGATED
    assert nowhere.advice == (
        "Check that shop.nowhere is registered and that nameservers are set at its registrar. It does not exist in DNS."
    )


def test_one_lame_server_does_not_hide_a_silent_one() -> None:
    lame, failed = OWN._replace(outcome=LookupOutcome.LAME), ASKED._replace(outcome=LookupOutcome.SERVFAIL)
    assert verdict(lame, failed).code is DnsCode.NOT_DELEGATED
    assert verdict(lame, OWN._replace(server="ns2.example.com"), failed).code is DnsCode.TIMEOUT
    # If this machine cannot reach the nameserver, the failure of the resolvers decides.
    assert verdict(lame, OWN._replace(outcome=LookupOutcome.UNREACHABLE), failed).code is DnsCode.NOT_DELEGATED
