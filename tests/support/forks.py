"""The program in forks of a process that has already loaded it: a quarter of a second faster than a new process.

All else is as in a process of its own: arguments, environment, working directory, streams, signals and exit code. Tests
of the start of the program use a new interpreter.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.support.parts import REPOSITORY
from tests.support.running import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@functools.cache
def server(module: str = "tests.support.fork_server", *environment: tuple[str, str]) -> str:
    """Start a server when it is first needed, with a changed environment, and return the name of its socket."""
    name = f"closte-bridge-tests-{uuid.uuid4().hex}"
    process = subprocess.Popen(
        [sys.executable, "-m", module, name],
        cwd=REPOSITORY,
        env={**os.environ, **dict(environment)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "The server of the program did not start."
    # Closes the server's input, which ends it.
    atexit.register(process.communicate)
    return name


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8") as pipe:
        return pipe.read()


class Fork:
    """A running command; a context manager that kills it if it still runs.

    `stdin` is a descriptor, or a short text; without one, the command has no input. `of` is the server's socket.
    """

    def __init__(
        self,
        *argv: str | bytes,
        env: Mapping[str, str],
        cwd: Path,
        stdin: str | int | None = None,
        of: str | None = None,
    ) -> None:
        self._argv = argv
        self._code: int | None = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.connect(f"\0{of or server()}")
        self._readers = ThreadPoolExecutor(2)
        order = {"argv": [os.fsdecode(word) for word in argv], "env": dict(env), "cwd": str(cwd)}
        with ExitStack() as theirs:
            pipes = [os.pipe(), os.pipe()]
            descriptors = [_input(stdin), *(write for _, write in pipes)]
            for descriptor in descriptors:
                theirs.callback(os.close, descriptor)
            socket.send_fds(self._server, [json.dumps(order).encode()], descriptors)
            self.pid = int(self._server.recv(20))
        self._texts = [self._readers.submit(_read, read) for read, _ in pipes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send_signal(signal.SIGKILL)
        self.poll(LIMIT_SECONDS)
        self._readers.shutdown(wait=False)

    def poll(self, timeout: float = 0.0) -> int | None:
        """Return the exit code if the command has ended, or ends within `timeout` seconds."""
        if self._code is None and select.select([self._server], [], [], timeout)[0]:
            with self._server:
                self._code = os.waitstatus_to_exitcode(int(self._server.recv(20)))
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the command if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def completed(self) -> subprocess.CompletedProcess[str]:
        """Wait until the command has ended and its outputs are closed."""
        code = self.poll(LIMIT_SECONDS)
        assert code is not None, "The command does not end."
        out, err = (text.result(timeout=LIMIT_SECONDS) for text in self._texts)
        return subprocess.CompletedProcess(self._argv, code, out, err)


def _input(stdin: str | int | None) -> int:
    """Return a new descriptor for the input of a command."""
    if stdin is None:
        return os.open(os.devnull, os.O_RDONLY)
    if isinstance(stdin, int):
        return os.dup(stdin)
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        pipe.write(stdin)
    return read


def run(
    *argv: str | bytes, env: Mapping[str, str], cwd: Path, stdin: str | int | None = None, of: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with Fork(*argv, env=env, cwd=cwd, stdin=stdin, of=of) as process:
        return process.completed()
