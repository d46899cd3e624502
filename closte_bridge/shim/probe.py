"""Try this program as the shim would start it: it can work for whoever types it, and not by itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from closte_bridge.shim.files import environment, program

if TYPE_CHECKING:
    from collections.abc import Mapping

# A slow machine takes a second to start it.
PATIENCE = 10.0


def probe(environ: Mapping[str, str], patience: float = PATIENCE) -> str:
    """Start this program with `--version`, in what `shim install` would keep of `environ`; return what is wrong with
    it, or nothing.

    Nothing of what WordPress answered is started, or stands in the environment: whoever can write the shim's
    configuration could name any command there. There is no shell.
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
        return f'"{argv[0]}" does not end within {patience:.0f} seconds'
    except OSError as error:
        return f'"{argv[0]}" could not be started ({error.strerror})'
    if done.returncode or not done.stdout.startswith(b"closte-bridge"):
        return f'"{argv[0]}" ended with {done.returncode}, and did not say its version'
    return ""
