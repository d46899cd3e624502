"""Test that closte-bridge starts in the shim's restricted environment."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from closte_bridge.shim.files import environment, program

if TYPE_CHECKING:
    from collections.abc import Mapping

# A slow machine takes a second to start it.
PATIENCE = 10.0


def probe(environ: Mapping[str, str], patience: float = PATIENCE) -> str:
    """Run this program with `--version` in the environment that `shim install` keeps; return a clause if it fails.

    No data from WordPress becomes a command or a variable, because anyone who can write the shim's configuration could
    set any command there. No shell is used.
    """
    argv = program()
    try:
        done = subprocess.run(
            [*argv, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            env=environment(environ),
            cwd="/",
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return f'"{argv[0]}" timed out after {patience:.0f} s'
    except OSError as error:
        return f'"{argv[0]}" could not be started ({error.strerror})'
    if done.returncode or not done.stdout.startswith(b"closte-bridge"):
        return f'"{argv[0]}" exited with code {done.returncode} without printing its version'
    return ""
