"""Loopback ports for servers that tests start."""

from __future__ import annotations

import socket
from contextlib import ExitStack

LOCAL = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.create_server((LOCAL, 0)) as server:
        return int(server.getsockname()[1])


def free_port_on(*addresses: str) -> int:
    """Return a port that is free for UDP and TCP on all these addresses."""
    for _ in range(50):
        with ExitStack() as stack:
            port = 0
            try:
                for address in addresses:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                        one.bind((address, port))
                        port = one.getsockname()[1]
            except OSError:
                continue
            return port
    raise RuntimeError("No port is free on all addresses.")


def accepts(port: int, address: str = LOCAL) -> bool:
    """Return whether a server on this address of the machine accepts connections on this port."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True
