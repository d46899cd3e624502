"""Ask one DNS server one question, and do not take one lost packet for an answer."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

if TYPE_CHECKING:
    from dns.rdatatype import RdataType

# What fits into one packet on every path (DNS flag day 2020).
_PAYLOAD = 1232
_UDP_TRIES = 2
# A server that never answered this many questions gets one try for each further one.
_GIVEN_UP_AFTER = 4
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EHOSTUNREACH, errno.EACCES})

TIMED_OUT = "time-out"
NO_ROUTE = "no-route"


class Endpoint(NamedTuple):
    """A server's IP address and port."""

    address: str
    port: int


class Question(NamedTuple):
    """What is asked: `rd` recursion desired, `do` DNSSEC records wanted, `cd` validation not wanted."""

    name: str
    kind: RdataType
    rd: bool = False
    do: bool = False
    cd: bool = False


class Reply(NamedTuple):
    """A message, or why there is none: `TIMED_OUT` or `NO_ROUTE`."""

    message: dns.message.QueryMessage | None
    failure: str = ""

    @property
    def rcode(self) -> dns.rcode.Rcode | None:
        """Return the response code, or None without a message."""
        return self.message.rcode() if self.message is not None else None

    @property
    def conclusive(self) -> bool:
        """Tell whether it says what there is and what there is not."""
        return self.rcode in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


class Wire:
    """Questions on the wire, at most `concurrency` at a time. `timeout` is in seconds, for one try.

    Belongs to one event loop. UDP first, twice; then TCP, which is also used at once for an answer that did not fit.
    Every try has its own socket and so its own port, because a stranger must not guess the answer.
    """

    def __init__(self, *, timeout: float, concurrency: int) -> None:
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._silent: Counter[Endpoint] = Counter()
        self.asked = 0
        self.answered = 0

    async def ask(self, server: Endpoint, question: Question) -> Reply:
        """Return the server's reply; a silence only after every try."""
        message = _message(question)
        only_once = self._silent[server] >= _GIVEN_UP_AFTER
        reply = Reply(None, TIMED_OUT)
        for use_tcp in (False,) if only_once else (*[False] * _UDP_TRIES, True):
            async with self._slots:
                self.asked += 1
                reply = await self._once(server, message, use_tcp=use_tcp)
            if reply.message is not None:
                self._silent[server] = 0
                self.answered += 1
                return reply
            if reply.failure == NO_ROUTE:
                return reply
        self._silent[server] += 1
        return reply

    async def _once(self, server: Endpoint, message: dns.message.QueryMessage, *, use_tcp: bool) -> Reply:
        try:
            return Reply(await (self._tcp if use_tcp else self._udp)(server, message))
        except dns.exception.Timeout:
            return Reply(None, TIMED_OUT)
        except OSError as error:
            return Reply(None, NO_ROUTE if error.errno in _NO_ROUTE else TIMED_OUT)
        except (dns.exception.DNSException, EOFError, ValueError):
            # Nonsense is as good as nothing, and may be different the next time.
            return Reply(None, TIMED_OUT)

    async def _udp(self, server: Endpoint, message: dns.message.QueryMessage) -> dns.message.QueryMessage:
        try:
            answer = await dns.asyncquery.udp(
                message,
                server.address,
                timeout=self._timeout,
                port=server.port,
                ignore_unexpected=True,
                ignore_errors=True,
                raise_on_truncation=True,
            )
        except dns.message.Truncated:
            return await self._tcp(server, message)
        return _query_message(answer)

    async def _tcp(self, server: Endpoint, message: dns.message.QueryMessage) -> dns.message.QueryMessage:
        return _query_message(
            await dns.asyncquery.tcp(message, server.address, timeout=self._timeout, port=server.port)
        )


def _message(question: Question) -> dns.message.QueryMessage:
    # AD in a question asks the resolver to say whether it has validated its answer (RFC 6840, 5.7).
    flags = dns.flags.from_text(" ".join(["RD", "AD"] * question.rd + ["CD"] * question.cd))
    return dns.message.make_query(
        dns.name.from_text(question.name),
        question.kind,
        use_edns=0,
        payload=_PAYLOAD,
        want_dnssec=question.do,
        flags=flags,
    )


def _query_message(message: dns.message.Message) -> dns.message.QueryMessage:
    if not isinstance(message, dns.message.QueryMessage):
        raise ValueError("not an answer to a question")
    return message
