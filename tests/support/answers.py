"""Web servers of tests: plain HTTP over an open connection, and WordPress in PHP's built-in server."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from tests.support.ports import free_port_on
from tests.support.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.wordpress import Multisite

EMPTY_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LOCAL = "127.0.0.1"
# WordPress must know that the visitor came over HTTPS, as behind any server that ends TLS.
_PREPEND = "<?php $_SERVER['HTTPS'] = 'on'; $_SERVER['SERVER_PORT'] = '443';\n"


class Stream(Protocol):
    """An open connection."""

    def recv(self, size: int, /) -> bytes:
        """Return the next data."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of the data."""


def serve_requests(stream: Stream, answer: Callable[[bytes], bytes]) -> None:
    """Answer each request on a connection, until the client closes it or asks for that."""
    while request := _request(stream):
        stream.sendall(answer(request))
        if b"\r\nconnection: close\r\n" in request.lower():
            return


def _request(stream: Stream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (block := stream.recv(65_536)):
            return b""
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head.lower())
    while length and len(body) < int(length[1]):
        body += stream.recv(65_536)
    return head + b"\r\n\r\n" + body


def page(status: int = 200, *, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer. In the names of headers, write `-` as `_`."""
    lines = [f"HTTP/1.1 {status} {http.client.responses[status]}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def served_by_php(multisite: Multisite) -> Iterator[Callable[[bytes], bytes]]:
    """Run PHP's built-in server for a network; yield a function that returns its answer to a request."""
    port = free_port_on(_LOCAL)
    prepend = multisite.home / "https.php"
    prepend.write_text(_PREPEND)
    argv = [multisite.parts.php, "-d", f"auto_prepend_file={prepend}", "-S", f"{_LOCAL}:{port}"]
    server = subprocess.Popen(
        [*argv, "-t", str(multisite.path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=multisite.env,
    )

    def listening() -> bool:
        with suppress(OSError), socket.create_connection((_LOCAL, port)):
            return True
        return False

    try:
        wait_until(listening)
        yield answers_of(port)
    finally:
        server.kill()
        server.wait()


def answers_of(port: int) -> Callable[[bytes], bytes]:
    """Return a function that returns the answer of a port of this machine to a request."""

    def answer(request: bytes) -> bytes:
        with socket.create_connection((_LOCAL, port), timeout=60) as connection:
            connection.sendall(re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", request, count=1))
            return _framed(b"".join(iter(lambda: connection.recv(65_536), b"")))

    return answer


def _framed(answer: bytes) -> bytes:
    """Return an answer with the length of its body, so that the connection can stay open."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"content-length:"))]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
