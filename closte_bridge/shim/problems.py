"""What keeps the shim from doing its work, in words."""

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

_AGAIN = "Run `closte-bridge shim install` again."
_LATER = "Events wait for the next sync: run `closte-bridge watch` or a timer. If the program has moved: "
# An event that waits for longer than this, in seconds, was missed by whoever should have fetched it.
_OVERDUE = 1800
# An engine that was started has begun within so many seconds, also on a slow machine.
_BEGUN = 30.0
_FILES = {
    "missing": ("is missing", _AGAIN),
    "foreign-file": ("is not ours", "Look at it, move it away, then `closte-bridge shim install`."),
    "changed": ("was changed", _AGAIN),
    "other-version": ("is outdated", _AGAIN),
}


class ShimProblem(NamedTuple):
    """One thing that is wrong, with its remedy."""

    code: str
    message: str
    hint: str


def trigger_method(found: dict[str, Any]) -> tuple[str, str]:
    """Return how the shim wakes the engine (`file`, `process` or `poll`), and a sentence that says why."""
    answer = found.get("trigger")
    if isinstance(answer, list) and len(answer) == 2:  # noqa: PLR2004 - the method and the reason
        return str(answer[0]), str(answer[1])
    return "poll", "The shim is not loaded."


def installed_state(found: dict[str, Any]) -> str:
    """Return `yes`, `no`, `disabled` or `damaged` for what `closte_bridge.shim.manage.status` found."""
    states = set(found["files"].values())
    if states == {"missing"}:
        return "no"
    if states == {"intact"} and found["table"] and found["config"]:
        return "disabled" if found["disabled"] else "yes"
    return "damaged"


def of_installation(found: dict[str, Any]) -> list[ShimProblem]:
    """Return what is wrong with the shim as WordPress has it, or that there is none."""
    if installed_state(found) == "no":
        return [
            ShimProblem(code="shim-missing", message="The shim is not installed.", hint="`closte-bridge shim install`.")
        ]
    return [*_of_files(found), *_of_wordpress(found), *_of_place(found)]


def of_all(found: dict[str, Any], environ: Mapping[str, str]) -> list[ShimProblem]:
    """Return everything that is wrong; starts this program in what is kept of `environ`, where the shim would."""
    problems = of_installation(found)
    if installed_state(found) != "no":
        problems += [*_of_engine(found, environ), *of_starting(found), *_of_events(found)]
    return problems


def of_starting(found: dict[str, Any]) -> list[ShimProblem]:
    """Return that what the shim starts never runs; tries it with a small program, if the way is one of ours."""
    config = found["config"] if isinstance(found["config"], dict) else {}
    if trigger_method(found)[0] != "process" or not found["starts_us"]:
        return []
    # What WordPress answered is started only if this program would have chosen it.
    known = [way for way in ways() if same_way(way, config.get("start"))]
    if not known:
        text = "The shim starts this engine in a way that this program does not know."
        return [ShimProblem(code="shim-cannot-wake", message=text, hint=_AGAIN)]
    if works(known[0]):
        return []
    text = "What the shim starts in the background never runs."
    hint = f"{_LATER}`closte-bridge shim install`, which tries other ways."
    return [ShimProblem(code="shim-cannot-wake", message=text, hint=hint)]


def of_triggering(folder: Path, last: dict[str, object] | None) -> list[ShimProblem]:
    """Return what went wrong the last time that the shim started the engine of the state folder `folder`.

    `last` is what `closte_bridge.engine.triggered.last_run` says of it.
    """
    started, begun = (stamp(folder / name) // 1_000_000_000 for name in (SPAWNED_FILE, TRIGGER_FILE))
    if begun < started < time.time() - _BEGUN:
        text = "The engine was started by the shim, and did not begin."
        hint = f"Start it by hand: `closte-bridge sync`. If program or config have moved: {_AGAIN}"
        return [ShimProblem(code="shim-wake-failed", message=text, hint=hint)]
    if last and last["code"]:
        text = f"The engine that the shim woke ended with {last['exit_code']} ({last['code']})."
        hint = f"{page('troubleshooting.md')} explains this code. The next change shows whether it is fixed."
        return [ShimProblem(code="shim-wake-failed", message=text, hint=hint)]
    return []


def _of_files(found: dict[str, Any]) -> list[ShimProblem]:
    problems = [
        ShimProblem(code=f"shim-{state}", message=f'The file "{name}" {_FILES[state][0]}.', hint=_FILES[state][1])
        for name, state in found["files"].items()
        if state in _FILES
    ]
    if not found["table"]:
        problems.append(ShimProblem(code="shim-no-table", message="The table of the events is missing.", hint=_AGAIN))
    if not found["config"]:
        problems.append(ShimProblem(code="shim-no-config", message="This network is not in its config.", hint=_AGAIN))
    return problems


def _of_wordpress(found: dict[str, Any]) -> list[ShimProblem]:
    if found["disabled"]:
        text, hint = "CLOSTE_BRIDGE_DISABLE switches the shim off.", "Take it out of wp-config.php."
        return [ShimProblem(code="shim-disabled", message=text, hint=hint)]
    if not found["loaded"]:
        return [ShimProblem(code="shim-not-loaded", message="WordPress does not load the shim.", hint=_AGAIN)]
    if found["table"] and not found["writable"]:
        text = "The database takes no events: it is read-only, or its disk is full."
        return [ShimProblem(code="shim-cannot-note", message=text, hint="Until it does, changes are found by looking.")]
    if found["owner"] and not found["active"] and found["silence"] is not None:
        ago = counted(int(found["silence"]) // 60, "minute")
        text = f"The engine was last heard of {ago} ago: Ultimate Multisite's own provider works meanwhile."
        hint = "Run `closte-bridge sync` and look at what it says. Let something run it every five minutes."
        return [ShimProblem(code="shim-silent", message=text, hint=hint)]
    return []


def _of_place(found: dict[str, Any]) -> list[ShimProblem]:
    if not found["moved"]:
        return []
    text = f"Since the shim was installed, these have changed: {', '.join(found['moved'])}."
    return [ShimProblem(code="shim-moved", message=text, hint=_AGAIN)]


def _of_engine(found: dict[str, Any], environ: Mapping[str, str]) -> list[ShimProblem]:
    config = found["config"] if isinstance(found["config"], dict) else {}
    if found["starts_us"] and (wrong := probe(environ)):
        text = f"The engine that the shim starts does not work: {wrong}."
        return [ShimProblem(code="shim-engine-broken", message=text, hint=f"Mend it. If it has moved: {_AGAIN}")]
    way, why = trigger_method(found)
    if config.get("engine") and config.get("wake") != "none" and way == "poll" and found["loaded"]:
        text = f"The shim cannot wake this engine: {why}"
        return [ShimProblem(code="shim-cannot-wake", message=text, hint=f"{_LATER}`closte-bridge shim install`.")]
    return []


def _of_events(found: dict[str, Any]) -> list[ShimProblem]:
    if found["oldest"] is None or int(found["oldest"]) <= _OVERDUE:
        return []
    oldest = counted(int(found["oldest"]) // 60, "minute")
    waits = "waits" if int(found["events"]) == 1 else "wait"
    text = f"{counted(int(found['events']), 'event')} {waits}, the oldest for {oldest}."
    hint = "Run `closte-bridge sync` and look at what it says."
    return [ShimProblem(code="shim-events-overdue", message=text, hint=hint)]
