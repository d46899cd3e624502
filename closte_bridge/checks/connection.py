"""TLS connection over a plain socket, without the overhead of asyncio's TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_LARGEST = 65_536  # bytes read at a time


def socket_for(address: str) -> socket.socket:
    """Return a non-blocking TCP socket for this IP address."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setblocking(False)
    return sock


class Connection:
    """A TLS connection to `address`, with `host` as SNI. A context manager that closes the socket.

    `tls` is its session. Call `connect`, then `handshake`, then `send` and `receive`. They raise OSError (which
    includes `ssl.SSLError`).
    """

    def __init__(self, address: str, port: int, host: str, context: ssl.SSLContext) -> None:
        self.host = host
        self._to = (address, port)
        self._context = context
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket:
            self._socket.close()

    def another(self, host: str) -> Connection:
        """Return a new connection to the same address, verified in the same way."""
        return Connection(*self._to, host, self._context)

    async def connect(self) -> None:
        """Connect the socket."""
        self._socket = socket_for(self._to[0])
        await asyncio.get_running_loop().sock_connect(self._socket, self._to)

    async def handshake(self) -> None:
        """Make the TLS handshake."""
        while not self._shaken():
            await self._flush()
            if not await self._fetch():
                raise ConnectionResetError
        with contextlib.suppress(OSError):
            # Send the final message, so that the server does not log a failed handshake.
            self._connected.send(self._out.read())

    async def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """Return the next data, or nothing at the end."""
        while True:
            try:
                return self.tls.read(_LARGEST)
            except ssl.SSLWantReadError:
                await self._flush()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            if not await self._fetch():
                return b""

    @property
    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket

    def _shaken(self) -> bool:
        """Continue the handshake as far as possible. Return whether it is complete."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def _flush(self) -> None:
        if self._out.pending:
            await asyncio.get_running_loop().sock_sendall(self._connected, self._out.read())

    async def _fetch(self) -> bool:
        data = await asyncio.get_running_loop().sock_recv(self._connected, _LARGEST)
        self._in.write(data)
        return bool(data)
