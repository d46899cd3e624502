"""Resolve a name via one nameserver or any resolver."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from dns.rcode import NXDOMAIN, SERVFAIL
from dns.rdatatype import AAAA, A

from closte_bridge.checks.message import follow
from closte_bridge.checks.model import Answer, LookupOutcome
from closte_bridge.checks.silence import Uplink
from closte_bridge.checks.wire import NO_ROUTE, DnsReply, Endpoint, Question
from closte_bridge.domains import lies_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dns.rdatatype import RdataType

    from closte_bridge.checks.message import DnsMessage
    from closte_bridge.checks.wire import Wire

T = TypeVar("T")

_MOST_ADDRESSES = 256


class PartialAnswer(NamedTuple):
    """Result of one reply for one record type. `target` is the last CNAME's target if the reply lacks its records."""

    outcome: LookupOutcome
    addresses: tuple[str, ...] = ()
    cnames: tuple[str, ...] = ()
    ttl: int | None = None
    target: str | None = None
    validated: bool = False


class SharedLookups(Generic[T]):
    """Cache in which concurrent requests for the same key share one query. For one pass in one event loop."""

    def __init__(self, make: Callable[[str], Awaitable[T]]) -> None:
        self._make = make
        self._answers: dict[str, asyncio.Future[T]] = {}

    async def get(self, key: str) -> T:
        """Return the result for `key`."""
        if key not in self._answers:
            self._answers[key] = asyncio.ensure_future(self._make(key))
        # A cancelled waiter must not cancel the shared query.
        return await asyncio.shield(self._answers[key])


def failed(reply: DnsReply) -> LookupOutcome:
    """Return the outcome of an inconclusive reply of a resolver."""
    if reply.message is None:
        return LookupOutcome.UNREACHABLE if reply.failure == NO_ROUTE else LookupOutcome.TIMEOUT
    return LookupOutcome.SERVFAIL if reply.rcode == SERVFAIL else LookupOutcome.REFUSED


def parse_answer(message: DnsMessage) -> PartialAnswer:
    """Follow the CNAMEs in a conclusive message and return the result."""
    chain = follow(message)
    if chain is None:
        return PartialAnswer(LookupOutcome.NO_ADDRESS)
    if chain.records:
        addresses = tuple(dict.fromkeys(record.text for record in chain.records[:_MOST_ADDRESSES]))
        return PartialAnswer(LookupOutcome.ADDRESSES, addresses, chain.cnames, chain.ttl)
    missing = message.rcode == NXDOMAIN and not chain.cnames
    target = chain.cnames[-1] if chain.cnames else None
    return PartialAnswer(
        LookupOutcome.NXDOMAIN if missing else LookupOutcome.NO_ADDRESS, (), chain.cnames, chain.ttl, target
    )


def combine(server: str, v4: PartialAnswer, v6: PartialAnswer, *, authoritative: bool) -> Answer:
    """Return one answer from those for A and AAAA.

    If only the query for AAAA fails, the result for A counts: some servers do not respond to AAAA queries.
    """
    parts = (v4, v6)
    cnames = v4.cnames or v6.cnames
    ttls = [p.ttl for p in parts if p.ttl is not None and p.outcome is LookupOutcome.ADDRESSES]
    ttls = ttls or [p.ttl for p in parts if p.ttl is not None]
    outcome = _combined(v4.outcome, v6.outcome)
    addresses = v4.addresses + v6.addresses if outcome is LookupOutcome.ADDRESSES else ()
    return Answer(
        server, authoritative, outcome, addresses, cnames, min(ttls, default=None), v4.validated or v6.validated
    )


def _combined(v4: LookupOutcome, v6: LookupOutcome) -> LookupOutcome:
    if LookupOutcome.BOGUS in {v4, v6}:
        return LookupOutcome.BOGUS
    if v4 is LookupOutcome.ADDRESSES:
        return v4
    if not v4.conclusive:
        return v4
    if not v6.conclusive or v6 is LookupOutcome.ADDRESSES:
        return v6
    return LookupOutcome.NXDOMAIN if v4 is v6 is LookupOutcome.NXDOMAIN else LookupOutcome.NO_ADDRESS


