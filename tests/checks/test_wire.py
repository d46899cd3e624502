"""Tests of DNS queries to a single misbehaving server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import dns.flags
import dns.message
from dns.rdatatype import AAAA, A

from closte_bridge.checks.wire import NO_ROUTE, TIMED_OUT, DnsReply, Endpoint, Question, Wire
from tests.support.running import wait_until

if TYPE_CHECKING:
    from dns.rdatatype import RdataType

    from tests.support.udp import Server

ASKED = Question("Shop.test", A, rd=True)
# LONG is ample for an answer that arrives; SHORT detects silence soon.
LONG, SHORT = 10.0, 0.5


def answer(query: bytes, *, truncated: bool = False) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(query))
    if truncated:
        reply.flags |= dns.flags.TC
    return reply.to_wire()


def ask(endpoint: Endpoint, *, times: int = 1, timeout: float = LONG) -> tuple[Wire, DnsReply]:
    async def run() -> tuple[Wire, DnsReply]:
        wire = Wire(timeout=timeout, concurrency=2)
        for _ in range(times):
            reply = await wire.ask(endpoint, ASKED)
        return wire, reply

    return asyncio.run(run())


def test_query_is_valid_dns(server: Server) -> None:
    server.script = lambda query: [answer(query)]
    wire, reply = ask(server.endpoint)
    (query,) = server.questions
    asked = dns.message.from_wire(query)
    assert [(q.name.to_text(), q.rdtype) for q in asked.question] == [("Shop.test.", A)]
    assert asked.flags & dns.flags.RD
    assert (asked.edns, asked.payload) == (0, 1232)
    assert reply.conclusive
    assert (wire.asked, wire.answered) == (1, 1)


def test_answers_to_other_questions_are_ignored(server: Server) -> None:
    def script(query: bytes) -> list[bytes]:
        right = answer(query)
        other_number = bytes([right[0] ^ 1]) + right[1:]
        other_name = right.replace(b"\x04Shop", b"\x04Show")
        return [b"", other_number, other_name, b"nonsense", right.replace(b"\x04Shop", b"\x04sHOP")]

    server.script = script
    _, reply = ask(server.endpoint)
    assert reply.conclusive
    assert len(server.questions) == 1


def test_lost_packet_is_sent_again(server: Server) -> None:
    server.script = lambda query: [answer(query)] if len(server.questions) > 1 else []
    wire, reply = ask(server.endpoint, timeout=SHORT)
    assert reply.conclusive
    assert (wire.asked, wire.answered) == (2, 1)


def test_unreadable_answer_is_a_timeout(server: Server) -> None:
    server.script = lambda query: [answer(query)[:-12] + b"\xff" * 12, query]
    _, reply = ask(server.endpoint, timeout=SHORT)
    assert (reply.message, reply.failure) == (None, TIMED_OUT)


def test_unresponsive_server_is_soon_asked_only_once(server: Server) -> None:
    wire, reply = ask(server.endpoint, times=6, timeout=0.05)
    assert reply.failure == TIMED_OUT
    # Each of the first four questions has three tries, one of them over TCP; each later question has one.
    assert (wire.asked, wire.answered) == (4 * 3 + 2, 0)
    # The server's thread may lag behind.
    wait_until(lambda: len(server.questions) == 4 * 2 + 2)


def test_truncated_answer_is_not_used_if_tcp_fails(server: Server) -> None:
    server.script = lambda query: [answer(query, truncated=True)]
    # No server listens there over TCP.
    _, reply = ask(server.endpoint)
    assert reply.message is None


def test_tcp_answer_to_another_question_is_ignored(server: Server) -> None:
    """The UDP answer is truncated, and the TCP answer belongs to another question."""
    server.script = lambda query: [answer(query, truncated=True)]
    asked: list[bytes] = []

    def talk(listener: socket.socket) -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            with connection:
                size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                asked.append(connection.recv(size, socket.MSG_WAITALL))
                wrong = answer(asked[-1]).replace(b"\x04Shop", b"\x04Show")
                connection.sendall(len(wrong).to_bytes(2, "big") + wrong)

    with socket.create_server(server.endpoint) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        _, reply = ask(server.endpoint)
        thread.join()
    assert len(asked) == 3
    assert (reply.message, reply.failure) == (None, TIMED_OUT)


def ask_together(endpoint: Endpoint, timeout: float = LONG) -> tuple[Wire, list[DnsReply]]:
    async def run() -> tuple[Wire, list[DnsReply]]:
        wire = Wire(timeout=timeout, concurrency=1)
        return wire, await wire.ask_together(endpoint, [ASKED, ASKED._replace(kind=AAAA)])

    return asyncio.run(run())


def kinds(queries: list[bytes]) -> list[RdataType]:
    return [dns.message.from_wire(query).question[0].rdtype for query in queries]


def test_parallel_questions_are_matched_in_any_order(server: Server) -> None:
    """The server answers only after both questions have arrived, and the second one first."""

    def script(_: bytes) -> list[bytes]:
        return [answer(query) for query in reversed(server.questions)] if len(server.questions) == 2 else []

    server.script = script
    wire, replies = ask_together(server.endpoint)
    assert [r.message.kind for r in replies if r.message] == [A, AAAA]
    assert (wire.asked, wire.answered) == (2, 2)
    numbers = {query[:2] for query in server.questions}
    assert len(numbers) == 2


def test_only_unanswered_questions_are_repeated(server: Server) -> None:
    """Some servers never answer AAAA questions."""
    server.script = lambda query: [answer(query)] if kinds([query]) == [A] else []
    wire, replies = ask_together(server.endpoint, timeout=SHORT)
    assert [(r.conclusive, r.failure) for r in replies] == [(True, ""), (False, TIMED_OUT)]
    assert kinds(server.questions) == [A, AAAA, AAAA]
    # The third try is over TCP, where no server listens.
    assert (wire.asked, wire.answered) == (4, 1)


def test_only_truncated_answers_are_fetched_over_tcp(server: Server) -> None:
    server.script = lambda query: [answer(query, truncated=kinds([query]) == [AAAA])]
    asked: list[bytes] = []

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
            asked.append(connection.recv(size, socket.MSG_WAITALL))
            right = answer(asked[0])
            connection.sendall(len(right).to_bytes(2, "big") + right)

    with socket.create_server(server.endpoint) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        _, replies = ask_together(server.endpoint)
        thread.join()
    assert [r.conclusive for r in replies] == [True, True]
    assert kinds(asked) == [AAAA]
    assert kinds(server.questions) == [A, AAAA]


def test_missing_route_differs_from_a_timeout() -> None:
    # The kernel refuses to send to a broadcast address without SO_BROADCAST.
    wire, reply = ask(Endpoint("255.255.255.255", 53))
    assert reply.failure == NO_ROUTE
    assert wire.asked == 1
