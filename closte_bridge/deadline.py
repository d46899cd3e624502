"""A time limit for a whole HTTP response, from its first byte to its last, for `requests`.

A usual read time-out starts again with every byte, so a slow drip could hold a request open for hours.
"""

from __future__ import annotations

import http.client
import io
import logging
import time
from math import inf
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket


class _BoundedReader(io.RawIOBase):
    """Reader of a socket whose time-out limits all reads together: each byte of a slow drip restarts a plain one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._end = time.monotonic() + (sock.gettimeout() or inf)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - as in the base class
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left if left < inf else None)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock))


class NotSentError(OSError):
    """The connection failed, so that nothing of the request reached the server."""


class _PlainConnection(HTTPConnection):
    # http.client debug output may have been enabled globally.
    debuglevel = 0
    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise NotSentError from error


class _SecureConnection(_PlainConnection, HTTPSConnection):
    pass


# SOCKS proxies have their own classes; replacing them would bypass the proxy.
_BOUNDED: dict[type, type] = {HTTPConnection: _PlainConnection, HTTPSConnection: _SecureConnection}


class BoundedAdapter(HTTPAdapter):
    """Adapter of `requests` whose read time-out limits the response as a whole."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102 - as in the base class
        return bounded(super().get_connection_with_tls_context(*args, **kwargs))


def bounded(pool: Any) -> Any:  # noqa: ANN401 - the pools of urllib3 and of its proxies
    """Let the read time-out of a connection pool limit each response as a whole."""
    pool.ConnectionCls = _BOUNDED.get(pool.ConnectionCls, pool.ConnectionCls)
    return pool


def silence_libraries() -> None:
    """Disable the logs of urllib3 at every level: they quote URLs, and one URL contains the key."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] == "urllib3":
            logging.getLogger(name).disabled = True
