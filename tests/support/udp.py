"""A UDP server whose answers a test defines."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from closte_bridge.checks.wire import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable


class Server:
    """UDP server as a context manager. It answers each query with all packets that `script` returns for it."""

    def __init__(self) -> None:
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind(("127.0.53.30", 0))
        self._line.settimeout(0.05)
        self.endpoint = Endpoint(*self._line.getsockname())
        self.questions: list[bytes] = []
        self.script: Callable[[bytes], list[bytes]] = lambda _: []
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()
        self._line.close()

    def _run(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                query, client = self._line.recvfrom(2000)
                self.questions.append(query)
                for packet in self.script(query):
                    self._line.sendto(packet, client)
