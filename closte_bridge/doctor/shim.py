"""What can be wrong with the must-use plugin that wakes this engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.doctor.model import Finding, ok, warning
from closte_bridge.engine.triggered import last_run
from closte_bridge.errors import BridgeError
from closte_bridge.shim.manage import status
from closte_bridge.shim.problems import installed_state, of_installation, of_starting, of_triggering

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

_INSTALL = "Run `closte-bridge shim install`; `closte-bridge shim status` shows more."


def of_shim(engine: Engine) -> Finding:
    """Return whether the shim is there, loaded, and knows of this engine."""
    try:
        found = status(engine)
    except BridgeError as failure:
        return warning("shim", failure.message, failure.hint)
    if installed_state(found) == "no":
        return warning("shim", "The shim is not installed: what changes in WordPress is found by looking.", _INSTALL)
    folder = engine.settings.state_dir
    problems = [*of_installation(found), *of_starting(found), *of_triggering(folder, last_run(folder))]
    if problems:
        messages = " ".join(problem.message for problem in problems)
        return warning("shim", messages, f"{problems[0].hint} `closte-bridge shim status` shows more.")
    if found["owner"] and not found["active"]:
        hint = "Ultimate Multisite's own provider is back until a run succeeds: `closte-bridge sync`."
        return warning("shim", "The shim has had no sign of life of this engine yet.", hint)
    return ok("shim", f"The shim {found['version']} is installed.")
