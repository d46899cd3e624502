"""Describe problems with the shim."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.config.places import page
from closte_bridge.counts import counted
from closte_bridge.engine.loop import TRIGGER_FILE, stamp
from closte_bridge.shim.detach import same_way, ways, works
from closte_bridge.shim.files import SPAWNED_FILE
from closte_bridge.shim.probe import probe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from closte_bridge.engine.triggered import LastRun

_AGAIN = "Run `closte-bridge shim install` again."
_QUEUED = "Events are queued until the next sync: run `closte-bridge watch`, or schedule `closte-bridge sync`. "
_IF_MOVED = "If closte-bridge was moved, run `closte-bridge shim install` again."
# Seconds after which a queued event was missed by the sync that should have read it.
_OVERDUE = 1800
# Seconds in which a triggered run begins, even on a slow machine.
_BEGUN = 30.0
_FILES = {
    "missing": ("is missing", _AGAIN),
    "foreign-file": (
        "was not created by closte-bridge",
        "Inspect it and move it away, then run `closte-bridge shim install`.",
    ),
    "changed": ("was modified", _AGAIN),
}


class ShimProblem(NamedTuple):
    """A problem and its solution."""

    code: str
    message: str
    hint: str


def trigger_method(found: dict[str, Any]) -> tuple[str, str]:
    """Return how the shim triggers a sync (`file`, `process` or `poll`), and the reason as a sentence."""
    answer = found.get("trigger")
    if isinstance(answer, list) and len(answer) == 2:  # noqa: PLR2004 - the method and the reason
        return str(answer[0]), str(answer[1])
    # An older shim does not have this method, or names it differently.
    older = found["loaded"] and found["config"]
    return "poll", "The shim is outdated." if older else "The shim is not loaded."


def installed_state(found: dict[str, Any]) -> str:
    """Return `yes`, `no`, `disabled` or `damaged` for what `closte_bridge.shim.manage.status` found."""
    states = set(found["files"].values())
    if states == {"missing"}:
        return "no"
    if states == {"intact"} and found["table"] and found["config"]:
        return "disabled" if found["disabled"] else "yes"
    return "damaged"


def of_installation(found: dict[str, Any]) -> list[ShimProblem]:
    """Return the problems of the shim in WordPress, or that it is not installed."""
    if installed_state(found) == "no":
        hint = "Run `closte-bridge shim install`."
        return [ShimProblem(code="shim-missing", message="The shim is not installed.", hint=hint)]
    return [*_of_files(found), *_of_wordpress(found), *_of_place(found)]


def of_all(found: dict[str, Any], environ: Mapping[str, str]) -> list[ShimProblem]:
    """Return all problems. Starts closte-bridge with the variables of `environ` that the shim keeps."""
    problems = of_installation(found)
    if installed_state(found) != "no":
        problems += [*_of_engine(found, environ), *of_starting(found), *_of_events(found)]
    return problems


def of_starting(found: dict[str, Any]) -> list[ShimProblem]:
    """Return a problem if programs that the shim starts never run. Tests this with a small program."""
    config = found["config"] if isinstance(found["config"], dict) else {}
    if trigger_method(found)[0] != "process" or not found["starts_us"]:
        return []
    # Use a command from WordPress only if closte-bridge would have chosen it.
    known = [way for way in ways() if same_way(way, config.get("start"))]
    if not known:
        text = "The shim starts closte-bridge with an unknown method."
        return [ShimProblem(code="shim-cannot-trigger", message=text, hint=_AGAIN)]
    if works(known[0]):
        return []
    text = "Programs that the shim starts in the background never run."
    hint = f"{_QUEUED}Run `closte-bridge shim install` to find another method."
    return [ShimProblem(code="shim-cannot-trigger", message=text, hint=hint)]


def of_triggering(folder: Path, last: LastRun | None) -> list[ShimProblem]:
    """Return the problems of the last sync that the shim triggered. `folder` is the state folder.

    `last` is the result of `closte_bridge.engine.triggered.last_run`.
    """
    started, begun = (stamp(folder / name) // 1_000_000_000 for name in (SPAWNED_FILE, TRIGGER_FILE))
    if begun < started < time.time() - _BEGUN:
        text = "The shim started closte-bridge, but no run began."
        hint = (
            "Run `closte-bridge sync` to see the error. "
            "If closte-bridge or its config was moved, run `closte-bridge shim install` again."
        )
        return [ShimProblem(code="shim-trigger-failed", message=text, hint=hint)]
    if last and last.code:
        text = f"The last run triggered by the shim failed with exit code {last.exit_code} ({last.code})."
        hint = f"See {page('troubleshooting.md')} for this code. The next triggered run shows whether it is fixed."
        return [ShimProblem(code="shim-trigger-failed", message=text, hint=hint)]
    return []


def _is_outdated(found: dict[str, Any]) -> bool:
    return "other-version" in found["files"].values()


def _of_files(found: dict[str, Any]) -> list[ShimProblem]:
    # An older version has other files and another config, so these are no problems of their own.
    problems, hidden = list[ShimProblem](), set[str]()
    if _is_outdated(found):
        problems.append(ShimProblem(code="shim-other-version", message="The shim is outdated.", hint=_AGAIN))
        hidden = {"missing"}
    problems += [
        ShimProblem(code=f"shim-{state}", message=f'The file "{name}" {_FILES[state][0]}.', hint=_FILES[state][1])
        for name, state in found["files"].items()
        if state in _FILES and state not in hidden
    ]
    if not found["table"]:
        problems.append(ShimProblem(code="shim-no-table", message="The shim's event table is missing.", hint=_AGAIN))
    if not found["config"]:
        text = "The shim's config has no entry for this network."
        problems.append(ShimProblem(code="shim-no-config", message=text, hint=_AGAIN))
    return problems


def _of_wordpress(found: dict[str, Any]) -> list[ShimProblem]:
    if found["disabled"]:
        text = "CLOSTE_BRIDGE_DISABLE disables the shim."
        hint = "Remove CLOSTE_BRIDGE_DISABLE from wp-config.php."
        return [ShimProblem(code="shim-disabled", message=text, hint=hint)]
    if not found["loaded"]:
        return [ShimProblem(code="shim-not-loaded", message="WordPress does not load the shim.", hint=_AGAIN)]
    if found["table"] and not found["writable"]:
        text = "Could not store events: the database is read-only or its disk is full."
        hint = "Make the database writable. Until then, changes wait for the next scheduled sync."
        return [ShimProblem(code="shim-cannot-note", message=text, hint=hint)]
    if found["owner"] and not found["active"] and found["silence"] is not None:
        silence = counted(int(found["silence"]) // 60, "minute")
        text = f"No heartbeat for {silence}: Ultimate Multisite's built-in provider is active in the meantime."
        hint = "Run `closte-bridge sync` and read its output. Schedule it every 5 minutes."
        return [ShimProblem(code="shim-silent", message=text, hint=hint)]
    return []


def _of_place(found: dict[str, Any]) -> list[ShimProblem]:
    if not found["moved"] or _is_outdated(found):
        return []
    text = f"The shim is outdated. Changed since its installation: {', '.join(found['moved'])}."
    return [ShimProblem(code="shim-moved", message=text, hint=_AGAIN)]


def _of_engine(found: dict[str, Any], environ: Mapping[str, str]) -> list[ShimProblem]:
    config = found["config"] if isinstance(found["config"], dict) else {}
    if found["starts_us"] and (reason := probe(environ)):
        text = f"The shim cannot start closte-bridge: {reason}."
        return [ShimProblem(code="shim-engine-broken", message=text, hint=f"Fix the installation. {_IF_MOVED}")]
    way, why = trigger_method(found)
    # Without an answer, the shim is outdated or not loaded, which is a problem of its own.
    answered = isinstance(found["trigger"], list)
    if config.get("engine") and config.get("wake") != "none" and way == "poll" and answered:
        text = f"The shim cannot trigger a sync: {why}"
        return [ShimProblem(code="shim-cannot-trigger", message=text, hint=f"{_QUEUED}{_IF_MOVED}")]
    return []


def _of_events(found: dict[str, Any]) -> list[ShimProblem]:
    if found["oldest"] is None or int(found["oldest"]) <= _OVERDUE:
        return []
    oldest = counted(int(found["oldest"]) // 60, "minute")
    text = f"Queued: {counted(int(found['events']), 'event')}, the oldest for {oldest}."
    hint = "Run `closte-bridge sync` and read its output."
    return [ShimProblem(code="shim-events-overdue", message=text, hint=hint)]
