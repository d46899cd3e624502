"""The stand-in as a whole: Closte's calls under `/api/client`, and its controls under `/_sandbox`."""

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
"""The only address that the stand-in ever listens on."""

APP_DOMAIN = "network.example.com"
_CLOSING = 5.0


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the stand-in behaves apart from faults, and how bad its faults are.

    `latency`, `slow` and `drip` (for each byte) are in seconds, `retry_after` is the header's value, `huge` in
    bytes, `shrink` the fraction of the list that goes missing.
    """

    latency: float = 0.0
    slow: float = 2.0
    drip: float = 0.05
    retry_after: str = "1"
    huge: int = 40 * 1024 * 1024
    shrink: float = 0.5


class Sandbox:
    """A Closte stand-in on this machine. A context manager: it serves from entering to leaving.

    `state` is a file that keeps the aliases, and beside it the requests (`.requests.jsonl`); without it they
    are gone at the end. `key` is the one key that is taken, None takes any. `port` 0 takes a free one.
    `faults` may be texts (`KIND[:PROBABILITY[:TIMES]][@DOMAIN]`). Raises BridgeError when the port or the file
    cannot be used, ConfigError for a fault that does not exist.
    """

    def __init__(
        self,
        app_domain: str = APP_DOMAIN,
        *,
        state: Path | None = None,
        key: Secret | None = None,
        port: int = 0,
        words: ApiTexts | None = None,
        behaviour: SandboxOptions | None = None,
        faults: Iterable[Fault | str] = (),
        seed: int | None = None,
    ) -> None:
        self.store = Store(app_domain, state)
        self.journal = RequestLog(state.with_name(f"{state.name}.requests.jsonl") if state is not None else None)
        self.api = Api(self.store, key, words or ApiTexts())
        self.behaviour = behaviour or SandboxOptions()
        self._lock = threading.Lock()
        self._dice = FaultPicker()
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
                hint="Choose another port, or 0 for any that is free.",
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
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What to set `api_url` to."""
        return f"http://{HOST}:{self.port}{BASE}"

    @property
    def control_url(self) -> str:
        """Where its controls are."""
        return f"http://{HOST}:{self.port}/_sandbox"

    @property
    def aliases(self) -> set[str]:
        """The aliases at present, the own domain among them."""
        return set(self.store.names)

    @aliases.setter
    def aliases(self, names: Iterable[str]) -> None:
        self.store.replace(names)

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, the controls' not among them."""
        return self.journal.read()

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._connections

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that may still strike."""
        with self._lock:
            return self._dice.faults

    def set_faults(self, *faults: Fault | str, seed: int | None = None) -> None:
        """Put other faults in the place of all."""
        parsed = [Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults]
        with self._lock:
            self._dice = FaultPicker(parsed, seed)

    def reset(self) -> None:
        """Forget all aliases but the own domain, all requests and all faults."""
        self.aliases = set()
        self.journal.clear()
        self.set_faults()

    def throw(self, call: Call, domain: str) -> FaultKind | None:
        """Return the fault that a call gets."""
        with self._lock:
            return self._dice.throw(call, domain)

    def thin_out(self, names: list[str]) -> list[str]:
        """Drop a random part of the names."""
        with self._lock:
            return self._dice.sample(names, self.behaviour.shrink)

    def wait(self, seconds: float) -> None:
        """Sleep, unless the sandbox is about to end."""
        if seconds > 0:
            self._closing.wait(seconds)

    def count_connection(self) -> int:
        """Return the number of a new connection."""
        with self._lock:
            self._connections += 1
            return self._connections

    def abandon(self, connection: socket.socket) -> None:
        """Let a connection end without the usual farewell."""
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
        # Not HTTPServer's own: it asks the name service for this machine's name, which can take seconds.
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
        """End all connections and wait, at most so long, for those who serve them."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as in the base class
        error = sys.exc_info()[1]
        # A client may go away at any moment, and is made to by some faults.
        if not isinstance(error, OSError):
            print(f"Warning: The sandbox failed to answer ({type(error).__name__}).", file=sys.stderr)  # noqa: T201
