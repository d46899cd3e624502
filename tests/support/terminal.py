"""Runs of the program in a terminal of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from typing import TYPE_CHECKING

from tests.support.running import LIMIT_SECONDS, wait_until

if TYPE_CHECKING:
    from tests.support.bridge import Bridge


class Terminal:
    """Run of the program in a terminal, with its recorded output. `env` are more variables."""

    def __init__(self, bridge: Bridge, *argv: str, columns: int = 100, **env: str) -> None:
        self.raw = ""
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
        self._process = subprocess.Popen(
            bridge.argv(*argv),
            stdin=follower,
            stdout=follower,
            stderr=follower,
            cwd=bridge.folder,
            env=bridge.environment(TERM="xterm-256color", COLUMNS=str(columns), **env),
        )
        os.close(follower)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Reading from a terminal raises an error when its last program has ended.
        with contextlib.suppress(OSError):
            while data := os.read(self._leader, 4096):
                self.raw += data.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """The recorded output, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)

    def wait_for(self, text: str) -> None:
        """Wait until the output contains the text."""
        wait_until(lambda: text in self.text or self._process.poll() is not None)
        assert text in self.text, self.text

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._leader, f"{text}\n".encode())

    def answer(self, question: str, text: str) -> None:
        """Wait for a question and answer it."""
        self.wait_for(question)
        self.type(text)

    def interrupt(self) -> None:
        """Interrupt the program as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        """Wait for the end of the run, and return the exit code."""
        code = self._process.wait(timeout=LIMIT_SECONDS)
        self._reader.join(timeout=LIMIT_SECONDS)
        return code

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=LIMIT_SECONDS)
        os.close(self._leader)
