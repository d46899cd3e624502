"""What keeps the shim from doing its work, in words."""

from __future__ import annotations

from typing import Any

from closte_bridge.cli.result import Problem

_AGAIN = "Run `closte-bridge shim install` again."
# An event that waits for longer than this, in seconds, was missed by whoever should have fetched it.
_OVERDUE = 1800
_FILES = {
    "missing": "is missing",
    "stranger": "is not ours",
    "changed": "was changed",
    "other-version": "is outdated",
}


def way_to_wake(found: dict[str, Any]) -> tuple[str, str]:
    """Return how the shim wakes the engine (`file`, `process` or `poll`), and a sentence that says why."""
    answer = found.get("wake")
    if isinstance(answer, list) and len(answer) == 2:  # noqa: PLR2004 - the method and the reason
        return str(answer[0]), str(answer[1])
    return "poll", "The shim is not loaded."


def installed_state(found: dict[str, Any]) -> str:
    """Return `yes`, `no`, `disabled` or `damaged` for what `closte_bridge.shim.manage.status` found."""
    states = set(found["files"].values())
    if states == {"missing"}:
        return "no"
    if states == {"ours"} and found["table"] and found["config"]:
        return "disabled" if found["disabled"] else "yes"
    return "damaged"


def problems_of(found: dict[str, Any]) -> list[Problem]:
    """Return everything that is wrong with an installed shim, or that there is none."""
    if installed_state(found) == "no":
        return [
            Problem(code="shim-missing", message="The shim is not installed.", hint="`closte-bridge shim install`.")
        ]
    return [*_of_files(found), *_of_wordpress(found), *_of_engine(found), *_of_events(found)]


def _of_files(found: dict[str, Any]) -> list[Problem]:
    problems = [
        Problem(code=f"shim-{state}", message=f'The file "{name}" {_FILES[state]}.', hint=_AGAIN)
        for name, state in found["files"].items()
        if state in _FILES
    ]
    if not found["table"]:
        problems.append(Problem(code="shim-no-table", message="The table of the events is missing.", hint=_AGAIN))
    if not found["config"]:
        problems.append(Problem(code="shim-no-config", message="This network is not in its config.", hint=_AGAIN))
    return problems


def _of_wordpress(found: dict[str, Any]) -> list[Problem]:
    if found["disabled"]:
        text, hint = "CLOSTE_BRIDGE_DISABLE switches the shim off.", "Take it out of wp-config.php."
        return [Problem(code="shim-disabled", message=text, hint=hint)]
    if not found["loaded"]:
        return [Problem(code="shim-not-loaded", message="WordPress does not load the shim.", hint=_AGAIN)]
    if found["table"] and not found["writable"]:
        text = "The database takes no events: it is read-only, or its disk is full."
        return [Problem(code="shim-cannot-note", message=text, hint="Until it does, changes are found by looking.")]
    if found["owner"] and not found["in_charge"] and found["silence"] is not None:
        minutes = int(found["silence"]) // 60
        text = f"The engine was last heard of {minutes} minutes ago: Ultimate Multisite's own provider works meanwhile."
        return [Problem(code="shim-silent", message=text, hint="Run `closte-bridge sync` and look at what it says.")]
    return []


def _of_engine(found: dict[str, Any]) -> list[Problem]:
    from closte_bridge.shim.probe import probe  # noqa: PLC0415 - loaded when it is needed

    config = found["config"] if isinstance(found["config"], dict) else {}
    if wrong := probe(config):
        text = f"The engine that the shim starts does not work: {wrong}."
        return [Problem(code="shim-engine-broken", message=text, hint=f"Mend it. If it has moved: {_AGAIN}")]
    way, why = way_to_wake(found)
    if config.get("engine") and config.get("wake") != "none" and way == "poll" and found["loaded"]:
        return [Problem(code="shim-cannot-wake", message=f"The shim cannot wake this engine: {why}", hint=_AGAIN)]
    return []


def _of_events(found: dict[str, Any]) -> list[Problem]:
    if found["oldest"] is None or int(found["oldest"]) <= _OVERDUE:
        return []
    text = f"{found['events']} events wait, the oldest for {int(found['oldest']) // 60} minutes."
    hint = "Run `closte-bridge sync` and look at what it says."
    return [Problem(code="shim-events-overdue", message=text, hint=hint)]
