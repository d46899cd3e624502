"""Tests of lookups through resolvers that fail intermittently: no verdict follows from one failed query."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.rdatatype import CAA, A

from closte_bridge.checks.dns import DnsCheck, NetworkBoundary
from closte_bridge.checks.lookup import Resolvers, ask_authority, combine
from closte_bridge.checks.message import read
from closte_bridge.checks.model import DnsCode, DomainCheck, LookupOutcome
from closte_bridge.checks.report import sentences
from closte_bridge.checks.wire import Wire
from closte_bridge.config.model import DnsSettings, Resolver
from tests.support.udp import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.checks.model import Answer, DnsVerdict
    from closte_bridge.checks.wire import DnsReply

NAME = "shop.test"


def moody(server: Server, mood: Callable[[int, bool], dns.rcode.Rcode | None]) -> list[bool]:
    """Let the server answer as `mood` says (None: no answer); return a list of whether each query had the CD flag."""
    asked: list[bool] = []

    def script(query: bytes) -> list[bytes]:
        question = dns.message.from_wire(query)
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA | dns.flags.AA
        if question.question[0].rdtype != A:
            return [reply.to_wire()]
        unchecked = bool(question.flags & dns.flags.CD)
        code = mood(len(asked), unchecked)
        asked.append(unchecked)
        if code is None:
            return []
        reply.set_rcode(code)
        if code == dns.rcode.NOERROR:
            reply.answer.append(dns.rrset.from_text(question.question[0].name, 300, "IN", "A", "192.0.2.10"))
        return [reply.to_wire()]

    server.script = script
    return asked


def observed(server: Server, timeout: float) -> Answer:
    async def run() -> list[Answer]:
        return await Resolvers(Wire(timeout=timeout, concurrency=5), [("r", server.endpoint)]).observe(NAME)

    (answer,) = asyncio.run(run())
    return answer


# LONG is ample for an answer that arrives; SHORT detects silence soon.
LONG, SHORT = 10.0, 0.5
OK, SERVFAIL, REFUSED = dns.rcode.NOERROR, dns.rcode.SERVFAIL, dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("mood", "outcome", "asked"),
    [
        (lambda n, _: None if n == 0 else OK, LookupOutcome.ADDRESSES, [False, False]),
        (lambda n, _: SERVFAIL if n == 0 else OK, LookupOutcome.ADDRESSES, [False, False]),
        # The resolver could not reach the zone for a while: the last query is validated again and succeeds.
        (lambda n, _: SERVFAIL if n < 2 else OK, LookupOutcome.ADDRESSES, [False, False, True, False]),
        (lambda _, unchecked: OK if unchecked else SERVFAIL, LookupOutcome.BOGUS, [False, False, True, False]),
        (lambda _n, _u: SERVFAIL, LookupOutcome.SERVFAIL, [False, False, True]),
        (lambda _n, _u: REFUSED, LookupOutcome.REFUSED, [False]),
    ],
    ids=["lost", "failed once", "failed twice", "never validates", "always fails", "refused"],
)
def test_failing_resolver_is_retried(
    server: Server, mood: Callable[[int, bool], dns.rcode.Rcode | None], outcome: LookupOutcome, asked: list[bool]
) -> None:
    questions = moody(server, mood)
    # Only a missing answer has to wait for the timeout.
    lost = mood(0, False) is None
    assert observed(server, SHORT if lost else LONG).outcome is outcome
    assert questions == asked


def test_next_resolver_is_used_if_one_fails(server: Server) -> None:
    with Server() as other:
        moody(server, lambda _n, _u: SERVFAIL)
        moody(other, lambda _n, _u: OK)

        async def run() -> list[DnsReply]:
            endpoints = [("a", server.endpoint), ("b", other.endpoint)]
            resolvers = Resolvers(Wire(timeout=LONG, concurrency=5), endpoints)
            return [await resolvers.first(name, A) for name in (NAME, "other.test", "third.test")]

        assert all(reply.conclusive for reply in asyncio.run(run()))


def test_lookup_falls_back_to_unvalidated_answers(server: Server) -> None:
    """Delegations can be read even if the zone's signatures are broken."""
    moody(server, lambda _, unchecked: OK if unchecked else SERVFAIL)

    async def run() -> DnsReply:
        return await Resolvers(Wire(timeout=LONG, concurrency=5), [("r", server.endpoint)]).first(NAME, A)

    assert asyncio.run(run()).conclusive


