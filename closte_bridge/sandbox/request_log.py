"""Which requests the stand-in was sent. Never the key: only whether it was right, and where it stood."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it came, and what it was answered.

    `call` is `list`, `add`, `remove`, `task` or `other`; `domain` and `wildcard` are as sent; `key_in` is
    `query`, `body`, `both` or empty; `fault` names the fault it got; `status` is 0 when there was no answer;
    `connection` numbers the connections; `at` is in seconds since 1970.
    """

    call: str
    domain: str
    wildcard: str
    key_in: str
    key_ok: bool
    fault: str
    status: int
    connection: int
    at: float


class RequestLog:
    """All requests, also in a file of JSON lines when one is named. Thread-safe.

    Raises BridgeError when the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._requests: list[RecordedRequest] = []
        if path is not None and path.exists():
            try:
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                # A kill may have cut the last line.
                self._requests = [RecordedRequest(**json.loads(line)) for line in lines if line.endswith("\n")]
            except (OSError, ValueError, TypeError):
                raise BridgeError(
                    f'The file "{path}" does not hold the requests of a sandbox.',
                    code="sandbox-state",
                    hint="Name another state file, or remove this one.",
                ) from None

    def write(self, request: RecordedRequest) -> None:
        """Append a request."""
        with self._lock:
            self._requests.append(request)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(request)) + "\n")

    def read(self, since: int = 0) -> list[RecordedRequest]:
        """Return all requests but the first `since`."""
        with self._lock:
            return self._requests[since:]

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._requests.clear()
            if self._path is not None:
                self._path.unlink(missing_ok=True)
