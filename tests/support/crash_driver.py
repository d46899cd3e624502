"""Run commands of the program in forked children that die at a chosen point, as if they were killed.

    python -m tests.support.crash_driver

The input is one JSON line per command: `{"argv": […], "die_at": n or null, "die_on": "name of a point" or null,
"env": {…}, "break": "module:Class.method" or null, "words": …}`. The function named by `break` raises an exception with
the text `words`. The output is one JSON line per command: `{"status": …, "points": […], "stdout": …, "stderr": …}`.
`points` lists the points that the command reached:

- `write`: right before a statement that changes the ledger, as SQLite reports it (one for each row);
- `before commit`, `after commit` of the ledger;
- `before request`, `after request` to Closte;
- `before start`, `after start`: the program starts a `wp` process;
- `before wp`, `after wp`: the program waits for the answer of `wp`;
- `before file`, `after file`: the program opens a file for writing, flushes, renames or removes it, or sets its mode or
  length;
- `before pause`: `watch` has nothing to do.

A child that dies ends with status 137, without flushing, closing or cleaning up.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sqlite3
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NoReturn

# Import all modules that a command may import, before the first fork.
import closte_bridge.cli.commands.adopt
import closte_bridge.cli.commands.apply
import closte_bridge.cli.commands.domain
import closte_bridge.cli.commands.integration
import closte_bridge.cli.commands.plan
import closte_bridge.cli.commands.sync
import closte_bridge.cli.commands.watch
import closte_bridge.closte.client
import closte_bridge.config.schema
import closte_bridge.engine.adopt
import closte_bridge.engine.metrics
import closte_bridge.engine.pins
import closte_bridge.engine.records
import closte_bridge.engine.run
import closte_bridge.engine.verify
from closte_bridge.cli.main import run
from closte_bridge.closte.transport import Transport
from closte_bridge.domains import registered_domain
from closte_bridge.engine.loop import Waiter
from closte_bridge.ledger.store import Ledger
from closte_bridge.wordpress.wp import WpCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIED = 137
_OF_FILES = ("fsync", "replace", "rename", "unlink", "ftruncate", "fchmod", "pwrite", "utime", "mkdir")
_CHANGES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|PRAGMA user_version =)", re.IGNORECASE)


class Points:
    """Counter of the points of one run, which ends the process at one of them."""

    def __init__(self, die_at: int | None, die_on: str | None, report: IO[str]) -> None:
        self._die_at = die_at
        self._die_on = die_on
        self._write = os.write
        self._report = report
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, name: str) -> None:
        """Count a point, and end the process if it is the chosen one."""
        with self._lock:
            self._count += 1
            self._write(self._report.fileno(), f"{name}\n".encode())
            if self._count == self._die_at or name == self._die_on:
                os._exit(DIED)

    def around(self, work: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return `work` with a point before it and one after it."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
            self(f"before {name}")
            result = work(*args, **kwargs)
            self(f"after {name}")
            return result

        return wrapped

    def install(self) -> None:
        """Add the points to this process."""
        transaction = Ledger.transaction

        @contextmanager
        def with_points(*args: Any, **options: Any) -> Iterator[None]:  # noqa: ANN401 - passed on
            with transaction(*args, **options):
                yield
                self("before commit")
            self("after commit")

        setattr(Ledger, "transaction", with_points)  # noqa: B010 - hidden from type checkers
        setattr(Transport, "_send", self.around(getattr(Transport, "_send"), "request"))  # noqa: B009, B010 - the same
        setattr(WpCall, "result", self.around(WpCall.result, "wp"))  # noqa: B010 - the same
        setattr(WpCall, "start", self.around(WpCall.start, "start"))  # noqa: B010 - the same
        setattr(Waiter, "pause", self.around(Waiter.pause, "pause"))  # noqa: B010 - the same
        self._watch_files()
        self._watch_statements()

    def _watch_files(self) -> None:
        for name in _OF_FILES:
            setattr(os, name, self.around(getattr(os, name), "file"))
        opened = os.open
        with_points = self.around(opened, "file")

        def open_(path: Any, flags: int, *rest: Any, **more: Any) -> int:  # noqa: ANN401 - passed on
            changes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != os.devnull
            return int((with_points if changes else opened)(path, flags, *rest, **more))

        setattr(os, "open", open_)  # noqa: B010 - hidden from type checkers

    def _watch_statements(self) -> None:
        connect = sqlite3.connect

        def traced(*args: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - passed on
            connection: sqlite3.Connection = connect(*args, **options)
            connection.set_trace_callback(lambda statement: self("write") if _CHANGES.match(statement) else None)
            return connection

        setattr(sqlite3, "connect", traced)  # noqa: B010 - hidden from type checkers


def break_down(what: str, words: str) -> None:
    """Make a function fail with an unexpected exception."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(words)

    module, _, path = what.partition(":")
    *holders, name = path.split(".")
    holder: Any = import_module(module)
    for part in holders:
        holder = getattr(holder, part)
    setattr(holder, name, fail)


def child(order: dict[str, Any], out: IO[str], err: IO[str], report: IO[str]) -> NoReturn:
    """Run one command and end the process."""
    os.environ.clear()
    os.environ.update(order["env"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, descriptor in ((0, nothing), (1, out.fileno()), (2, err.fileno())):
        os.dup2(descriptor, target)
    Points(order["die_at"], order["die_on"], report).install()
    if order["break"]:
        break_down(order["break"], order["words"])
    status = 70
    try:
        status = run(order["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def adopt_orphans() -> None:
    """Become the parent of the processes that a killed command leaves (`PR_SET_CHILD_SUBREAPER` of prctl(2))."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def await_orphans() -> None:
    """Wait for them: a `wp` that still writes would change the state that the test restores next."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def serve(order: dict[str, Any]) -> dict[str, Any]:
    """Run one command in a child and return how it ended."""
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.TemporaryFile("w+") as report,
    ):
        pid = os.fork()
        if not pid:
            child(order, out, err, report)
        _, status = os.waitpid(pid, 0)
        await_orphans()
        for file in (out, err, report):
            file.seek(0)
        return {
            "status": os.waitstatus_to_exitcode(status),
            "points": report.read().splitlines(),
            "stdout": out.read(),
            "stderr": err.read(),
        }


def main() -> None:
    """Serve orders until the input ends."""
    # This only saves time: load the public suffixes once, and shorten the wait between retries.
    registered_domain("example.com")
    setattr(closte_bridge.closte.client, "_FIRST_WAIT", 0.001)  # noqa: B010 - a type checker need not follow this
    gc.freeze()
    adopt_orphans()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
