"""Measure the DNS, TLS and HTTP checks of many domains. Part of `script/bench`; alone: `python -m benchmarks.checks`.

DNS and TLS servers run in another process and take 20 ms for each answer. All domains are checked in one pass. For
comparison, a sample is checked one domain at a time, with parallel queries, and one query at a time; both times are
extrapolated to all domains. The pass and the servers need one core each: on a busy machine the figures mean nothing.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import trustme

from benchmarks.figure import Figure
from benchmarks.memory import MEGABYTE, highest, of_python_alone
from closte_bridge.checks.dns import DnsCheck, NetworkBoundary
from closte_bridge.checks.model import DnsCode, DomainCheck, TlsCode
from closte_bridge.checks.pool import CheckPool
from closte_bridge.checks.site import SiteTarget
from closte_bridge.checks.tls import TlsCheck
from closte_bridge.checks.wire import Endpoint
from closte_bridge.config.model import DnsSettings, HttpSettings, Resolver, TlsSettings
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

LATENCY = 0.02
WANTED_FACTOR = 20.0
MOST_BYTES = 150 * 1000**2
HOST = "127.0.54.1"
MAIN = "main.bench.test"
SAMPLE = 25  # domains that are also checked sequentially
# A pass with HTTP takes at most this many times as long as one without.
HTTP_FACTOR = 1.5
ROUNDS = 3
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000

A, NS, SOA, OPT = 1, 2, 6, 41
_RECURSION_DESIRED = 1  # in the third byte of a message
_LABEL_END = 5  # the null label, the type and the class


class Names(asyncio.DatagramProtocol):
    """A DNS server that is resolver and authority of all zones: all domains point to this host."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for answers."""
        # In Python 3.11 it is not an instance of this class.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer after the latency."""
        asyncio.get_running_loop().call_later(LATENCY, self.transport.sendto, answer(data), addr)


def answer(query: bytes) -> bytes:
    """Return the answer to one query, built without a library to save CPU time."""
    end = query.index(b"\0", 12) + _LABEL_END
    question, (kind,) = query[12:end], struct.unpack("!H", query[end - 4 : end - 2])
    name = b"\xc0\x0c"
    soa = b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, 60)
    records = {
        A: [bytes(map(int, HOST.split(".")))],
        NS: [b"\x03ns" + digit + b"\x05bench\x04test\0" for digit in (b"1", b"2")],
        SOA: [soa],
    }.get(kind, [])
    # Every domain is a zone of its own, which needs the most queries.
    answers = b"".join(name + struct.pack("!HHIH", kind, 1, 300, len(r)) + r for r in records)
    authority = b"" if records else name + struct.pack("!HHIH", SOA, 1, 60, len(soa)) + soa
    # As in reality, resolvers set RA, authorities set AA, and both send their EDNS size.
    flags = 0x8180 if query[2] & _RECURSION_DESIRED else 0x8400
    header = query[:2] + struct.pack("!5H", flags, 1, len(records), 0 if records else 1, 1)
    opt = b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0)
    return header + question + answers + authority + opt


