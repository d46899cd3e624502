"""Tests of DNS records to set: the sentence for each combination, and the records for each problem."""

from __future__ import annotations

import json

import pytest

from closte_bridge.checks import advice_text
from closte_bridge.checks.advice import for_unknown_dns
from closte_bridge.checks.advice_text import Advice, AdviceCode, render
from closte_bridge.checks.classify import LookupEvidence, classify
from closte_bridge.checks.model import Answer, DnsCode, DnsVerdict, Expected, LookupOutcome
from closte_bridge.checks.records import RecordToSet, instruction
from closte_bridge.checks.zone import Nameserver, Zone

HOST = "shop.example.com"
NEW, OLD, NEW6, OLD6 = "192.0.2.10", "203.0.113.9", "2001:db8::10", "2001:db8::bad"
ZONE = Zone("example.com", (Nameserver("ns1.example.com", ("192.0.2.53",)),))


def a(value: tuple[str, ...] = (NEW,), current: tuple[str, ...] = (OLD,)) -> RecordToSet:
    return RecordToSet("A", HOST, value, current)


def aaaa(value: tuple[str, ...] = (NEW6,), current: tuple[str, ...] = (OLD6,)) -> RecordToSet:
    return RecordToSet("AAAA", HOST, value, current)


CNAME = RecordToSet("CNAME", HOST, ("network.test",), ("old.test",))
NO_CNAME = RecordToSet("CNAME", HOST, (), ("old.test",))


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([a()], f"Change the A record of {HOST} to {NEW}. It currently points to {OLD}."),
        ([a(current=())], f"Add an A record for {HOST} with the value {NEW}."),
        ([a(value=())], f"Delete the A record of {HOST}. It currently points to {OLD}."),
        ([a(value=(NEW, "192.0.2.11"), current=())], f"Add A records for {HOST} with the values {NEW}, 192.0.2.11."),
        ([a((), (OLD, NEW))], f"Delete the A records of {HOST}. It currently points to {OLD}, {NEW}."),
        (
            [a(), aaaa()],
            f"Change the A record of {HOST} to {NEW}. Change the AAAA record of {HOST} to {NEW6}. "
            f"It currently points to {OLD}, {OLD6}.",
        ),
        (
            [a(), aaaa(value=())],
            f"Change the A record of {HOST} to {NEW}. Delete the AAAA record of {HOST}. "
            f"It currently points to {OLD}, {OLD6}.",
        ),
        (
            [a(current=()), aaaa()],
            f"Add an A record for {HOST} with the value {NEW}. Change the AAAA record of {HOST} to {NEW6}. "
            f"It currently points to {OLD6}.",
        ),
        (
            [a(current=()), aaaa(current=())],
            f"Add an A record for {HOST} with the value {NEW}. Add an AAAA record for {HOST} with the value {NEW6}.",
        ),
        ([CNAME], f"Change the CNAME record of {HOST} to network.test. It currently points to old.test."),
        (
            [NO_CNAME, a(current=()), aaaa(current=())],
            f"Delete the CNAME record of {HOST}. Add an A record for {HOST} with the value {NEW}. "
            f"Add an AAAA record for {HOST} with the value {NEW6}. It currently points to old.test.",
        ),
    ],
)
def test_each_combination_has_its_sentence(records: list[RecordToSet], text: str) -> None:
    assert instruction(records) == text


def checked(
    own: Answer, *others: Answer, name: str = HOST, expected: Expected | None = None, zone: Zone = ZONE
) -> DnsVerdict:
    return classify(LookupEvidence(name, expected or Expected((NEW, NEW6), ("network.test",)), zone, (own, *others)))


def answer(*addresses: str, cnames: tuple[str, ...] = ()) -> Answer:
    outcome = LookupOutcome.ADDRESSES if addresses else LookupOutcome.NO_ADDRESS
    return Answer("ns1.example.com", True, outcome, addresses, cnames)


