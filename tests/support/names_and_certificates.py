"""A DNS server that answers from a file, and an HTTPS server that gets certificates as Closte's hosts do.

The HTTPS server answers every request with an empty page.

Both need only the program's own libraries and `openssl`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from publicsuffixlist import PublicSuffixList

from tests.support.answers import EMPTY_PAGE, serve_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HERE = "127.0.0.1"
_TTL = 1
_DAYS = "90"
_SUFFIXES = PublicSuffixList()


@dataclass(frozen=True)
class Places:
    """The addresses of both servers, and the certificate authority to trust."""

    resolver: str
    https_port: int
    ca_file: Path


def addresses(file: Path) -> dict[str, str]:
    """Return the domains of the file with their addresses; the last line of a domain counts."""
    pairs = (line.split() for line in file.read_text().splitlines() if not line.startswith("#"))
    return {pair[0].lower().rstrip("."): pair[1] for pair in pairs if len(pair) == 2}


def answer(query: bytes, file: Path) -> bytes:
    """Answer a DNS query as a resolver that only knows the domains of the file."""
    message = dns.message.from_wire(query)
    reply = dns.message.make_response(message, recursion_available=True)
    (question,) = message.question
    name = question.name.to_text(omit_final_dot=True).lower()
    zone = _SUFFIXES.privatesuffix(name) or name
    known = addresses(file)
    soa = dns.rrset.from_text(f"{zone}.", _TTL, "IN", "SOA", f"ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {_TTL}")
    if question.rdtype == dns.rdatatype.A and name in known:
        reply.answer.append(dns.rrset.from_text(f"{name}.", _TTL, "IN", "A", known[name]))
    elif question.rdtype == dns.rdatatype.SOA and name == zone:
        reply.answer.append(soa)
    else:
        reply.authority.append(soa)
        if name != zone and not any(one == name or one.endswith(f".{name}") for one in known):
            reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()


class Certificates:
    """Certificates from `openssl`, signed by their own authority in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.ca_file = folder / "authority.pem"
        self._made: dict[str, ssl.SSLContext] = {}
        self._openssl("authority", "/CN=Certificate authority of the lab", "CA:TRUE", "keyCertSign,cRLSign")

    def context(self, name: str) -> ssl.SSLContext:
        """Return a TLS context with the certificate for a name."""
        if name not in self._made:
            signed = ["-CA", str(self.ca_file), "-CAkey", str(self._folder / "authority.key")]
            signed += ["-addext", f"subjectAltName=DNS:{name}"]
            self._openssl(name, f"/CN={name}", "CA:FALSE", "digitalSignature", *signed)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._folder / f"{name}.pem", self._folder / f"{name}.key")
            self._made[name] = context
        return self._made[name]

    def _openssl(self, file: str, subject: str, basic: str, usage: str, *more: str) -> None:
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        argv += ["-subj", subject, "-days", _DAYS, "-addext", f"basicConstraints=critical,{basic}"]
        argv += ["-addext", f"keyUsage=critical,{usage}", *more]
        argv += ["-keyout", str(self._folder / f"{file}.key"), "-out", str(self._folder / f"{file}.pem")]
        # Without the system's configuration, which would add the extensions a second time.
        empty = self._folder / "openssl.cnf"
        empty.write_text("[req]\ndistinguished_name = name\n[name]\n")
        subprocess.run([*argv, "-config", str(empty)], check=True, capture_output=True)


@contextmanager
def names_and_certificates(folder: Path, file: Path, aliases: Callable[[], set[str]]) -> Iterator[Places]:
    """Run both servers while the body runs.

    A domain has a certificate as soon as it is in `aliases()` and `file` points it to this machine: Closte issues
    certificates under the same conditions.
    """
    certificates = Certificates(folder / "https")
    default = certificates.context("host.example.com")

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name and addresses(file).get(name) == HERE and name in aliases():
            connection.context = certificates.context(name)

    default.sni_callback = choose
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with udp, tcp:
        udp.bind((HERE, 0))
        tcp.bind((HERE, 0))
        tcp.listen(64)
        threads = [
            threading.Thread(target=_serve_dns, args=(udp, file), daemon=True),
            threading.Thread(target=_serve_https, args=(tcp, default), daemon=True),
        ]
        for thread in threads:
            thread.start()
        yield Places(f"{HERE}:{udp.getsockname()[1]}", tcp.getsockname()[1], certificates.ca_file)
        # Closing alone does not end a thread's wait for the socket.
        with contextlib.suppress(OSError):
            udp.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            tcp.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def _serve_dns(line: socket.socket, file: Path) -> None:
    with contextlib.suppress(OSError):
        while True:
            query, client = line.recvfrom(4096)
            if not query:
                return
            with contextlib.suppress(dns.exception.DNSException, ValueError):
                line.sendto(answer(query, file), client)


def _serve_https(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_shake_hands, args=(connection, context), daemon=True).start()


def _shake_hands(connection: socket.socket, context: ssl.SSLContext) -> None:
    connection.settimeout(10)
    with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as tls:
        serve_requests(tls, lambda _: EMPTY_PAGE)