class TlsServer(asyncio.Protocol):
    """The server side of a TLS handshake and one HTTP request, with latency before each flight."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for answers."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Continue the handshake after the latency."""
        self._in.write(data)
        asyncio.get_running_loop().call_later(LATENCY, self._continue)

    def _continue(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._transport.abort()
            return
        else:
            self._answer()
        if not self._transport.is_closing():
            self._transport.write(self._out.read())

    def _answer(self) -> None:
        """Answer a request, if there is one."""
        try:
            if self._tls.read(65_536):
                self._tls.write(PAGE)
        except ssl.SSLWantReadError:
            pass


def serve(pipe: Connection, certificate: str) -> None:
    """Serve DNS and TLS until the parent ends; send the ports through the pipe."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        names, _ = await loop.create_datagram_endpoint(Names, local_addr=(HOST, 0))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = await loop.create_server(lambda: TlsServer(context), HOST, 0, backlog=1000)
        pipe.send((names.get_extra_info("sockname")[1], server.sockets[0].getsockname()[1]))
        await asyncio.Event().wait()

    asyncio.run(run())


def in_one_pass(pool: CheckPool, domains: list[str]) -> list[DomainCheck]:
    """Check all domains as closte-bridge does."""
    return pool.check(domains)


def one_by_one(pool: CheckPool, domains: list[str]) -> list[DomainCheck]:
    """Check one domain at a time, with parallel queries per domain."""

    async def run() -> list[DomainCheck]:
        edges = pool.edges or NetworkBoundary()
        dns, tls = DnsCheck(pool.dns, edges=edges), TlsCheck(pool.tls, public=edges.public)
        expected = await dns.expected(pool.main_domain)
        found = []
        for name in domains:
            verdict = await dns.check(name, expected)
            managed = frozenset(expected.addresses)
            found.append(
                DomainCheck(name, verdict, await tls.check(name, verdict.addresses, managed=managed), time.time())
            )
        return found

    return asyncio.run(run())


def with_http(pool: CheckPool, domains: list[str]) -> list[DomainCheck]:
    """Check all domains as closte-bridge does, and visit each of them."""
    found = replace(pool, http=HttpSettings(), target_of=target_of).check(domains)
    if not all(checked.is_live for checked in found):
        raise RuntimeError("a domain is not live")
    return found


def target_of(name: str) -> SiteTarget:
    """Return the target of a domain that is a site of its own."""
    return SiteTarget(name, 1, frozenset({name}), True, lambda _: None)


def seconds_per_domain(
    method: Callable[[CheckPool, list[str]], list[DomainCheck]], pool: CheckPool, domains: list[str]
) -> float:
    """Measure one method. Every result must be correct, or the figure means nothing."""
    began = time.perf_counter()
    found = method(pool, domains)
    seconds = time.perf_counter() - began
    correct = [c for c in found if c.dns.code is DnsCode.OK and c.tls and c.tls.code is TlsCode.OK]
    if len(correct) != len(domains):
        raise RuntimeError(f"{len(correct)} of {len(domains)} results are correct")
    return seconds / len(domains)


def measure(count: int, dns_port: int, tls_port: int, ca_file: Path) -> dict[str, float]:
    """Measure all methods; return seconds for all domains, and bytes."""

    def pool(concurrency: int) -> CheckPool:
        return CheckPool(
            main_domain=MAIN,
            dns=DnsSettings(resolvers=(Resolver(HOST, dns_port), Resolver(HOST, dns_port)), concurrency=concurrency),
            tls=TlsSettings(port=tls_port, ca_file=ca_file, concurrency=concurrency),
            edges=NetworkBoundary(authority=lambda address: Endpoint(address, dns_port), public=lambda _: True),
        )

    domains = [f"d{i}.bench.test" for i in range(count)]
    # Load the list of public suffixes first, which every process does once.
    seconds_per_domain(in_one_pass, pool(50), domains[:1])
    own_time = time.process_time()
    fast = seconds_per_domain(in_one_pass, pool(50), domains)
    own_time = time.process_time() - own_time
    peak = highest()
    # In turn, because the speed of the machine varies; the fastest of each counts.
    plain, visits = fast, float("inf")
    for _ in range(ROUNDS):
        visits = min(visits, seconds_per_domain(with_http, pool(50), domains))
        plain = min(plain, seconds_per_domain(in_one_pass, pool(50), domains))
    return {
        "count": count,
        "pass_seconds": fast * count,
        "pass_cpu_seconds": own_time,
        "bytes": peak,
        "plain_seconds": plain * count,
        "http_seconds": visits * count,
        "by_domain_seconds": seconds_per_domain(one_by_one, pool(50), domains[:SAMPLE]) * count,
        "by_question_seconds": seconds_per_domain(one_by_one, pool(1), domains[:SAMPLE]) * count,
    }


def measured(count: int) -> dict[str, float]:
    """Start the servers and measure."""
    with tempfile.TemporaryDirectory() as folder:
        ca, ca_file = trustme.CA(), Path(folder, "ca.pem")
        leaf = ca.issue_cert("*.bench.test", key_type=trustme.KeyType.ECDSA)
        ca.cert_pem.write_to_path(str(ca_file))
        certificate = Path(folder, "server.pem")
        leaf.private_key_and_cert_chain_pem.write_to_path(str(certificate))
        spawn = multiprocessing.get_context("spawn")
        managed, theirs = spawn.Pipe()
        server = spawn.Process(target=serve, args=(theirs, str(certificate)), daemon=True)
        server.start()
        try:
            dns_port, tls_port = managed.recv()
            return measure(count, dns_port, tls_port, ca_file)
        finally:
            server.terminate()
            server.join()


def figures(*, quick: bool) -> list[Figure]:
    """Measure in a new process, for correct memory figures, and return the figures."""
    argv = [sys.executable, "-m", "benchmarks.checks", "200" if quick else "1000"]
    done = subprocess.run(argv, capture_output=True, check=True, cwd=REPOSITORY)
    return as_figures(json.loads(done.stdout))


def as_figures(found: dict[str, float]) -> list[Figure]:
    """Return the figures with their targets."""
    what = f"DNS and certificates of {found['count']:,.0f} domains in one pass, {LATENCY * 1000:.0f} ms an answer"
    seconds = found["pass_seconds"]
    return [
        Figure(
            what=what,
            value=found["by_domain_seconds"] / seconds,
            unit="times as fast as one after another",
            limit=WANTED_FACTOR,
            over=True,
            bound=f"{seconds:.1f} s, of which CPU {found['pass_cpu_seconds']:.1f} s; one domain at a time "
            f"{found['by_domain_seconds']:.0f} s, one question at a time {found['by_question_seconds']:.0f} s "
            f"(measured on {SAMPLE} of them)",
            details=found,
        ),
        Figure(
            what=f"The same with an HTTP request to each of the {found['count']:,.0f} domains",
            value=found["http_seconds"] / found["plain_seconds"],
            unit="times as long",
            limit=HTTP_FACTOR,
            bound=f"{found['http_seconds']:.1f} s instead of {found['plain_seconds']:.1f} s",
        ),
        Figure(
            what="Memory of that pass",
            value=found["bytes"] / MEGABYTE,
            unit="MB",
            limit=MOST_BYTES / MEGABYTE,
            bound=of_python_alone(),
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
