"""Find a way to start a program and leave it alone that really works on this machine.

The shim starts the engine so. `setsid` of BusyBox knows no `--fork`, says so to nobody and starts nothing: only a sign
of the started program proves a way.
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
_GLANCE = 0.02
# It leaves its sign, and stays until that is taken away: whoever waits for it has not left it alone.
_SIGN = ': >"$1"; n=0; while [ -e "$1" ] && [ "$n" -lt 30 ]; do n=$((n + 1)); sleep 1; done'


def ways() -> list[list[str]]:
    """Return what can stand before a command line so that it is started in the background, the best first.

    The command line is handed to a shell as arguments, never as text.
    """
    background = '"$@" </dev/null >/dev/null 2>&1 &'
    setsid = shutil.which("setsid")
    found = [[setsid, "--fork"], [_SHELL, "-c", background, "sh", setsid]] if setsid else []
    return [*found, [_SHELL, "-c", f'trap "" HUP; {background}', "sh"]]


def same_way(way: list[str], other: object) -> bool:
    """Return whether two ways are the same; a program may have several paths."""
    if not isinstance(other, list) or not all(isinstance(word, str) for word in other):
        return False
    return [*map(_resolved, way)] == [*map(_resolved, other)]


def _resolved(word: str) -> str:
    return str(Path(word).resolve()) if word.startswith("/") else word


def works(way: list[str], patience: float = PATIENCE) -> bool:
    """Start a small program in this way; return whether it left its sign, and whether nobody waited for it."""
    until = time.monotonic() + patience
    with tempfile.TemporaryDirectory(prefix="closte-bridge-") as folder:
        sign = Path(folder, "sign")
        try:
            done = subprocess.run(
                [*way, _SHELL, "-c", _SIGN, "sh", str(sign)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                cwd="/",
                timeout=patience,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        while not sign.exists() and done.returncode == 0 and time.monotonic() < until:
            time.sleep(_GLANCE)
        return sign.exists()


def find_way() -> list[str] | None:
    """Return the first way that works here, or None."""
    return next((way for way in ways() if works(way)), None)
