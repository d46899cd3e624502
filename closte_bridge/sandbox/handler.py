"""One connection to the sandbox: reads requests, and responds with or without a fault."""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

from closte_bridge.errors import BridgeError
from closte_bridge.sandbox.api import CALLS, failure
from closte_bridge.sandbox.faults import Call, Fault, FaultKind
from closte_bridge.sandbox.request_log import RecordedRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.sandbox.api import Document
    from closte_bridge.sandbox.server import Sandbox

_LARGEST_BODY = 32 * 1024 * 1024
_HTML = b"<!doctype html><title>Oops</title><p>Something else answered."
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """Serves one connection. `sandbox` is set by a subclass made for each server."""

    sandbox: ClassVar[Sandbox]
    protocol_version = "HTTP/1.1"
    server_version = "closte-bridge-sandbox"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def setup(self) -> None:
        """Number the connection."""
        super().setup()
        self._connection_number = self.sandbox.count_connection()

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._serve()

    def do_PUT(self) -> None:
        """Answer a PUT request."""
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the request line may hold a key."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdecimal() else _LARGEST_BODY + 1
        if size > _LARGEST_BODY:
            self.close_connection = True
            self._answer(413, failure("The request is too large."))
            return
        body = self.rfile.read(size)
        if parts.path.startswith("/_sandbox/"):
            self._control(parts.path.removeprefix("/_sandbox/"), parts.query, body)
            return
        query = _fields(parts.query)
        form = _fields(body.decode("utf-8", "replace")) if self._is_form() else {}
        call = CALLS.get((self.command, parts.path))
        if call is None:
            self._note("other", query, form, None, status=404, known=False)
            self._answer(404, _HTML, kind="text/html")
            return
        self._call(call, query, form)

    def _is_form(self) -> bool:
        return self.headers.get_content_type() == "application/x-www-form-urlencoded"

    def _call(self, call: Call, query: dict[str, str], form: dict[str, str]) -> None:
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
        if call == "task":
            return {"success": True, "task": {"id": fields.get("id", ""), "status": "completed"}}
        return sandbox.api.change(call, fields.get("domain", ""), fields.get("wildcard", ""))

    def _instead_of_work(self, fault: FaultKind | None) -> tuple[int, Callable[[], None]] | None:
        """Return the status and the sender of a response without any change."""
        unknown = failure(self.sandbox.api.texts.unknown)
        later = {"Retry-After": self.sandbox.behaviour.retry_after}
        elsewhere = {"Location": f"{self.sandbox.url}/elsewhere"}
        senders: dict[FaultKind, tuple[int, Callable[[], None]]] = {
            FaultKind.ERROR_500: (500, lambda: self._answer(500, _HTML, kind="text/html")),
            FaultKind.TOO_MANY: (429, lambda: self._answer(429, failure("Too many requests."), later)),
            FaultKind.UNAVAILABLE: (503, lambda: self._answer(503, _HTML, kind="text/html")),
            FaultKind.RESET: (0, self._reset),
            FaultKind.GARBAGE: (200, lambda: self._answer(200, _HTML, kind="text/html")),
            FaultKind.EMPTY: (200, lambda: self._answer(200, b"")),
            FaultKind.REDIRECT: (302, lambda: self._answer(302, b"", elsewhere)),
            FaultKind.UNKNOWN_ERROR: (200, lambda: self._answer(200, unknown)),
            FaultKind.LIST_HIDDEN: (200, lambda: self._answer(200, unknown)),
            FaultKind.HUGE: (200, self._huge),
        }
        return senders.get(fault) if fault is not None else None

    def _after_work(self, fault: FaultKind | None, status: int, body: bytes) -> None:
        if fault is FaultKind.LOST:
            self._reset()
        elif fault is FaultKind.TRUNCATED:
            self._head(status, len(body), "application/json", {})
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault is FaultKind.DRIP:
            self._head(status, len(body), "application/json", {})
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                self.sandbox.wait(self.sandbox.behaviour.drip)
        else:
            self._answer(status, body)

    def _answer(
        self, status: int, body: Document | bytes, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(status, len(raw), kind, headers or {})
        self.wfile.write(raw)

    def _head(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _huge(self) -> None:
        size = self.sandbox.behaviour.huge
        start = b'{"success": true, "domains": ["'
        self._head(200, size, "application/json", {})
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

    def _control(self, what: str, query: str, body: bytes) -> None:
        """Answer a request that controls the sandbox."""
        if "Origin" in self.headers:
            self._answer(403, failure("Requests from web pages are not allowed."))
            return
        try:
            document = json.loads(body) if body else {}
            answer = self._controlled(f"{self.command} {what}", query, document)
        except BridgeError as error:
            self._answer(400, failure(error.message))
        except (ValueError, TypeError, KeyError, AttributeError):
            self._answer(400, failure("Invalid control request."))
        else:
            self._answer(200 if answer is not None else 404, answer or failure("Unknown control endpoint."))

    def _controlled(self, order: str, query: str, document: Document) -> Document | None:
        sandbox = self.sandbox
        match order:
            case "PUT faults":
                faults, seed = document["faults"], document.get("seed")
                if not isinstance(faults, list) or not isinstance(seed, int | None):
                    raise TypeError
                sandbox.set_faults(*(Fault.parse(text) for text in faults), seed=seed)
            case "PUT aliases":
                names = document["aliases"]
                if not isinstance(names, list):
                    raise TypeError
                sandbox.aliases = set(map(str, names))
            case "GET requests":
                since = int(_fields(query).get("since", "0"))
                requests = sandbox.request_log.read()
                return {
                    "success": True,
                    "count": len(requests),
                    "requests": [asdict(request) for request in requests[since:]],
                }
            case "POST reset":
                sandbox.reset()
            case "GET faults" | "GET aliases":
                pass
            case _:
                return None
        return {"success": True, "faults": [str(f) for f in sandbox.faults], "aliases": sandbox.store.names}


def _fields(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