STALE = Answer("1.1.1.1", False, LookupOutcome.ADDRESSES, ("198.51.100.1",))


def test_the_nameservers_own_answers_are_the_current_values() -> None:
    assert checked(answer(OLD), STALE).records == (a(),)


def test_an_outdated_cname_of_a_resolver_does_not_count() -> None:
    assert checked(answer(OLD), STALE._replace(cnames=("old.test",))).records == (a(),)


def test_a_missing_aaaa_record_is_optional_if_there_is_an_a_record() -> None:
    assert checked(answer(OLD)).records == (a(),)
    assert checked(answer(OLD6)).records == (a(current=()), aaaa())
    assert checked(answer(OLD, OLD6)).records == (a(), aaaa())


def test_of_two_families_only_the_incorrect_one_is_set() -> None:
    found = checked(answer(NEW, OLD6))
    assert (found.code, found.records) == (DnsCode.ONE_FAMILY, (aaaa(),))
    assert checked(answer(NEW6)).records == (a(current=()),)
    found = checked(answer(NEW, OLD6), expected=Expected((NEW,), ("network.test",)))
    assert found.records == (aaaa(value=()),)
    assert found.advice.endswith(" The server has no IPv6 address.")


def test_each_problem_with_one_family_has_its_code() -> None:
    both, no_ipv6, no_ipv4 = (Expected(values, ("network.test",)) for values in ((NEW, NEW6), (NEW,), (NEW6,)))
    assert checked(answer(NEW, OLD6), expected=both).next_step.code == AdviceCode.AAAA_ELSEWHERE
    assert checked(answer(NEW, OLD6), expected=no_ipv6).next_step.code == AdviceCode.AAAA_UNWANTED
    assert checked(answer(OLD, NEW6), expected=both).next_step.code == AdviceCode.A_ELSEWHERE
    assert checked(answer(OLD, NEW6), expected=no_ipv4).next_step.code == AdviceCode.A_UNWANTED
    assert checked(answer(NEW6), expected=both).next_step.code == AdviceCode.A_MISSING


ROOT = "example.com"


def at(*nameservers: str) -> Zone:
    return Zone(ROOT, tuple(Nameserver(name, ("192.0.2.53",)) for name in nameservers))


@pytest.mark.parametrize(
    ("nameservers", "way"),
    [
        (("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"), "a CNAME record with the value network.test, which Cloud"),
        (("ns1.dnsimple.com", "ns2.dnsimple-edge.net"), "an ALIAS record with the value network.test, which DNSimple "),
        (("ns0.dnsmadeeasy.com",), "an ANAME record with the value network.test, which DNS Made Easy "),
        (("ns-1.awsdns-1.com", "ns-2.awsdns-2.net"), ""),
        (("ns1.desec.io", "ns2.desec.org"), ""),
        (("ada.ns.cloudflare.com", "ns1.dnsimple.com"), ""),
        (("dnsimple.com.example.net",), ""),
        ((), ""),
    ],
)
def test_the_root_of_a_domain_can_point_to_a_name_the_way_of_its_provider(
    nameservers: tuple[str, ...], way: str
) -> None:
    found = checked(answer(OLD), name=ROOT, zone=at(*nameservers))
    start = f"Change the A record of {ROOT} to {NEW}. It currently points to {OLD}."
    assert found.advice.startswith(f"{start} Or use {way}" if way else start)
    assert found.advice.endswith(" supports at the root of a domain." if way else OLD + ".")
    assert ("alternative" in found.next_step.args) is bool(way)


def test_only_a_root_and_a_network_with_a_name_have_an_alternative() -> None:
    zone = at("ns1.dnsimple.com")
    assert "DNSimple" in checked(answer(), name=ROOT, zone=zone).advice
    assert "DNSimple" not in checked(answer(OLD), zone=zone).advice
    assert "DNSimple" not in checked(answer(OLD), name=ROOT, zone=zone, expected=Expected((NEW,), ())).advice
    assert "DNSimple" not in checked(answer(OLD), name=f"*.{ROOT}", zone=zone).advice


