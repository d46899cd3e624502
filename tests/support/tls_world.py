"""TLS servers on loopback addresses, one for each way in which a certificate can be valid or invalid."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


@dataclass
class Recorder:
    """Record of what clients send after the handshake, which is nothing if they work."""

    said: list[bytes] = field(default_factory=list)
    asked_for: list[str | None] = field(default_factory=list)
    connections: int = 0


def self_signed(
    name: str, *, names: tuple[str, ...] | None = None, until: datetime.datetime = NOW + 30 * DAY
) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, both in PEM. Without `names`, the certificate only has a CN."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme, Ünlimited"),
                         x509.NameAttribute(NameOID.COMMON_NAME, name)])  # fmt: skip
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - 30 * DAY).not_valid_after(until)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return (
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain),
    )


def context_of(chain: bytes, key: bytes, folder: Path) -> ssl.SSLContext:
    """Return a server's context with this chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / f"{abs(hash(chain))}.pem"
    file.write_bytes(key + chain)
    context.load_cert_chain(file)
    return context


def issued(leaf: trustme.LeafCert, folder: Path) -> ssl.SSLContext:
    """Return a server's context with a certificate that a CA issued, with its intermediates."""
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return context_of(chain, leaf.private_key_pem.bytes(), folder)


@dataclass
class TlsWorld:
    """Servers that share one port, each on its own address. `ca_file` has the root for clients to trust."""

    port: int
    folder: Path
    ca: trustme.CA
    recorder: Recorder
    stack: ExitStack

    @property
    def ca_file(self) -> Path:
        """The file with the root certificate."""
        file = self.folder / "ca.pem"
        if not file.exists():
            file.write_bytes(self.ca.cert_pem.bytes())
        return file

    def issue(
        self,
        *names: str,
        ca: trustme.CA | None = None,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> ssl.SSLContext:
        """Return a context with a certificate of the trusted CA, or of `ca`."""
        leaf = (ca or self.ca).issue_cert(
            *names, key_type=trustme.KeyType.ECDSA, not_before=not_before, not_after=not_after
        )
        return issued(leaf, self.folder)

    def serve(self, address: str, default: ssl.SSLContext | None, **by_name: ssl.SSLContext) -> None:
        """Serve `default`, or refuse without one; names in `by_name` (dots written as `__`) have their own context."""
        contexts = {name.replace("__", "."): context for name, context in by_name.items()}
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        base = default or own

        def choose(conn: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            self.recorder.asked_for.append(name)
            if name in contexts:
                conn.context = contexts[name]
            elif default is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            return None

        base.sni_callback = choose

        def talk(connection: socket.socket) -> None:
            with base.wrap_socket(connection, server_side=True) as tls:
                data = tls.recv(1000)
                if data:
                    self.recorder.said.append(data)

        self.listen(address, talk)

    def listen(self, address: str, talk: Callable[[socket.socket], None]) -> None:
        """Call `talk` for each connection to `address`."""
        server = self.stack.enter_context(socket.create_server((address, self.port), backlog=200))
        stopping = threading.Event()
        server.settimeout(0.1)

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                talk(connection)

        def run() -> None:
            threads = []
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = server.accept()
                    self.recorder.connections += 1
                    threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                    threads[-1].start()
            for thread in threads:
                thread.join()

        thread = threading.Thread(target=run)
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(stopping.set)


@contextmanager
def tls_world(folder: Path) -> Iterator[TlsWorld]:
    """Create an empty world; its servers stop after the body."""
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.10.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with ExitStack() as stack:
        yield TlsWorld(port, folder, trustme.CA(organization_name="Test Authority"), Recorder(), stack)


def silent(connection: socket.socket) -> None:
    """Read what the client sends, and never answer."""
    while connection.recv(1000):
        pass


def garbage(connection: socket.socket) -> None:
    """Answer as a server without TLS."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def closed(connection: socket.socket) -> None:
    """Close the connection during the handshake."""
    while len(connection.recv(1000)) == 1000:
        pass


def cut(connection: socket.socket) -> None:
    """Reset the connection during the handshake."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
