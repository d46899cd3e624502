"""The server of the sandbox."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from closte_bridge.errors import BridgeError
from closte_bridge.sandbox.api import BASE, CALLS, WRONG_KEY, Api, failure
from closte_bridge.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Self

    from closte_bridge.sandbox.api import Call, Document
    from closte_bridge.secret import Secret

HOST = "127.0.0.1"
"""The only address that the sandbox listens on."""

APP_DOMAIN = "network.example.com"
_LARGEST_BODY = 32 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Serves one connection. `sandbox` is set by a subclass made for each server."""

    sandbox: ClassVar[Sandbox]
    protocol_version = "HTTP/1.1"
    server_version = "closte-bridge-sandbox"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the request line may hold a key."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdecimal() else _LARGEST_BODY + 1
        if size > _LARGEST_BODY:
            self.close_connection = True
            self.answer(413, failure("The request is too large."))
            return
        self.serve(parts.path, parts.query, self.rfile.read(size))

    def serve(self, path: str, query: str, body: bytes) -> None:
        """Answer a request."""
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        form = fields_of(body.decode("utf-8", "replace")) if is_form else {}
        call = CALLS.get((self.command, path))
        if call is None:
            self.serve_unknown(fields_of(query), form)
        else:
            self.serve_call(call, fields_of(query), form)

    def serve_unknown(self, query: dict[str, str], form: dict[str, str]) -> None:
        """Answer an unknown call."""
        del query, form
        self.answer(404, failure("Unknown call."))

    def serve_call(self, call: Call, query: dict[str, str], form: dict[str, str]) -> None:
        """Answer a call of the API. Only the list accepts its key in the query."""
        api, fields = self.sandbox.api, query if call == "list" else form
        self.answer(200, api.respond(call, fields) if api.accepts(fields.get("apikey", "")) else failure(WRONG_KEY))

    def answer(
        self, status: int, body: Document | bytes, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        """Send a response."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_head(status, len(raw), kind, headers or {})
        self.wfile.write(raw)

    def send_head(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        """Send the status line and the headers of a response."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


class Server(ThreadingHTTPServer):
    """The HTTP server. Each connection has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without resolving this machine's name as HTTPServer does: that can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as in the base class
        """Print a warning, unless the client disconnected, which it may do at any time."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"Warning: The sandbox could not answer a request ({type(error).__name__}).", file=sys.stderr)  # noqa: T201


class Sandbox:
    """A local mock of Closte's API. A context manager, which serves inside the `with` block.

    `state` is a file that keeps the aliases; without it, they are lost at the end. `key` is the only accepted key; with
    None, any key is. `port` 0 selects a free port. Raises BridgeError if the port or the file cannot be used.
    """

    handler: ClassVar[type[Handler]] = Handler
    server: ClassVar[type[Server]] = Server

    def __init__(
        self,
        app_domain: str = APP_DOMAIN,
        *,
        state: Path | None = None,
        key: Secret | None = None,
        port: int = 0,
    ) -> None:
        self.store = Store(app_domain, state)
        self.api = Api(self.store, key)
        try:
            self._server = self.server((HOST, port), type("SandboxHandler", (self.handler,), {"sandbox": self}))
        except (OSError, OverflowError):
            raise BridgeError(
                f"The sandbox cannot listen on port {port}.",
                code="sandbox-port",
                hint="Use another port, or 0 for a free port.",
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The value for `api_url`."""
        return f"http://{HOST}:{self.port}{BASE}"

    @property
    def aliases(self) -> set[str]:
        """The current aliases, including the own domain."""
        return set(self.store.names)

    @aliases.setter
    def aliases(self, names: Iterable[str]) -> None:
        self.store.replace(names)


def fields_of(text: str) -> dict[str, str]:
    """Return the first value of each field of a query or a form."""
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
