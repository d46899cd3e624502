"""Tests of the reader of DNS messages, compared with dnspython."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.message import follow, read
from tests.fuzz.mutations import damaged

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS = [
    "shop",
    "test",
    "www",
    "a",
    "*",
    "_acme",
    "xn--bcher-kva",
    "SHOP",
    "Wo.rld",
    "\N{SNOWMAN}",
    "tab\t",
    "@",
    "x" * 63,
]
KINDS = [dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CAA, dns.rdatatype.SOA, dns.rdatatype.NS]


def a_name(labels: Iterable[str]) -> dns.name.Name:
    return dns.name.Name([*(label.encode() for label in labels), b""])


NAMES = st.lists(st.sampled_from(LABELS), max_size=3).map(a_name)
TTLS = st.integers(0, 2**31 - 1)


def a_record(owner: dns.name.Name, ttl: int, kind: str, text: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner, ttl, "IN", kind, text)


RECORDS = st.one_of(
    st.builds(a_record, NAMES, TTLS, st.just("A"), st.ip_addresses(v=4).map(str)),
    st.builds(a_record, NAMES, TTLS, st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.builds(a_record, NAMES, TTLS, st.sampled_from(["NS", "CNAME", "PTR"]), NAMES.map(str)),
    st.builds(a_record, NAMES, TTLS, st.just("MX"), NAMES.map("10 {}".format)),
    st.builds(a_record, NAMES, TTLS, st.just("CAA"), st.sampled_from(['0 issue "pki.test"', '128 x ""'])),
    st.builds(a_record, NAMES, TTLS, st.just("SOA"), NAMES.map("{} . 1 2 3 4 60".format)),
    st.builds(a_record, NAMES, TTLS, st.just("TXT"), st.just('"a text"')),
)


@st.composite
def messages(draw: st.DrawFn) -> dns.message.Message:
    query = dns.message.make_query(draw(NAMES), draw(st.sampled_from(KINDS)), want_dnssec=draw(st.booleans()))
    message = dns.message.make_response(query)
    message.flags |= draw(st.sampled_from([0, dns.flags.AA, dns.flags.AD, dns.flags.RA | dns.flags.AA]))
    # The upper bits of BADVERS and BADCOOKIE need EDNS.
    codes = [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED, dns.rcode.BADVERS, dns.rcode.BADCOOKIE]
    message.set_rcode(draw(st.sampled_from(codes[: 3 if query.edns < 0 else None])))
    for section in (message.answer, message.authority, message.additional):
        section.extend(draw(st.lists(RECORDS, max_size=4)))
    return message


def text_of(name: object) -> str:
    return str(name).lower().removesuffix(".")


def plain(section: list[dns.rrset.RRset]) -> list[tuple[Any, ...]]:
    """Return the records that a check may need, as dnspython reads them, sorted."""
    found = []
    for rrset in section:
        for rdata in rrset:
            kind, text = rrset.rdtype.name, str(rdata)
            if kind in {"A", "AAAA", "CAA", "CNAME", "NS", "SOA"}:
                if kind in {"A", "AAAA"}:
                    told = str(ip_address(text))
                else:
                    told = text_of(text) if kind in {"CNAME", "NS"} else ""
                found.append((text_of(rrset.name), kind, rrset.ttl, told))
    return sorted(found)


@given(messages())
def test_reader_agrees_with_dnspython(message: dns.message.Message) -> None:
    packet = message.to_wire()
    whole, own = dns.message.from_wire(packet, one_rr_per_rrset=True), read(packet)
    assert (own.rcode, own.name, own.kind) == (
        whole.rcode(),
        text_of(whole.question[0].name),
        whole.question[0].rdtype,
    )
    assert own.authoritative is bool(whole.flags & dns.flags.AA)
    assert own.validated is bool(whole.flags & dns.flags.AD)
    sections = ((own.answer, whole.answer), (own.authority, whole.authority), (own.additional, whole.additional))
    for managed, theirs in sections:
        read_by_us = sorted((r.owner, dns.rdatatype.RdataType(r.kind).name, r.ttl, r.text) for r in managed)
        assert read_by_us == plain(theirs)


@given(messages())
def test_alias_chains_agree_with_dnspython(message: dns.message.Message) -> None:
    aliases = [rrset.name for rrset in message.answer if rrset.rdtype == dns.rdatatype.CNAME]
    packet = message.to_wire()
    library = dns.message.from_wire(packet)
    assert isinstance(library, dns.message.QueryMessage)
    own = follow(read(packet))
    if len(set(aliases)) < len(aliases):
        return  # two CNAMEs of one name: no rule says which one counts
    try:
        chain = library.resolve_chaining()
    except dns.exception.DNSException:
        assert own is None
        return
    assert own is not None
    assert own.cnames == tuple(text_of(rdata.target) for rrset in chain.cnames for rdata in rrset)
    assert bool(own.records) is (chain.answer is not None)
    if chain.answer is not None:
        assert own.ttl == chain.minimum_ttl


def response(*answers: str, kind: str = "A", rcode: int = 0) -> bytes:
    message = dns.message.make_response(dns.message.make_query("shop.test", kind))
    message.set_rcode(dns.rcode.Rcode(rcode))
    for answer in answers:
        owner, ttl, of_kind, text = answer.split(maxsplit=3)
        message.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", of_kind, text))
    return message.to_wire()


def test_cname_chain_is_followed() -> None:
    packet = response("shop.test. 300 CNAME a.test.", "a.test. 20 CNAME B.test.", "b.test. 60 A 192.0.2.1")
    chain = follow(read(packet))
    assert chain is not None
    assert (chain.cnames, [r.text for r in chain.records], chain.ttl) == (("a.test", "b.test"), ["192.0.2.1"], 20)


def test_negative_ttl_comes_from_the_soa_record() -> None:
    message = dns.message.from_wire(response())
    assert follow(read(message.to_wire())) == ((), (), None)
    message.authority.append(dns.rrset.from_text("test.", 900, "IN", "SOA", "ns1.test. h.test. 1 2 3 4 60"))
    assert follow(read(message.to_wire())) == ((), (), 60)
    message.authority[0] = dns.rrset.from_text("test.", 30, "IN", "SOA", "ns1.test. h.test. 1 2 3 4 60")
    assert follow(read(message.to_wire())) == ((), (), 30)
    message.authority[0] = dns.rrset.from_text("other.", 30, "IN", "SOA", "ns1.test. h.test. 1 2 3 4 60")
    assert follow(read(message.to_wire())) == ((), (), None)


@pytest.mark.parametrize(
    "packet",
    [
        response("shop.test. 300 A 192.0.2.1", rcode=3),
        response("shop.test. 300 CNAME a.test.", "a.test. 300 CNAME shop.test."),
    ],
    ids=["of a name that does not exist", "without end"],
)
def test_unusable_chain_has_no_result(packet: bytes) -> None:
    assert follow(read(packet)) is None


ANSWER = response("shop.test. 300 A 192.0.2.1", "shop.test. 300 AAAA 2001:db8::1")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ANSWER[:20],
        ANSWER[:-1],
        dns.message.make_query("shop.test", "A").to_wire(),
        ANSWER[:2] + b"\xa8" + ANSWER[3:],
        ANSWER[:4] + b"\0\0" + ANSWER[6:],
        ANSWER[:12] + b"\xc0\x0c" + ANSWER[14:],
        ANSWER[:12] + b"\xc0\xff" + ANSWER[14:],
        ANSWER[:12] + b"\x44" + ANSWER[13:],
        ANSWER[:12] + b"\x3f" + ANSWER[13:40],
        ANSWER[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\0" + ANSWER[12 + 11 :],
        ANSWER.replace(b"\0\x04\xc0\0\x02\x01", b"\0\x03\xc0\0\x02"),
        response("shop.test. 300 CNAME a.test.").replace(b"\0\x04\x01a\xc0", b"\0\x05\x01a\xc0") + b"\0",
    ],
    ids=[
        "empty", "cut in the question", "cut in the answer", "a question", "of another kind", "to no question",
        "a loop", "forwards", "no label", "a cut label", "too long", "a short address", "more than a name",
    ],
)  # fmt: skip
def test_invalid_answer_raises_value_error(packet: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read(packet)


def test_ttl_with_its_highest_bit_set_is_zero() -> None:
    """RFC 2181, section 8, requires this."""
    packet = response("shop.test. 300 A 192.0.2.1").replace(b"\0\0\x01\x2c", b"\x80\0\0\x01")
    assert [record.ttl for record in read(packet).answer] == [0]


@given(damaged(ANSWER))
def test_damaged_message_is_read_or_refused(packet: bytes) -> None:
    try:
        message = read(packet)
    except ValueError:
        return
    assert len(message.answer) <= 2
