"""Run commands of the program in forks of this process, which has already loaded it.

    python -m tests.support.fork_server NAME

A client connects to the abstract socket NAME and sends `{"argv": […], "env": {…}, "cwd": "…"}` with the descriptors of
stdin, stdout and stderr. It receives the process ID, and later the wait status, each as one message. A command starts
and ends as `python -m closte_bridge` does. The server ends with its own stdin.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import selectors
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import closte_bridge
import closte_bridge.__main__
from closte_bridge.domains import registered_domain

# Bytes of an order; the system's limit for a message is higher.
LONGEST = 1 << 17
# Libraries that functions of the program import.
_LATER = (
    *("cryptography.x509", "csv", "difflib", "idna", "publicsuffixlist"),
    *("rich.console", "rich.live", "rich.table", "tabulate", "yaml"),
)


def load() -> None:
    """Load all that a command may load, which takes most of the time of a short command."""
    for module in pkgutil.walk_packages(closte_bridge.__path__, "closte_bridge."):
        import_module(module.name)
    for name in _LATER:
        import_module(name)
    registered_domain("example.com")
    gc.freeze()


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv[1:] = order["argv"]


class _Server:
    """The listening socket and the running commands."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._ready = selectors.DefaultSelector()
        self._ready.register(listener, selectors.EVENT_READ)
        self._ready.register(sys.stdin.fileno(), selectors.EVENT_READ)

    def serve(self) -> bool:
        """Serve until the input ends and return false; in a fork, return true."""
        while True:
            for key, _ in self._ready.select():
                if key.fileobj is self._listener:
                    if self._start():
                        return True
                elif key.data is None:
                    return False
                else:
                    self._finish(key)

    def _start(self) -> bool:
        client, _ = self._listener.accept()
        data, descriptors, _, _ = socket.recv_fds(client, LONGEST, 3)
        order: dict[str, Any] = json.loads(data)
        pid = os.fork()
        if not pid:
            self._ready.close()
            self._listener.close()
            client.close()
            _become(order, descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        client.send(b"%d" % pid)
        self._ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, client))
        return False

    def _finish(self, key: selectors.SelectorKey) -> None:
        pid, client = key.data
        self._ready.unregister(key.fileobj)
        os.close(key.fd)
        _, status = os.waitpid(pid, 0)
        with client, suppress(BrokenPipeError):
            client.send(b"%d" % status)


def is_fork(name: str) -> bool:
    """Serve on the socket `name` until the input ends and return false; in a fork that should run, return true."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        return _Server(listener).serve()


def end(status: int) -> NoReturn:
    """End this process as the interpreter does, but leave out the destruction of all modules, which only takes time."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            status = 120
    os._exit(status)


def main() -> int:
    """Serve until the input ends; in a fork, run the command and end the process."""
    load()
    if not is_fork(sys.argv[1]):
        return 0
    sys.argv[0] = str(closte_bridge.__main__.__file__)
    return end(closte_bridge.__main__.main())


if __name__ == "__main__":
    sys.exit(main())
