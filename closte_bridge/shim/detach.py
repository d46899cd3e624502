"""Find a method that starts a program in the background on this machine.

The shim uses it to start closte-bridge. BusyBox's `setsid` has no `--fork`: it starts nothing, and its error message
goes nowhere. So a method counts only if the started program created a file.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

_SHELL = "/bin/sh"
# A slow machine takes a second to start a program.
PATIENCE = 5.0
_POLL = 0.02
# It creates the file and runs until the file is deleted. A method that waits for the program therefore times out.
_PROBE = ': >"$1"; n=0; while [ -e "$1" ] && [ "$n" -lt 30 ]; do n=$((n + 1)); sleep 1; done'


def ways() -> list[list[str]]:
    """Return prefixes of a command line that start it in the background, the best first.

    A shell gets the command line as arguments, never as text.
    """
    background = '"$@" </dev/null >/dev/null 2>&1 &'
    setsid = shutil.which("setsid")
    found = [[setsid, "--fork"], [_SHELL, "-c", background, "sh", setsid]] if setsid else []
    return [*found, [_SHELL, "-c", f'trap "" HUP; {background}', "sh"]]


def same_way(way: list[str], other: list[str]) -> bool:
    """Return whether two methods are the same. A program may have several paths."""
    return [*map(_resolved, way)] == [*map(_resolved, other)]


def _resolved(word: str) -> str:
    return str(Path(word).resolve()) if word.startswith("/") else word


def works(way: list[str], patience: float = PATIENCE) -> bool:
    """Start a small program with this method; return whether it started and whether the method did not wait for it."""
    until = time.monotonic() + patience
    with tempfile.TemporaryDirectory(prefix="closte-bridge-") as folder:
        created = Path(folder, "started")
        try:
            done = subprocess.run(
                [*way, _SHELL, "-c", _PROBE, "sh", str(created)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                cwd="/",
                timeout=patience,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        while not created.exists() and done.returncode == 0 and time.monotonic() < until:
            time.sleep(_POLL)
        return created.exists()


def find_way() -> list[str] | None:
    """Return the first method that works on this machine, or None."""
    return next((way for way in ways() if works(way)), None)
