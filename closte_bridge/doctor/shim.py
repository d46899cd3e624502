"""What can be wrong with the must-use plugin that wakes this engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.doctor.model import Finding, ok, warning
from closte_bridge.errors import BridgeError
from closte_bridge.shim.manage import status

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

_INSTALL = "Run `closte-bridge shim install`; `closte-bridge shim status` shows more."


def of_shim(engine: Engine) -> Finding:
    """Return whether the shim is there, loaded, and knows of this engine."""
    try:
        found = status(engine)
    except BridgeError as failure:
        return warning("shim", failure.message, failure.hint)
    states = set(found["files"].values())
    if states == {"missing"}:
        return warning("shim", "The shim is not installed: what changes in WordPress is found by looking.", _INSTALL)
    if states != {"ours"} or not found["table"] or not found["config"]:
        wrong = ", ".join(f"{name} ({state})" for name, state in found["files"].items() if state != "ours")
        return warning("shim", f"The shim is not as it was installed: {wrong or 'its table or config'}.", _INSTALL)
    if found["disabled"]:
        return warning("shim", "CLOSTE_BRIDGE_DISABLE switches the shim off.", "Take it out of wp-config.php.")
    if not found["loaded"]:
        return warning("shim", "WordPress does not load the shim.", _INSTALL)
    if found["owner"] and not found["in_charge"]:
        hint = "Ultimate Multisite's own provider is back until a run succeeds: `closte-bridge sync`."
        return warning("shim", f"The shim has no sign of life of this engine{_silence(found['silence'])}.", hint)
    return ok("shim", f"The shim {found['version']} is installed.")


def _silence(seconds: object) -> str:
    return f" since {float(seconds) / 60:.0f} minutes" if isinstance(seconds, int | float) else ""
