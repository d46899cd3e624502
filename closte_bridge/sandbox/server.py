"""The server of the sandbox: Closte's API under `/api/client`, its controls under `/_sandbox`."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import BridgeError
from closte_bridge.sandbox.api import BASE, Api, ApiTexts
from closte_bridge.sandbox.faults import Call, Fault, FaultKind, FaultPicker
from closte_bridge.sandbox.handler import Handler
from closte_bridge.sandbox.request_log import RecordedRequest, RequestLog
from closte_bridge.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from closte_bridge.secret import Secret

HOST = "127.0.0.1"
"""The only address that the sandbox listens on."""

APP_DOMAIN = "network.example.com"
_CLOSING = 5.0


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Behaviour of the sandbox without faults, and parameters of its faults.

    `latency`, `slow` and `drip` (for each byte) are in seconds, `retry_after` is the value of the header, `huge` is in
    bytes, and `shrink` is the missing fraction of the list.
    """

    latency: float = 0.0
    slow: float = 2.0
    drip: float = 0.05
    retry_after: str = "1"
    huge: int = 40 * 1024 * 1024
    shrink: float = 0.5


class Sandbox:
    """A local mock of Closte's API. A context manager, which serves inside the `with` block.

    `state` is a file that keeps the aliases; a second file (`.requests.jsonl`) keeps the requests. Without it, both are
    lost at the end. `key` is the only accepted key; with None, any key is. `port` 0 selects a free port. `faults` may
    be texts (`KIND[:PROBABILITY[:TIMES]][@DOMAIN]`). Raises BridgeError if the port or the file cannot be used,
    ConfigError for an invalid fault.
    """

    def __init__(
        self,
        app_domain: str = APP_DOMAIN,
        *,
        state: Path | None = None,
        key: Secret | None = None,
        port: int = 0,
        texts: ApiTexts | None = None,
        behaviour: SandboxOptions | None = None,
        faults: Iterable[Fault | str] = (),
        seed: int | None = None,
    ) -> None:
        self.store = Store(app_domain, state)
        self.request_log = RequestLog(state.with_name(f"{state.name}.requests.jsonl") if state is not None else None)
        self.api = Api(self.store, key, texts or ApiTexts())
        self.behaviour = behaviour or SandboxOptions()
        self._lock = threading.Lock()
        self._picker = FaultPicker()
        self.set_faults(*faults, seed=seed)
        self._closing = threading.Event()
        self._connections = 0
        handler = type("SandboxHandler", (Handler,), {"sandbox": self})
        try:
            self._server = _Server((HOST, port), handler)
        except (OSError, OverflowError):
            raise BridgeError(
                f"The sandbox cannot listen on port {port}.",
                code="sandbox-port",
                hint="Use another port, or 0 for a free port.",
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        )

    def __enter__(self) -> Sandbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.close_connections(_CLOSING)

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The value for `api_url`."""
        return f"http://{HOST}:{self.port}{BASE}"

    @property
    def control_url(self) -> str:
        """The base URL of the controls."""
        return f"http://{HOST}:{self.port}/_sandbox"

    @property
    def aliases(self) -> set[str]:
        """The current aliases, including the own domain."""
        return set(self.store.names)

    @aliases.setter
    def aliases(self, names: Iterable[str]) -> None:
        self.store.replace(names)

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, without control requests."""
        return self.request_log.read()

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return self._connections

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that may still occur."""
        with self._lock:
            return self._picker.faults

    def set_faults(self, *faults: Fault | str, seed: int | None = None) -> None:
        """Replace all faults."""
        parsed = [Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults]
        with self._lock:
            self._picker = FaultPicker(parsed, seed)

    def reset(self) -> None:
        """Delete all aliases except the own domain, all requests and all faults."""
        self.aliases = set()
        self.request_log.clear()
        self.set_faults()

    def pick(self, call: Call, domain: str) -> FaultKind | None:
        """Return the fault for a call."""
        with self._lock:
            return self._picker.pick(call, domain)

    def thin_out(self, names: list[str]) -> list[str]:
        """Drop a random part of the domains."""
        with self._lock:
            return self._picker.sample(names, self.behaviour.shrink)

    def wait(self, seconds: float) -> None:
        """Sleep. The end of the sandbox also ends the sleep."""
        if seconds > 0:
            self._closing.wait(seconds)

    def count_connection(self) -> int:
        """Return the number of a new connection."""
        with self._lock:
            self._connections += 1
            return self._connections

    def abandon(self, connection: socket.socket) -> None:
        """Close the connection without an orderly shutdown."""
        self._server.abandoned.add(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        self.abandoned: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # Not that of HTTPServer, which resolves this machine's name: that can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        if request in self.abandoned:
            self.abandoned.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def close_connections(self, seconds: float) -> None:
        """Close all connections and wait at most `seconds` for their threads."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as in the base class
        error = sys.exc_info()[1]
        # A client may disconnect at any time, and some faults force it to.
        if not isinstance(error, OSError):
            print(f"Warning: The sandbox could not answer a request ({type(error).__name__}).", file=sys.stderr)  # noqa: T201
