"""DNS transport with retries over UDP and TCP."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import dns.flags
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from closte_bridge.checks.message import DnsMessage, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.rdatatype import RdataType

# Fits into one packet on every path (DNS flag day 2020).
_PAYLOAD = 1232
_LARGEST = 65_535
_HEADER = 12
# Name, type, payload size, extended flags and length (RFC 6891, 6.1.2).
_OPT = struct.Struct("!BHHIH")
_TRUNCATED = 0x02  # in the third byte of a message
_UDP_TRIES = 2
# After this many unanswered questions, a server gets only one attempt per question.
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
    """Question to a server. `rd`: recursion desired. `do`: include DNSSEC records. `cd`: do not validate."""

    name: str
    kind: RdataType
    rd: bool = False
    do: bool = False
    cd: bool = False


class DnsReply(NamedTuple):
    """A message, or the reason why it is missing: `TIMED_OUT` or `NO_ROUTE`."""

    message: DnsMessage | None
    failure: str = ""

    @property
    def rcode(self) -> int | None:
        """Return the response code."""
        return self.message.rcode if self.message else None

    @property
    def conclusive(self) -> bool:
        """Return whether the message says which records exist."""
        return self.rcode in _CONCLUSIVE


class Wire:
    """Sends questions and receives replies. `timeout` is in seconds, for one attempt.

    Queries at most `concurrency` servers at a time; questions sent together count as one. Belongs to one event loop.
    Makes two attempts over UDP, then one over TCP, and fetches truncated answers over TCP immediately. Each attempt
    uses a new socket with a random source port, to prevent spoofing.
    """

    def __init__(self, *, timeout: float, concurrency: int) -> None:
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._silent: Counter[Endpoint] = Counter()
        self.asked = 0
        self.answered = 0

    async def ask(self, server: Endpoint, question: Question) -> DnsReply:
        """Return the server's reply, or a failure after the last attempt."""
        return (await self.ask_together(server, [question]))[0]

    async def ask_together(self, server: Endpoint, questions: Sequence[Question]) -> list[DnsReply]:
        """Return the server's reply to each question. Only unanswered questions are sent again.

        The questions share a socket and a timer, because these cost more than the packets.
        """
        only_once = self._silent[server] >= _GIVEN_UP_AFTER
        replies = [DnsReply(None, TIMED_OUT)] * len(questions)
        for use_tcp in (False,) if only_once else (*[False] * _UDP_TRIES, True):
            unanswered = [at for at, reply in enumerate(replies) if reply.message is None]
            queries = [_query(questions[at]) for at in unanswered]
            async with self._slots:
                self.asked += len(queries)
                packets, failure = await self._once(server, queries, use_tcp=use_tcp)
            for at, packet in zip(unanswered, packets, strict=True):
                replies[at] = _reply(packet, failure)
            if failure == NO_ROUTE or all(reply.message for reply in replies):
                break
        answered = sum(reply.message is not None for reply in replies)
        self.answered += answered
        if answered:
            self._silent[server] = 0
        elif failure != NO_ROUTE:
            self._silent[server] += len(questions)
        return replies

    async def reaches(self, server: Endpoint, timeout: float) -> bool:
        """Return whether the resolver answers at all, over UDP or TCP. Ignores the limit on concurrency."""
        query = [_query(Question(".", dns.rdatatype.SOA, rd=True))]
        tries = (self._once(server, query, use_tcp=use_tcp, timeout=timeout) for use_tcp in (False, True))
        return any(packets[0] for packets, _ in await asyncio.gather(*tries))

    async def _once(
        self, server: Endpoint, queries: list[bytes], *, use_tcp: bool, timeout: float | None = None
    ) -> tuple[list[bytes], str]:
        """Return one packet per query (empty if unanswered) and the reason for a failure."""
        answers = [b""] * len(queries)
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout):
                await (_by_tcp if use_tcp else _by_udp)(server, dict(enumerate(queries)), answers)
        except OSError as error:
            # Includes TimeoutError.
            return answers, NO_ROUTE if error.errno in _NO_ROUTE else TIMED_OUT
        except (EOFError, ValueError):
            # Treat garbage like no response; a retry may succeed.
            pass
        return answers, TIMED_OUT


async def _by_udp(server: Endpoint, waiting: dict[int, bytes], answers: list[bytes]) -> None:
    """Store the answers as they arrive, in any order. Fetch truncated answers over TCP."""
    loop = asyncio.get_running_loop()
    truncated: dict[int, bytes] = {}
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        # A connected UDP socket filters other senders and reports closed ports immediately.
        sock.connect(server)
        for query in waiting.values():
            sock.send(query)
        while waiting:
            packet = await loop.sock_recv(sock, _LARGEST)
            at = next((at for at, query in waiting.items() if _fits(query, packet)), None)
            if at is None:
                continue
            query = waiting.pop(at)
            if packet[2] & _TRUNCATED:
                truncated[at] = query
            else:
                answers[at] = packet
    await _by_tcp(server, truncated, answers)


async def _by_tcp(server: Endpoint, waiting: dict[int, bytes], answers: list[bytes]) -> None:
    for at, query in waiting.items():
        reader, writer = await asyncio.open_connection(*server)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.transport.abort()
        if not _fits(query, answer):
            raise ValueError("an answer to another question")
        answers[at] = answer


def _reply(packet: bytes, failure: str) -> DnsReply:
    """Return the reply in a packet. An empty or malformed packet is a failure."""
    if not packet:
        return DnsReply(None, failure)
    try:
        return DnsReply(read(packet))
    except ValueError:
        return DnsReply(None, TIMED_OUT)


def _fits(query: bytes, answer: bytes) -> bool:
    """Return whether the answer has the query's id and question."""
    question = query[_HEADER : -_OPT.size]
    repeated = answer[_HEADER : _HEADER + len(question)]
    return len(answer) > _HEADER and answer[:2] == query[:2] and repeated.lower() == question.lower()


def _query(question: Question) -> bytes:
    """Return the question as a packet.

    Built without dnspython's message objects, which took a third of the time of a pass.
    """
    # AD in a question requests the AD flag in the answer (RFC 6840, 5.7).
    flags = (dns.flags.RD | dns.flags.AD if question.rd else 0) | (dns.flags.CD if question.cd else 0)
    header = struct.pack("!6H", secrets.randbits(16), flags, 1, 0, 0, 1)
    opt = _OPT.pack(0, dns.rdatatype.OPT, _PAYLOAD, dns.flags.DO if question.do else 0, 0)
    return header + _name(question.name) + struct.pack("!2H", question.kind, dns.rdataclass.IN) + opt


@lru_cache(maxsize=4096)
def _name(name: str) -> bytes:
    return dns.name.from_text(name).to_wire() or b""
