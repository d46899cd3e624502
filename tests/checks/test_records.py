"""Tests of DNS records to set: the sentence for each combination, and the records for each problem."""

from __future__ import annotations

import pytest

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
            f"Change the A record of {HOST} to {NEW} and its AAAA record to {NEW6}. "
            f"It currently points to {OLD}, {OLD6}.",
        ),
        (
            [a(), aaaa(value=())],
            f"Change the A record of {HOST} to {NEW} and delete its AAAA record. It currently points to {OLD}, {OLD6}.",
        ),
        (
            [a(current=()), aaaa()],
            f"Add an A record for {HOST} with the value {NEW} and change its AAAA record to {NEW6}. "
            f"It currently points to {OLD6}.",
        ),
        (
            [a(current=()), aaaa(current=())],
            f"Add an A record for {HOST} with the value {NEW} and an AAAA record with the value {NEW6}.",
        ),
        ([CNAME], f"Change the CNAME record of {HOST} to network.test. It currently points to old.test."),
        (
            [NO_CNAME, a(current=()), aaaa(current=())],
            f"Replace the CNAME record of {HOST} with an A record ({NEW}) and an AAAA record ({NEW6}). "
            "It currently points to old.test.",
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
        assert replaced.advice.startswith(f"Replace the CNAME record of {HOST} with an A record ({NEW}). It currently ")
    apex = checked(answer(NEW, NEW6, cnames=("network.test",)), name="example.com")
    assert apex.code is DnsCode.CNAME_AT_APEX
    assert [(record.type, record.value) for record in apex.records] == [("CNAME", ()), ("A", (NEW,)), ("AAAA", (NEW6,))]


def test_a_correct_domain_has_no_records_to_set() -> None:
    assert checked(answer(NEW)).records == ()
