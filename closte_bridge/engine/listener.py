"""The HTTP listener of `watch`: wake-ups of the shim, and if configured `/healthz` and `/metrics`.

waitress reads each request as a whole before it starts a thread, within small limits. So slow clients hold only a
connection, and neither their number nor the size of a request grows.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.engine.tls_relay import TlsRelay, tls_context
from closte_bridge.engine.wake import LONGEST, WakeResult
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.wordpress.web import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from closte_bridge.config.model import Endpoint
    from closte_bridge.engine.wake import WakeAnswer, WakeGate

_PHRASES = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
            413: "Content Too Large", 429: "Too Many Requests", 503: "Service Unavailable"}  # fmt: skip
# Connections beyond this wait in the kernel. Seconds without a byte after which one is closed.
_MOST_CONNECTIONS, _IDLE = 100, 10
_THREADS = 2
_BACKLOG = 128


class Health(NamedTuple):
    """Whether `watch` makes progress, and how many of its networks failed in their last run."""

    alive: bool
    networks: int
    failing: int


class Pages(NamedTuple):
    """What the listener answers besides wake-ups; None for 404."""

    health: Callable[[], Health] | None = None
    metrics: Callable[[], bytes] | None = None


class Listener:
    """The listener on one address. `gate` checks wake-ups.

    With `cert`, it speaks TLS; its HTTP server then has a port of its own on loopback.
    """

    def __init__(
        self, endpoint: Endpoint, gate: WakeGate, pages: Pages, *, cert: Path | None = None, key: Path | None = None
    ) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self.pages = pages
        self._cert = cert
        self._key = key
        self._relay: TlsRelay | None = None
        self.port = endpoint.port

    def start(self) -> None:
        """Bind the address and serve in threads that end with the process.

        Raises ConfigError if waitress is missing or the certificate is invalid, BridgeError if the address cannot be
        used.
        """
        context = tls_context(self._cert, self._key) if self._cert else None
        make = _server_class()
        public = _bound(self._endpoint.address, self._endpoint.port)
        self.port = int(public.getsockname()[1])
        inner = _bound("127.0.0.1", 0) if context else public
        server = make(self._answer, inner, lambda: self._gate.count(WakeResult.MALFORMED))
        threading.Thread(target=server.run, name="listener", daemon=True).start()
        if context:
            self._relay = TlsRelay(public, context, int(inner.getsockname()[1]))
            self._relay.start()

    def reload_certificate(self) -> None:
        """Use a renewed certificate. Raises ConfigError if it is invalid; then the old one stays."""
        if self._relay and self._cert:
            self._relay.context = tls_context(self._cert, self._key)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, kind, body, signature = self._page(environ)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        if signature:
            headers.append((HEADER, signature))
        start_response(f"{status} {_PHRASES[status]}", headers)
        return [body]

    def _page(self, environ: WSGIEnvironment) -> tuple[int, str, bytes, str]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "POST":
            answer = self._wake(environ)
            return answer.status, "application/json", answer.body, answer.signature
        if method in {"GET", "HEAD"} and path == "/healthz" and self.pages.health:
            return _health(self.pages.health())
        if method in {"GET", "HEAD"} and path == "/metrics" and self.pages.metrics:
            return 200, "text/plain; version=0.0.4; charset=utf-8", self.pages.metrics(), ""
        return 404, "application/json", b'{"code":"no-route"}', ""

    def _wake(self, environ: WSGIEnvironment) -> WakeAnswer:
        header = str(environ.get(f"HTTP_{HEADER.upper().replace('-', '_')}", ""))
        if refusal := self._gate.check_header(header):
            return refusal
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LONGEST:
            return self._gate.count(WakeResult.MALFORMED)
        return self._gate.check(header, environ["wsgi.input"].read(length))


def _health(found: Health) -> tuple[int, str, bytes, str]:
    document = {"status": "ok" if found.alive else "stalled", "networks": found.networks, "failing": found.failing}
    return (200 if found.alive else 503), "application/json", json.dumps(document).encode(), ""


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise BridgeError(
            f"Could not listen on {address}, port {port}: {error.strerror}.",
            code="listen",
            hint="Choose another address with `listen`, or end the program that uses it.",
        ) from None
    return listening


def _server_class() -> Callable[..., Any]:
    """Return a function that makes the HTTP server. Raises ConfigError if waitress is not installed."""
    try:
        # An extra that most installations do not need.
        from waitress.channel import HTTPChannel  # noqa: PLC0415 - an extra
        from waitress.server import create_server  # noqa: PLC0415 - the same
        from waitress.task import ErrorTask  # noqa: PLC0415 - the same
    except ImportError:
        raise ConfigError(
            "The listener needs waitress, which is not installed.",
            code="listen-missing",
            hint='Run `pip install "closte-bridge[listen]"`.',
        ) from None
    logger = logging.getLogger("waitress")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False

    def make(app: Callable[..., Iterable[bytes]], listening: socket.socket, refused: Callable[[], object]) -> Any:  # noqa: ANN401 - the types of waitress have no common base
        class Refused(ErrorTask):
            """A request that waitress itself refuses: malformed, or too long."""

            def execute(self) -> None:
                refused()
                super().execute()

        class Channel(HTTPChannel):
            error_task_class = Refused

        server: Any = create_server(
            app, sockets=[listening], threads=_THREADS, connection_limit=_MOST_CONNECTIONS, channel_timeout=_IDLE,
            cleanup_interval=5, max_request_body_size=4 * LONGEST, max_request_header_size=8 * LONGEST, ident=None,
            asyncore_use_poll=True,
        )  # fmt: skip
        server.channel_class = Channel
        return server

    return make
