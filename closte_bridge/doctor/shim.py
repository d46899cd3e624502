"""Diagnostics of the shim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.doctor.model import Finding, ok, warning
from closte_bridge.errors import BridgeError
from closte_bridge.shim.manage import status
from closte_bridge.shim.problems import of_installation, of_starting, of_triggering, of_wake

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

_INSTALL = "Run `closte-bridge shim install`."


def of_shim(engine: Engine) -> Finding:
    """Check whether the shim is installed, loaded and connected to this installation."""
    try:
        found = status(engine, wake=True)
    except BridgeError as failure:
        return warning("shim", failure.message, failure.hint)
    if found.installed == "no":
        return warning("shim", "The shim is not installed, so changes wait for the next scheduled sync.", _INSTALL)
    problems = [
        *of_installation(found), *of_starting(found), *of_wake(found), *of_triggering(engine.settings.state_dir),
    ]  # fmt: skip
    if problems:
        messages = " ".join(problem.message for problem in problems)
        return warning("shim", messages, f"{problems[0].hint} For details, run `closte-bridge shim status`.")
    if found.owner and not found.active:
        hint = "Run `closte-bridge sync`. Until a run succeeds, the built-in provider stays active."
        return warning("shim", "The shim has not received a heartbeat yet.", hint)
    how = ""
    if engine.settings.wp.is_remote:
        how = " WordPress is on another machine, so `closte-bridge watch` asks it for events."
    if found.trigger.method == "url":
        how = " Its wake-ups arrive."
    return ok("shim", f"The shim {found.version} is installed.{how}")
