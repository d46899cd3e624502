"""The server of the sandbox with faults."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from closte_bridge.sandbox import server
from closte_bridge.sandbox.server import APP_DOMAIN
from tests.support.sandbox.api import Api, ApiTexts
from tests.support.sandbox.faults import Fault, FaultKind, FaultPicker
from tests.support.sandbox.handler import Handler
from tests.support.sandbox.request_log import RecordedRequest, RequestLog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from closte_bridge.sandbox.api import Call
    from closte_bridge.secret import Secret

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


class Server(server.Server):
    """The HTTP server. Can reset a connection, and waits for its connections at the end."""

    def __init__(self, address: tuple[str, int], handler: type[server.Handler]) -> None:
        self.abandoned: set[socket.socket] = set()
        self.open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        with self._changed:
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        if request in self.abandoned:
            self.abandoned.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)
        with self._changed:
            self.open.discard(request)
            self._changed.notify_all()

    def close_connections(self, seconds: float) -> None:
        """Close all connections and wait at most `seconds` for their threads."""
        with self._changed:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self.open, seconds)


class Sandbox(server.Sandbox):
    """A sandbox with faults. A context manager, which serves inside the `with` block.

    `state`, `key` and `port` are as in the base class; a second file (`.requests.jsonl`) keeps the requests. `faults`
    may be texts (`KIND[:PROBABILITY[:TIMES]][@DOMAIN]`). Raises ConfigError for an invalid fault.
    """

    handler = Handler
    server = Server
    api: Api

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
        super().__init__(app_domain, state=state, key=key, port=port)
        self.request_log = RequestLog(state.with_name(f"{state.name}.requests.jsonl") if state is not None else None)
        self.api = Api(self.store, key, texts or ApiTexts())
        self.behaviour = behaviour or SandboxOptions()
        self._lock = threading.Lock()
        self._picker = FaultPicker()
        self.set_faults(*faults, seed=seed)
        self._closing = threading.Event()
        self._connections = 0

    def __exit__(self, *failure: object) -> None:
        self._closing.set()
        super().__exit__(*failure)
        self.http.close_connections(_CLOSING)

    @property
    def http(self) -> Server:
        """The HTTP server."""
        return cast("Server", self._server)

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in their order."""
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
        self.http.abandoned.add(connection)
