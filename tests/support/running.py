"""Helpers for scripts, terminals, direct calls of `wp`, and waiting."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from closte_bridge.config.model import WpSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.wordpress import Multisite

LIMIT_SECONDS = 120
"""After so long a wait has failed."""


def write_script(path: Path, text: str) -> Path:
    """Write an executable shell script and return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait until `ready` returns true, which must happen; if it takes too long, the test fails."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not ready():
        assert time.monotonic() < deadline, "It never happened."
        time.sleep(0.02)


@contextmanager
def typed(answer: str) -> Iterator[int]:
    """Yield the descriptor of a terminal at which `answer` is typed."""
    leader, follower = pty.openpty()
    try:
        os.write(leader, answer.encode())
        yield follower
    finally:
        os.close(leader)
        os.close(follower)


def type_line(line: str, *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Type a command line in a shell, and answer each question with yes. The result has both streams as stdout."""
    with typed("y\n" * 5) as terminal:
        return subprocess.run(
            ["/bin/sh", "-c", line],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=cwd,
            env=env,
            timeout=LIMIT_SECONDS,
        )


def wp_settings(
    multisite: Multisite,
    env: Mapping[str, str] | None = None,
    **changes: Any,  # noqa: ANN401 - any field of the settings
) -> WpSettings:
    """Return settings for the network, with an environment that isolates `wp` from everything else."""
    names = ["env", "-i", *(f"{name}={value}" for name, value in (env or multisite.env).items())]
    return WpSettings(
        **{
            "command": (*names, *multisite.wp_command),
            "path": str(multisite.path),
            "allow_root": os.geteuid() == 0,
            "timeout": float(LIMIT_SECONDS),
            **changes,
        }
    )
