"""Ask one DNS server one question, and do not take one lost packet for an answer."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

if TYPE_CHECKING:
    from dns.rdatatype import RdataType

# What fits into one packet on every path (DNS flag day 2020).
_PAYLOAD = 1232
_LARGEST = 65_535
_HEADER = 12
# Its name, type, payload, extended flags and length (RFC 6891, 6.1.2).
_OPT = struct.Struct("!BHHIH")
_NO_NUMBER = b"\0\0"
_TRUNCATED = 0x02  # in the third byte of a message
_UDP_TRIES = 2
# A server that never answered this many questions gets one try for each further one.
_GIVEN_UP_AFTER = 4
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EHOSTUNREACH, errno.EACCES})

_CONCLUSIVE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})

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
    """A message with its response code, or why there is none: `TIMED_OUT` or `NO_ROUTE`.

    `wire` is the message as it came, without its number: the same bytes are the same answer.
    """

    message: dns.message.QueryMessage | None
    failure: str = ""
    rcode: dns.rcode.Rcode | None = None
    wire: bytes = b""

    @property
    def conclusive(self) -> bool:
        """Tell whether it says what there is and what there is not."""
        return self.rcode in _CONCLUSIVE


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
        query = _query(question)
        only_once = self._silent[server] >= _GIVEN_UP_AFTER
        reply = Reply(None, TIMED_OUT)
        for use_tcp in (False,) if only_once else (*[False] * _UDP_TRIES, True):
            async with self._slots:
                self.asked += 1
                reply = await self._once(server, query, use_tcp=use_tcp)
            if reply.message is not None:
                self._silent[server] = 0
                self.answered += 1
                return reply
            if reply.failure == NO_ROUTE:
                return reply
        self._silent[server] += 1
        return reply

    async def _once(self, server: Endpoint, query: bytes, *, use_tcp: bool) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                return parsed((await (_by_tcp if use_tcp else _by_udp)(server, query))[2:])
        except OSError as error:
            # TimeoutError is one of them.
            return Reply(None, NO_ROUTE if error.errno in _NO_ROUTE else TIMED_OUT)
        except (dns.exception.DNSException, EOFError, ValueError):
            # Nonsense is as good as nothing, and may be different the next time.
            return Reply(None, TIMED_OUT)


async def _by_udp(server: Endpoint, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        # A connected socket hears nobody else, and hears at once of a port that is closed.
        line.connect(server)
        line.send(query)
        answer = b""
        while not _fits(query, answer):
            answer = await loop.sock_recv(line, _LARGEST)
    return await _by_tcp(server, query) if answer[2] & _TRUNCATED else answer


async def _by_tcp(server: Endpoint, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.transport.abort()
    if not _fits(query, answer):
        raise ValueError("an answer to another question")
    return answer


def _fits(query: bytes, answer: bytes) -> bool:
    """Tell whether the answer has the query's number and repeats its question."""
    question = query[_HEADER : -_OPT.size]
    repeated = answer[_HEADER : _HEADER + len(question)]
    return len(answer) > _HEADER and answer[:2] == query[:2] and repeated.lower() == question.lower()


@lru_cache(maxsize=1024)
def parsed(answer: bytes) -> Reply:
    """Return the reply that is in `answer`, a message without its number. Raises ValueError or DNSException.

    All servers of a zone, and the resolvers that have just asked them, give the same answer byte for byte: it is read
    once, since reading took a third of a pass' time. Nobody changes what is returned.
    """
    message = dns.message.from_wire(_NO_NUMBER + answer, ignore_trailing=True)
    if not isinstance(message, dns.message.QueryMessage) or not message.flags & dns.flags.QR:
        raise ValueError("not an answer to a question")
    return Reply(message, "", message.rcode(), answer)


def _query(question: Question) -> bytes:
    """Return the question as it goes over the wire.

    Made by hand, since it is always the same: through a message object it took a third of a pass' time.
    """
    # AD in a question asks the resolver to say whether it has validated its answer (RFC 6840, 5.7).
    flags = (dns.flags.RD | dns.flags.AD if question.rd else 0) | (dns.flags.CD if question.cd else 0)
    header = struct.pack("!6H", secrets.randbits(16), flags, 1, 0, 0, 1)
    opt = _OPT.pack(0, dns.rdatatype.OPT, _PAYLOAD, dns.flags.DO if question.do else 0, 0)
    return header + _name(question.name) + struct.pack("!2H", question.kind, dns.rdataclass.IN) + opt


@lru_cache(maxsize=4096)
def _name(name: str) -> bytes:
    return dns.name.from_text(name).to_wire() or b""
