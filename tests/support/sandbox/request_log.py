"""Log of the requests to the sandbox. It never contains the key, only its position and whether it was valid."""

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
    """One request and its response.

    `call` is `list`, `add`, `remove`, `task` or `other`; `domain` and `wildcard` are as sent; `key_in` is `query`,
    `body`, `both` or empty; `fault` is the name of the fault; `status` is 0 if there was no response; `connection` is
    the number of the connection; `at` is in seconds since the epoch.
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
    """All requests, in memory and optionally in a file of JSON lines. Thread-safe.

    Raises BridgeError if the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._requests: list[RecordedRequest] = []
        if path is not None and path.exists():
            try:
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                # The last line may be truncated after a crash.
                self._requests = [RecordedRequest(**json.loads(line)) for line in lines if line.endswith("\n")]
            except (OSError, ValueError, TypeError):
                raise BridgeError(
                    f'The file "{path}" is not the request log of a sandbox.',
                    code="sandbox-state",
                    hint="Use another state file, or remove this file.",
                ) from None

    def write(self, request: RecordedRequest) -> None:
        """Append a request."""
        with self._lock:
            self._requests.append(request)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(request)) + "\n")

    def read(self, since: int = 0) -> list[RecordedRequest]:
        """Return all requests except the first `since`."""
        with self._lock:
            return self._requests[since:]

    def clear(self) -> None:
        """Delete all requests."""
        with self._lock:
            self._requests.clear()
            if self._path is not None:
                self._path.unlink(missing_ok=True)