def test_refusal_by_every_resolver_is_returned(server: Server) -> None:
    moody(server, lambda _n, _u: REFUSED)

    async def run() -> DnsReply:
        return await Resolvers(Wire(timeout=LONG, concurrency=5), [("r", server.endpoint)]).first(NAME, A)

    assert asyncio.run(run()).rcode == REFUSED


def own_answer(server: Server, timeout: float = LONG) -> Answer:
    """Return the combined answer of the server, which acts as the zone's nameserver and as the resolver."""

    async def run() -> Answer:
        wire = Wire(timeout=timeout, concurrency=5)
        resolvers = Resolvers(wire, [("r", server.endpoint)])
        v4, v6 = await ask_authority(wire, server.endpoint, NAME, NAME, resolvers)
        return combine("own", v4, v6, authoritative=True)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("moods", "outcome"),
    [
        ([SERVFAIL, OK], LookupOutcome.ADDRESSES),
        ([REFUSED, OK], LookupOutcome.ADDRESSES),
        ([SERVFAIL, SERVFAIL], LookupOutcome.LAME),
        ([SERVFAIL, None, None], LookupOutcome.TIMEOUT),
    ],
    ids=["failed once", "refused once", "fails", "failed, then silent"],
)
def test_authoritative_server_is_not_lame_after_one_failure(
    server: Server, moods: list[dns.rcode.Rcode | None], outcome: LookupOutcome
) -> None:
    moody(server, lambda n, _: moods[min(n, len(moods) - 1)])
    assert own_answer(server, SHORT if None in moods else LONG).outcome is outcome


def test_authoritative_server_is_not_believed_about_other_zones(server: Server) -> None:
    """The nameserver could claim anything, for example that the network's domain has an address behind this machine."""
    asked: list[tuple[str, bool]] = []

    def script(query: bytes) -> list[bytes]:
        question = dns.message.from_wire(query)
        name, as_resolver = question.question[0].name.to_text(), bool(question.flags & dns.flags.RD)
        asked.append((name, as_resolver))
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA if as_resolver else dns.flags.AA
        if question.question[0].rdtype == A:
            address = "192.0.2.10" if as_resolver else "10.0.0.1"
            if not as_resolver:
                reply.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", "in.shop.test."))
                reply.answer.append(dns.rrset.from_text("in.shop.test.", 300, "IN", "CNAME", "network.test."))
            reply.answer.append(dns.rrset.from_text("network.test.", 300, "IN", "A", address))
        return [reply.to_wire()]

    server.script = script
    answer = own_answer(server)
    assert (answer.outcome, answer.addresses) == (LookupOutcome.ADDRESSES, ("192.0.2.10",))
    assert answer.cnames == ("in.shop.test", "network.test")
    assert ("network.test.", True) in asked


@pytest.mark.parametrize("mangled", [b"", b"\0\5", b"\0\0issue", b"\0\x09issue"])
def test_unreadable_caa_records_are_reported(server: Server, mangled: bytes) -> None:
    """A certificate authority refuses a domain with unreadable CAA records; the rest of its DNS is correct."""

    def script(query: bytes) -> list[bytes]:
        question = dns.message.from_wire(query)
        reply = dns.message.make_response(question)
        if question.question[0].rdtype == CAA and mangled:
            packet = dns.message.make_response(question).to_wire()[:-11]
            record = struct.pack("!HHHIH", 0xC00C, CAA, 1, 300, len(mangled)) + mangled
            whole = packet[:6] + b"\0\1" + packet[8:10] + b"\0\0" + packet[12:] + record
            assert [found.data for found in read(whole).answer] == [mangled]
            return [whole]
        if question.question[0].rdtype == CAA:
            reply.set_rcode(SERVFAIL)
        elif question.question[0].rdtype == A:
            reply.answer.append(dns.rrset.from_text(question.question[0].name, 300, "IN", "A", "192.0.2.10"))
        return [reply.to_wire()]

    server.script = script

    async def run() -> DnsVerdict:
        settings = DnsSettings(resolvers=(Resolver(*server.endpoint),), timeout=LONG)
        check = DnsCheck(settings, edges=NetworkBoundary(public=lambda _: False))
        return await check.check(NAME, await check.expected("network.test"))

    verdict = asyncio.run(run())
    assert (verdict.code, verdict.caa_unknown) == (DnsCode.OK, True)
    said = list(sentences(DomainCheck(NAME, verdict, None, 0.0)))
    assert any(text.startswith("Its CAA records cannot be read.") for text in said)