class Resolvers:
    """The configured resolvers. `addresses` caches results for one pass."""

    def __init__(self, wire: Wire, endpoints: Sequence[tuple[str, Endpoint]], timeout: float = 3.0) -> None:
        self._wire = wire
        self._endpoints = tuple(endpoints)
        self.addresses = SharedLookups(self._addresses)
        self.uplink = Uplink("dns", timeout=timeout, reached=self._reached)

    async def _reached(self) -> bool:
        tries = (self._wire.reaches(endpoint, self.uplink.timeout) for _, endpoint in self._endpoints)
        return any(await asyncio.gather(*tries))

    async def _ask(self, endpoint: Endpoint, *questions: Question) -> list[DnsReply]:
        self.uplink.record_request(endpoint.address)
        replies = await self._wire.ask_together(endpoint, questions)
        if any(reply.message for reply in replies):
            self.uplink.record_answer()
        return replies

    async def first(self, name: str, kind: RdataType) -> DnsReply:
        """Return the first conclusive reply of any resolver, if necessary without validation; else the last reply."""
        # Different names start with different resolvers, to spread the load.
        turn = zlib.crc32(name.encode()) % len(self._endpoints)
        reply = DnsReply(None)
        for validate in (True, False):
            for _, endpoint in (*self._endpoints[turn:], *self._endpoints[:turn]):
                (reply,) = await self._ask(endpoint, Question(name, kind, rd=True, do=not validate, cd=not validate))
                if reply.conclusive:
                    return reply
            if reply.rcode != SERVFAIL:
                break
        return reply

    async def observe(self, name: str) -> list[Answer]:
        """Return the answer of each resolver for `name`."""
        return list(await asyncio.gather(*(self._observe(label, e, name) for label, e in self._endpoints)))

    async def _observe(self, label: str, endpoint: Endpoint, name: str) -> Answer:
        replies = await self._ask(endpoint, *(Question(name, kind, rd=True) for kind in (A, AAAA)))
        v4, v6 = await asyncio.gather(
            *(self._part(endpoint, name, kind, r) for kind, r in zip((A, AAAA), replies, strict=True))
        )
        return combine(label, v4, v6, authoritative=False)

    async def _part(self, endpoint: Endpoint, name: str, kind: RdataType, reply: DnsReply) -> PartialAnswer:
        if reply.rcode == SERVFAIL:
            # Retry, then retry without validation: if only that works, DNSSEC is broken.
            (reply,) = await self._ask(endpoint, Question(name, kind, rd=True, do=True))
            if reply.rcode == SERVFAIL:
                (unchecked,) = await self._ask(endpoint, Question(name, kind, rd=True, do=True, cd=True))
                if not unchecked.conclusive:
                    return PartialAnswer(LookupOutcome.SERVFAIL)
                # The first failure may have been a temporary network problem: DNSSEC is broken if this fails, too.
                (reply,) = await self._ask(endpoint, Question(name, kind, rd=True, do=True))
                if not reply.conclusive:
                    return PartialAnswer(LookupOutcome.BOGUS)
        if reply.message is None or not reply.conclusive:
            return PartialAnswer(failed(reply))
        return parse_answer(reply.message)._replace(validated=reply.message.validated)

    async def _addresses(self, name: str) -> Answer:
        replies = await asyncio.gather(self.first(name, A), self.first(name, AAAA))
        v4, v6 = (parse_answer(r.message) if r.message and r.conclusive else PartialAnswer(failed(r)) for r in replies)
        return combine("", v4, v6, authoritative=False)


async def ask_authority(
    wire: Wire, endpoint: Endpoint, name: str, apex: str, resolvers: Resolvers
) -> tuple[PartialAnswer, PartialAnswer]:
    """Query a nameserver of the zone `apex` for A and AAAA. The resolvers resolve CNAME targets outside the zone."""
    questions = [Question(name, A), Question(name, AAAA)]
    replies = await wire.ask_together(endpoint, questions)
    if any(_is_lame(reply) for reply in replies):
        # Possibly a temporary failure: retry.
        replies = await wire.ask_together(endpoint, questions)
    v4, v6 = replies
    return await _own_part(v4, A, apex, resolvers), await _own_part(v6, AAAA, apex, resolvers)


def _is_lame(reply: DnsReply) -> bool:
    """Return whether the answer is not authoritative (lame delegation)."""
    return reply.message is not None and not (reply.conclusive and reply.message.authoritative)


async def _own_part(reply: DnsReply, kind: RdataType, apex: str, resolvers: Resolvers) -> PartialAnswer:
    if reply.message is None:
        return PartialAnswer(failed(reply))
    if _is_lame(reply):
        return PartialAnswer(LookupOutcome.LAME)
    part = _within(parse_answer(reply.message), apex)
    if part.target is None or part.outcome is LookupOutcome.ADDRESSES:
        return part
    beyond = await resolvers.addresses.get(part.target)
    family = tuple(a for a in beyond.addresses if (":" in a) == (kind == AAAA))
    outcome = beyond.outcome
    if outcome.conclusive:
        outcome = LookupOutcome.ADDRESSES if family else LookupOutcome.NO_ADDRESS
    ttls = [t for t in (part.ttl, beyond.ttl) if t is not None]
    return PartialAnswer(outcome, family, part.cnames + beyond.cnames, min(ttls, default=None))


def _within(part: PartialAnswer, apex: str) -> PartialAnswer:
    """Return the part of an answer that lies in the server's zone. Do not trust it about other zones."""
    for at, alias in enumerate(part.cnames):
        if not lies_in(alias, apex):
            return PartialAnswer(LookupOutcome.NO_ADDRESS, (), part.cnames[: at + 1], part.ttl, alias)
    return part
