"""Try the engine that the shim would start: a program can be there, and not work."""

from __future__ import annotations

import os
import subprocess
from typing import Any

# A slow machine takes a second to start it.
PATIENCE = 10.0


def probe(config: dict[str, Any], patience: float = PATIENCE) -> str:
    """Start the program that `shim install` fixed with `--version`; return what is wrong with it, or nothing.

    The program and its environment are the operator's own, as they are in the shim's configuration; there is no shell.
    What cannot be executed at all is not told here: the shim sees that for itself.
    """
    argv = config.get("engine")
    if not isinstance(argv, list) or not argv or not os.access(str(argv[0]), os.X_OK):
        return ""
    environment = config.get("environment")
    known = {str(k): str(v) for k, v in environment.items()} if isinstance(environment, dict) else {}
    program = [str(word) for word in argv if not str(word).startswith("--")]
    try:
        done = subprocess.run(
            [*program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            env=known,
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
