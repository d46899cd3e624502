"""WordPress served by PHP's built-in web server, with an object cache of its own that WP-CLI does not share."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from tests.support.parts import REPOSITORY
from tests.support.ports import LOCAL, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.wordpress import Multisite

_PATIENCE = 20.0
_ROUTER = REPOSITORY / "tests" / "support" / "php" / "router.php"
_CACHE = REPOSITORY / "tests" / "support" / "php" / "object-cache.php"


@dataclass(frozen=True)
class WebServer:
    """A web server of a network on loopback. `log` has PHP's messages."""

    port: int
    log: Path
    address: str = LOCAL

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.address}:{self.port}"

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """Return the status and the redirect of a visitor's request."""
        return visit(self.port, host, path)


def visit(port: int, host: str, path: str = "/") -> tuple[int, str]:
    """Return the status and the redirect that a visitor gets from a port of this machine."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location") or ""
    finally:
        connection.close()


def use_object_cache(multisite: Multisite, shared: Path | None = None) -> None:
    """Give each web server of a network an object cache that outlives requests, and WP-CLI none.

    With `shared`, all of them and WP-CLI use one cache in this folder.
    """
    drop_in = f"<?php\nif ( 'cli' !== PHP_SAPI ) {{\n\trequire '{_CACHE}';\n}}\n"
    if shared:
        drop_in = f"<?php\nputenv( 'TEST_OBJECT_CACHE={shared}' );\nrequire '{_CACHE}';\n"
    (multisite.path / "wp-content" / "object-cache.php").write_text(drop_in)


@contextmanager
def web_server(
    multisite: Multisite, folder: Path, *, workers: int = 3, address: str = LOCAL, port: int = 0
) -> Iterator[WebServer]:
    """Run a web server with several workers; its object cache is in the new folder `folder`.

    Port 0 stands for any free port.
    """
    folder.mkdir()
    port = port or free_port()
    log = folder / "php.log"
    argv = [multisite.parts.php, "-d", "display_errors=0", "-d", "log_errors=1", "-d", f"error_log={log}"]
    argv += ["-S", f"{address}:{port}", "-t", str(multisite.path), str(_ROUTER)]
    environ = {**multisite.env, "PHP_CLI_SERVER_WORKERS": str(workers), "TEST_OBJECT_CACHE": str(folder / "cache")}
    with (folder / "access.log").open("w") as access:
        # A group of its own: the workers do not end with their parent.
        server = subprocess.Popen(argv, env=environ, stdout=access, stderr=access, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not accepts(port, address):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "access.log").read_text())
            time.sleep(0.02)
        yield WebServer(port, log, address)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def load_balancer(servers: Sequence[WebServer]) -> Iterator[int]:
    """Yield a port whose connections go to the servers in turn."""
    ports = itertools.cycle([server.port for server in servers])

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", next(ports)), timeout=_PATIENCE) as server:
                pump = threading.Thread(target=_pump, args=(self.request, server))
                pump.start()
                _pump(server, self.request)
                pump.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as balancer:
        thread = threading.Thread(target=balancer.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(balancer.server_address[1])
        finally:
            balancer.shutdown()
            thread.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Send what arrives at one socket to the other until either ends."""
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
