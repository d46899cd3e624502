"""One connection to the sandbox: answers with faults, and notes requests."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import TYPE_CHECKING, ClassVar

from closte_bridge.sandbox import server
from closte_bridge.sandbox.api import failure
from tests.support.sandbox.faults import FaultKind
from tests.support.sandbox.request_log import RecordedRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.sandbox.api import Call, Document
    from tests.support.sandbox.server import Sandbox

_HTML = b"<!doctype html><title>Oops</title><p>Something else answered."
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Handler(server.Handler):
    """Serves one connection, with the faults of its sandbox."""

    sandbox: ClassVar[Sandbox]

    def setup(self) -> None:
        """Number the connection."""
        super().setup()
        self._connection_number = self.sandbox.count_connection()

    def serve_unknown(self, query: dict[str, str], form: dict[str, str]) -> None:
        """Answer an unknown call."""
        self._note("other", query, form, None, status=404, known=False)
        self.answer(404, _HTML, kind="text/html")

    def serve_call(self, call: Call, query: dict[str, str], form: dict[str, str]) -> None:
        """Answer a call, with a fault if one is due."""
        sandbox = self.sandbox
        fields = query if call == "list" else form
        fault = sandbox.pick(call, fields.get("domain", "").lower())
        pause = sandbox.behaviour.latency + (sandbox.behaviour.slow if fault is FaultKind.SLOW else 0)
        sandbox.wait(pause)
        known = sandbox.api.accepts(fields.get("apikey", ""))
        instead = self._instead_of_work(fault)
        if instead is not None:
            status, answer = instead
            self._note(call, query, form, fault, status=status, known=known)
            answer()
            return
        status, document = 200, self._work(call, fields, fault) if known else None
        if document is None:
            status, document = sandbox.api.texts.wrong_key_status, failure(sandbox.api.texts.wrong_key)
        self._note(call, query, form, fault, status=0 if fault is FaultKind.LOST else status, known=known)
        self._after_work(fault, status, json.dumps(document).encode())

    def _work(self, call: Call, fields: dict[str, str], fault: FaultKind | None) -> Document:
        sandbox = self.sandbox
        if call == "list":
            return sandbox.api.listing(fault, sandbox.thin_out)
        return sandbox.api.respond(call, fields)

    def _instead_of_work(self, fault: FaultKind | None) -> tuple[int, Callable[[], None]] | None:
        """Return the status and the sender of a response without any change."""
        unknown = failure(self.sandbox.api.texts.unknown)
        later = {"Retry-After": self.sandbox.behaviour.retry_after}
        elsewhere = {"Location": f"{self.sandbox.url}/elsewhere"}
        senders: dict[FaultKind, tuple[int, Callable[[], None]]] = {
            FaultKind.ERROR_500: (500, lambda: self.answer(500, _HTML, kind="text/html")),
            FaultKind.TOO_MANY: (429, lambda: self.answer(429, failure("Too many requests."), later)),
            FaultKind.UNAVAILABLE: (503, lambda: self.answer(503, _HTML, kind="text/html")),
            FaultKind.RESET: (0, self._reset),
            FaultKind.GARBAGE: (200, lambda: self.answer(200, _HTML, kind="text/html")),
            FaultKind.EMPTY: (200, lambda: self.answer(200, b"")),
            FaultKind.REDIRECT: (302, lambda: self.answer(302, b"", elsewhere)),
            FaultKind.UNKNOWN_ERROR: (200, lambda: self.answer(200, unknown)),
            FaultKind.LIST_HIDDEN: (200, lambda: self.answer(200, unknown)),
            FaultKind.HUGE: (200, self._huge),
        }
        return senders.get(fault) if fault is not None else None

    def _after_work(self, fault: FaultKind | None, status: int, body: bytes) -> None:
        if fault is FaultKind.LOST:
            self._reset()
        elif fault is FaultKind.TRUNCATED:
            self.send_head(status, len(body), "application/json", {})
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault is FaultKind.DRIP:
            self.send_head(status, len(body), "application/json", {})
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                self.sandbox.wait(self.sandbox.behaviour.drip)
        else:
            self.answer(status, body)

    def _huge(self) -> None:
        size = self.sandbox.behaviour.huge
        start = b'{"success": true, "domains": ["'
        self.send_head(200, size, "application/json", {})
        self.wfile.write(start)
        left, block = size - len(start), b"x" * 65536
        while left > 0:
            left -= self.wfile.write(block[:left])

    def _reset(self) -> None:
        """Reset the connection instead of a response."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sandbox.abandon(self.connection)
        self.close_connection = True

    def _note(
        self,
        call: str,
        query: dict[str, str],
        form: dict[str, str],
        fault: FaultKind | None,
        *,
        status: int,
        known: bool,
    ) -> None:
        places = [name for name, fields in (("query", query), ("body", form)) if "apikey" in fields]
        fields = {**query, **form}
        self.sandbox.request_log.write(
            RecordedRequest(
                call=call,
                domain=fields.get("domain", ""),
                wildcard=fields.get("wildcard", ""),
                key_in="both" if places[1:] else "".join(places),
                key_ok=known,
                fault=fault.value if fault is not None else "",
                status=status,
                connection=self._connection_number,
                at=time.time(),
            )
        )
