"""Decrypt TLS connections and pass their bytes to a port of this machine: the HTTP server of the listener has no TLS.

The number and the duration of connections are limited, and a connection beyond the limit waits in the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from pathlib import Path

_MOST = 100
# Seconds for the handshake, and for a connection as a whole.
_HANDSHAKE, _LONGEST = 5.0, 10.0
# Bytes from a client. The HTTP server accepts less.
_MOST_BYTES = 65_536


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """Return the context of a server with this certificate. Raises ConfigError if the files cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password, a question on the terminal would stop a service.
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a certificate with its key"
        raise ConfigError(
            f'Could not load the certificate of the listener from "{cert}": {reason}.',
            code="listen-certificate",
            hint="Set `listen_cert` to a PEM file with the chain, and `listen_key` to its key without a password.",
        ) from None
    return context


class TlsRelay:
    """A thread that accepts TLS connections on a listening socket and relays them to `port` on 127.0.0.1.

    `context` may be replaced, so that a renewed certificate needs no restart.
    """

    def __init__(self, listening: socket.socket, context: ssl.SSLContext, port: int) -> None:
        self.context = context
        self._listening = listening
        self._port = port

    def start(self) -> None:
        """Start the thread, which ends with the process or when the socket is closed."""
        self._listening.setblocking(False)
        threading.Thread(target=self._run, name="tls", daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(_MOST)
        tasks = set[asyncio.Task[None]]()
        while self._listening.fileno() >= 0:
            await free.acquire()
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except OSError:
                # Too many open files, or a client that is gone already.
                free.release()
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._relay(connection))
            # The loop itself holds only weak references.
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: free.release())

    async def _relay(self, connection: socket.socket) -> None:
        loop, client = asyncio.get_running_loop(), _Client()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LONGEST):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: client, connection, ssl=self.context, ssl_handshake_timeout=_HANDSHAKE,
                    ssl_shutdown_timeout=1.0,
                )  # fmt: skip
                try:
                    server = _Server(client)
                    inside, _ = await loop.create_connection(lambda: server, "127.0.0.1", self._port)
                    try:
                        client.pass_on(inside)
                        # A client may hang up after its request; the answer ends the connection.
                        await server.gone
                        transport.close()
                        await client.gone
                    finally:
                        inside.abort()
                finally:
                    transport.abort()


class _End(asyncio.Protocol):
    """An end of a relayed connection; `gone` is done when it is closed."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.gone.done():
            self.gone.set_result(None)


class _Client(_End):
    """The client. What it sent before it hung up is passed on, also if its end is a reset."""

    def __init__(self) -> None:
        super().__init__()
        self._early = b""
        self._received = 0
        self._inside: asyncio.Transport | None = None

    def pass_on(self, inside: asyncio.Transport) -> None:
        self._inside = inside
        inside.write(self._early)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > _MOST_BYTES:
            self.transport.abort()
        elif self._inside:
            self._inside.write(data)
        else:
            self._early += data

    def eof_received(self) -> bool:
        return False


class _Server(_End):
    """The HTTP server inside."""

    def __init__(self, client: _Client) -> None:
        super().__init__()
        self._client = client

    def data_received(self, data: bytes) -> None:
        if not self._client.gone.done():
            self._client.transport.write(data)
