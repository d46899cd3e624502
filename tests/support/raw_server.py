"""A server on this machine that answers with raw bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def raw_server(serve: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Serve connections one by one: `serve` gets each with its first bytes from the client. Yields the API's URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    with connection:
                        serve(connection, connection.recv(65536))
                except OSError:
                    continue  # The client has disconnected, as expected.

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
