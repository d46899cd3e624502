"""Time limit for a whole HTTP exchange, from the first byte sent to the last byte read.

A read timeout restarts with every byte, so a slow-drip server could hold a request open for hours. Here a timer shuts
down the socket of the connection, which ends the current read.

The module also silences the HTTP libraries: their debug output quotes URLs, and one URL contains the key.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from types import TracebackType

    from urllib3.response import HTTPResponse

_here = threading.local()

_LOGGERS = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "requests",
)


class Exchange:
    """One request and its response, limited to `seconds`. A context manager, bound to its thread.

    `sent` is True if a part of the request may have reached the server, `expired` if the time ran out.
    """

    def __init__(self, seconds: float) -> None:
        self.sent = False
        self.expired = False
        self._done = False
        self._sock: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Exchange:
        _here.exchange = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            # From here on, the socket may serve another request.
            self._done = True
            self._release()
        self._timer.cancel()
        _here.exchange = None

    def watch(self, sock: socket.socket) -> None:
        """Set the socket to shut down when the time runs out."""
        with self._lock:
            self._release()
            # A second descriptor of the connection: TLS takes over the first one during the handshake.
            self._sock = socket.socket(fileno=os.dup(sock.fileno()))
            if self.expired:
                _shut_down(self._sock)

    def _release(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _expire(self) -> None:
        with self._lock:
            if self._done:
                return
            self.expired = True
            if self._sock is not None:
                _shut_down(self._sock)


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _current() -> Exchange | None:
    exchange: Exchange | None = getattr(_here, "exchange", None)
    return exchange


class _PlainConnection(HTTPConnection):
    # http.client debug output may have been enabled globally.
    debuglevel = 0

    def _new_conn(self) -> socket.socket:
        # Watch from the start: the TLS handshake and the exchange with a proxy can drip as well.
        sock = super()._new_conn()
        if (exchange := _current()) is not None:
            exchange.watch(sock)
        return sock

    def send(self, data: Any) -> None:  # noqa: ANN401 - as in http.client
        _before_sending(self)
        super().send(data)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 declares it
        _before_reading(self)
        return super().getresponse()


class _SecureConnection(_PlainConnection, HTTPSConnection):
    pass


def _before_sending(connection: HTTPConnection) -> None:
    if connection.sock is None:
        connection.connect()
    if (exchange := _current()) is not None:
        exchange.sent = True


def _before_reading(connection: HTTPConnection) -> None:
    exchange = _current()
    if exchange is not None and connection.sock is not None:
        exchange.watch(connection.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class WatchedAdapter(HTTPAdapter):
    """Adapter of `requests` whose connections obey the thread's `Exchange`."""

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:  # noqa: D102 - as in the base class
        super().init_poolmanager(*args, **kwargs)  # type: ignore[arg-type]  # handed through untouched
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> object:  # noqa: D102 - as in the base class
        manager = super().proxy_manager_for(proxy, **kwargs)
        # SOCKS proxies have their own pool classes; replacing them would bypass the proxy.
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Quiet(logging.Filter):
    """Drop log records of the HTTP libraries in a thread with a current exchange."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - drops all records
        return _current() is None


_quiet = _Quiet()


def silence_libraries() -> None:
    """Keep the URLs of requests out of every log, at any level. Safe to repeat."""
    for name in _LOGGERS:
        # A logger's filter does not see the records of its children.
        logging.getLogger(name).addFilter(_quiet)