def test_a_cname_record_at_the_root_is_never_an_alternative_to_itself() -> None:
    alias = answer(NEW, cnames=("network.test",))
    flat = checked(alias, name=ROOT, zone=at("ada.ns.cloudflare.com"))
    assert (flat.code, "Cloudflare" in flat.advice) == (DnsCode.CNAME_AT_APEX, False)
    assert "Or use an ALIAS" in checked(alias, name=ROOT, zone=at("ns1.dnsimple.com")).advice


def test_a_next_step_is_plain_json_and_renders_the_same_afterwards() -> None:
    for found in (checked(answer(OLD), name=ROOT, zone=at("ns1.dnsimple.com")), checked(answer(OLD6), STALE)):
        again = Advice.of_data(json.loads(json.dumps(found.next_step.as_data())))
        assert again == found.next_step
        assert render(again.code, again.args, again.records) == found.advice


def test_arguments_with_lists_are_bounded() -> None:
    many = tuple(f"198.51.100.{number}" for number in range(9))
    found = checked(answer(*many, cnames=("old.test",)))
    assert found.next_step.args == {"addresses": [*many[:4]], "more_addresses": 5}
    assert found.advice.endswith(f" It currently points to old.test ({', '.join(many[:4])} and 5 more).")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), AdviceCode.NO_DNS_ANSWER),
        ((LookupOutcome.SERVFAIL,), AdviceCode.NO_DNS_ANSWER),
        ((LookupOutcome.NXDOMAIN,), AdviceCode.NO_TARGET_NO_ADDRESS),
        ((LookupOutcome.NXDOMAIN, LookupOutcome.ADDRESSES), AdviceCode.NO_TARGET),
    ],
)
def test_dns_that_could_not_be_checked_has_its_own_next_step(
    outcomes: tuple[LookupOutcome, ...], code: AdviceCode
) -> None:
    answers = tuple(Answer("1.1.1.1", False, outcome) for outcome in outcomes)
    found = for_unknown_dns(DnsVerdict(HOST, DnsCode.UNKNOWN, answers=answers))
    assert found.code == code
    assert found.text.endswith(".")
    assert not for_unknown_dns(DnsVerdict(HOST, DnsCode.OK, answers=answers)).code


def test_every_code_has_a_text() -> None:
    assert set(advice_text._TEXTS) == set(AdviceCode)


@pytest.mark.parametrize("data", [None, [], {}, {"code": "expired", "args": {}, "records": []}, {"code": "x"}])
def test_other_values_are_no_advice(data: object) -> None:
    with pytest.raises(ValueError, match="no advice"):
        Advice.of_data(data)


def test_missing_domains_get_all_records() -> None:
    found = checked(answer())
    assert (found.code, found.records) == (DnsCode.NO_ADDRESS, (a(current=()), aaaa(current=())))


def test_a_cname_record_is_changed_or_replaced() -> None:
    """A CNAME holds no address, and no other record may exist next to it."""
    for addresses in ((OLD,), (NEW, OLD6), ()):
        alias = answer(*addresses, cnames=("old.test", "end.test"))
        assert checked(alias).records == (CNAME,)
        replaced = checked(alias, expected=Expected((NEW,), ()))
        assert replaced.records == (NO_CNAME, a(current=()))
        assert replaced.advice.startswith(
            f"Delete the CNAME record of {HOST}. Add an A record for {HOST} with the value {NEW}. It currently "
        )
    apex = checked(answer(NEW, NEW6, cnames=("network.test",)), name="example.com")
    assert apex.code is DnsCode.CNAME_AT_APEX
    assert [(record.type, record.value) for record in apex.records] == [("CNAME", ()), ("A", (NEW,)), ("AAAA", (NEW6,))]


def test_a_correct_domain_has_no_records_to_set() -> None:
    assert checked(answer(NEW)).records == ()
