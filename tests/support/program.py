"""The program as a separate process, and its output."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """Exit code and streams of a call, for comparison as a whole."""

    code: int
    out: str
    err: str


Run = Callable[..., Answer]
"""Runs the program with the arguments; more environment can be given by name."""


def runner(folder: Path, environ: Mapping[str, str], *start: str) -> Run:
    """Return a function that runs Python with `start` and more arguments in a folder."""

    def call(*argv: str | bytes, **more: str) -> Answer:
        done = subprocess.run(
            [sys.executable, *start, *argv],
            cwd=folder,
            env={**environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
