"""Run a command of the config (`on_problem`, `on_domain`) with a JSON document on standard input."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import BridgeError
from closte_bridge.wordpress.process import close_pipes, end, environment_of_children

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMEOUT = 30.0


def run_user_command(key: str, argv: Sequence[str], document: Mapping[str, Any]) -> None:
    """Run the command `argv` of the config key `key` with `document` as JSON on standard input, for at most 30 seconds.

    Raises BridgeError if it cannot be started, takes too long or exits with another code than 0.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment_of_children(),
        )
    except OSError as error:
        raise _failed(key, f"could not be started ({error.strerror})") from None
    try:
        process.communicate(json.dumps(document).encode(), timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        end(process)
        close_pipes(process)
        raise _failed(key, f"timed out after {_TIMEOUT:.0f} s") from None
    if process.returncode != 0:
        raise _failed(key, f"exited with code {process.returncode}")


def _failed(key: str, what: str) -> BridgeError:
    return BridgeError(
        f"The `{key}` command {what}.",
        code=key.replace("_", "-"),
        hint="Run it manually with a JSON object on standard input to debug it.",
    )
