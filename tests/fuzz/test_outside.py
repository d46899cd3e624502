"""Answers of unknown DNS and TLS servers: each gives a verdict, and no text in it controls a terminal."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import trustme
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.advice_text import Advice
from closte_bridge.checks.certificate import read as read_certificate
from closte_bridge.checks.dns import DnsCheck, NetworkBoundary
from closte_bridge.checks.lookup import parse_answer
from closte_bridge.checks.message import read
from closte_bridge.checks.model import AddressVerdict, Certificate, DnsVerdict, Expected, LookupOutcome
from closte_bridge.checks.names import any_covers
from closte_bridge.checks.tls import diagnose, summarise
from closte_bridge.checks.wire import _OPT, TIMED_OUT, DnsReply, Endpoint, Wire, _fits, _query, _reply
from closte_bridge.config.model import DnsSettings, Resolver
from tests.fuzz.examples import FUZZ
from tests.fuzz.mutations import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from closte_bridge.checks.wire import Question

NAME = "shop.example.org"
# The length of the question in a DNS message.
_LENGTH = len(NAME) + 2 + 4


def answer(*records: str, kind: str = "A") -> bytes:
    """Return a DNS message with these records, as a zone's server sends it."""
    message = dns.message.make_response(dns.message.make_query(NAME, kind, want_dnssec=True))
    for record in records:
        section, owner, type_, *rest = record.split()
        into = {"an": message.answer, "au": message.authority, "ad": message.additional}[section]
        into.append(dns.rrset.from_text(owner, 60, "IN", type_, " ".join(rest)))
    return message.to_wire()


GOOD = answer(
    f"an {NAME}. CNAME www.example.net.",
    "an www.example.net. A 192.0.2.1",
    "au example.net. NS a.example.net.",
    'ad example.net. CAA 0 issue "ca.example.org"',
)
ANSWERS = st.one_of(
    st.sampled_from(
        [
            GOOD,
            answer(f"an {NAME}. CNAME {NAME}."),
            answer(f"an {NAME}. A 192.0.2.1"),
            answer("an example.org. NS a.example.net.", kind="NS"),
            answer("au org. NS a.example.net.", "ad a.example.net. A 192.0.2.7", kind="NS"),
            answer("au . SOA a.example.net. b.example.net. 1 1 1 1 1"),
            answer(f'an {NAME}. CAA 0 issue "\\027[31m"', kind="CAA"),
            answer(f"an {NAME}. TYPE65280 \\# 2 0102"),
        ]
    ),
    damaged(GOOD),
)


@FUZZ
@given(damaged(GOOD) | st.binary(max_size=300))
def test_any_dns_packet_is_a_message_or_a_value_error(said: bytes) -> None:
    try:
        message = read(said)
    except ValueError:
        return
    assert parse_answer(message).outcome in LookupOutcome


class Parrot(Wire):
    """A fake wire that sends no query and repeats its answers forever."""

    def __init__(self, answers: list[bytes]) -> None:
        super().__init__(timeout=1, concurrency=10)
        self._said = self._round_and_round(answers)

    @staticmethod
    def _round_and_round(answers: list[bytes]) -> Iterator[bytes]:
        while True:
            yield from answers

    async def ask_together(self, server: Endpoint, questions: Sequence[Question]) -> list[DnsReply]:  # noqa: ARG002 - as in `Wire`
        """Return the next answers and ignore the questions."""
        self.asked += len(questions)
        assert self.asked < 2000, "It asks for ever."
        replies = [self._heard(_query(question), next(self._said)) for question in questions]
        self.answered += sum(reply.message is not None for reply in replies)
        return replies

    @staticmethod
    def _heard(query: bytes, said: bytes) -> DnsReply:
        # A message must repeat the question: `Wire` ignores any other.
        whole = query[:2] + said[2:12] + query[12 : -_OPT.size] + said[12 + _LENGTH :]
        return _reply(whole, "") if _fits(query, whole) else DnsReply(None, TIMED_OUT)


def looked(answers: list[bytes], name: str) -> DnsVerdict:
    """Return the verdict of a complete check of `name`."""
    settings = DnsSettings(resolvers=(Resolver("127.0.0.1", 9),), timeout=1, concurrency=10, targets=())
    check = DnsCheck(settings, edges=NetworkBoundary(public=lambda _: True))
    parrot = Parrot(answers)
    for holder in (check, check._resolvers, check._zones):
        holder._wire = parrot
    return asyncio.run(check.check(name, Expected(("192.0.2.1",), ("example.net",))))


@FUZZ
@given(st.lists(ANSWERS, min_size=1, max_size=6), st.sampled_from([NAME, "example.org", "*.example.org"]))
def test_any_dns_answers_give_a_verdict(answers: list[bytes], name: str) -> None:
    verdict = looked(answers, name)
    assert isinstance(verdict, DnsVerdict)
    assert "\x1b" not in verdict.advice
    assert Advice.of_data(json.loads(json.dumps(verdict.next_step.as_data()))) == verdict.next_step


CA = trustme.CA(organization_name="Test Authority")
DER = ssl.PEM_cert_to_DER_cert(CA.issue_cert("shop.test", "*.shop.test").cert_chain_pems[0].bytes().decode())
CERTIFICATES = damaged(DER) | st.binary(max_size=300) | st.integers(1, 60_000).map(lambda depth: b"\x30\x80" * depth)


@FUZZ
@given(CERTIFICATES, st.sampled_from(["shop.test", "a.shop.test", "other.test"]), st.integers(0, 100))
def test_any_certificate_is_read_or_refused(der: bytes, host: str, error: int) -> None:
    certificate: Certificate | None = None
    try:
        certificate = read_certificate(der)
    except ValueError:
        pass
    else:
        assert all(text.isprintable() for text in (certificate.subject, certificate.issuer, *certificate.names))
        any_covers(certificate.names, host)
    code = diagnose(certificate, host, error, time.time())
    verdict = summarise(host, [AddressVerdict("192.0.2.1", code, certificate)], time.time())
    assert verdict.code is code
    assert "\x1b" not in verdict.advice
    assert Advice.of_data(json.loads(json.dumps(verdict.next_step.as_data()))) == verdict.next_step
