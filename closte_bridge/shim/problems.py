"""Describe problems with the shim."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.config.places import page
from closte_bridge.counts import counted
from closte_bridge.engine.loop import TRIGGER_FILE, stamp
from closte_bridge.engine.triggered import last_run
from closte_bridge.shim.detach import same_way, ways, works
from closte_bridge.shim.files import SPAWNED_FILE
from closte_bridge.shim.probe import probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from closte_bridge.shim.status import ShimStatus

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
    "unreadable": ("is not readable by the user of `wp`", "Run closte-bridge as the owner of the site's files."),
    "changed": ("was modified", _AGAIN),
}


class ShimProblem(NamedTuple):
    """A problem and its solution."""

    code: str
    message: str
    hint: str


def of_installation(found: ShimStatus) -> Iterator[ShimProblem]:
    """Yield the problems of the shim in WordPress, or that it is not installed."""
    if found.installed == "no":
        yield ShimProblem(
            code="shim-missing", message="The shim is not installed.", hint="Run `closte-bridge shim install`."
        )
        return
    yield from _of_files(found)
    yield from _of_wordpress(found)
    if found.moved and not found.outdated:
        text = f"The shim is outdated. Changed since its installation: {', '.join(found.moved)}."
        yield ShimProblem(code="shim-moved", message=text, hint=_AGAIN)
    elif not found.shares_secret and not found.outdated:
        text = "The shim and closte-bridge have different secrets, so the web server refuses requests of closte-bridge."
        yield ShimProblem(code="shim-secret", message=text, hint=_AGAIN)


def of_wake(found: ShimStatus) -> Iterator[ShimProblem]:
    """Yield a problem if a test of the wake-up failed."""
    if found.wake:
        text = f"Wake-ups do not reach closte-bridge at `wake_url`: {found.wake}."
        hint = "Check that `closte-bridge watch --listen` is running, and the proxy in front of it."
        yield ShimProblem(code="shim-wake", message=text, hint=hint)


def of_all(found: ShimStatus, environ: Mapping[str, str]) -> Iterator[ShimProblem]:
    """Yield all problems. Starts closte-bridge with the variables of `environ` that the shim keeps."""
    yield from of_installation(found)
    if found.installed != "no":
        yield from _of_engine(found, environ)
        yield from of_starting(found)
        yield from of_wake(found)
        if found.oldest is not None and found.oldest > _OVERDUE:
            oldest = counted(found.oldest // 60, "minute")
            text = f"Queued: {counted(found.events, 'event')}, the oldest for {oldest}."
            yield ShimProblem(
                code="shim-events-overdue", message=text, hint="Run `closte-bridge sync` and read its output."
            )


def of_starting(found: ShimStatus) -> Iterator[ShimProblem]:
    """Yield a problem if programs that the shim starts never run. Tests this with a small program."""
    if found.trigger.method != "process" or not found.entry or not found.starts_us:
        return
    # Use a command from WordPress only if closte-bridge would have chosen it.
    start = found.entry.start or []
    known = [way for way in ways() if same_way(way, start)]
    if not known:
        yield ShimProblem(
            code="shim-cannot-trigger", message="The shim starts closte-bridge with an unknown method.", hint=_AGAIN
        )
    elif not works(known[0]):
        text = "Programs that the shim starts in the background never run."
        hint = f"{_QUEUED}Run `closte-bridge shim install` to find another method."
        yield ShimProblem(code="shim-cannot-trigger", message=text, hint=hint)


def of_triggering(folder: Path) -> Iterator[ShimProblem]:
    """Yield the problems of the last sync that the shim triggered. `folder` is the state folder."""
    started, begun = (stamp(folder / name) // 1_000_000_000 for name in (SPAWNED_FILE, TRIGGER_FILE))
    last = last_run(folder)
    if begun < started < time.time() - _BEGUN:
        text = "The shim started closte-bridge, but no run began."
        hint = (
            "Run `closte-bridge sync` to see the error. "
            "If closte-bridge or its config was moved, run `closte-bridge shim install` again."
        )
        yield ShimProblem(code="shim-trigger-failed", message=text, hint=hint)
    elif last and last.code:
        text = f"The last run triggered by the shim failed with exit code {last.exit_code} ({last.code})."
        hint = f"See {page('troubleshooting.md')} for this code. The next triggered run shows whether it is fixed."
        yield ShimProblem(code="shim-trigger-failed", message=text, hint=hint)


def _of_files(found: ShimStatus) -> Iterator[ShimProblem]:
    # An older version has other files and another config, so these are no problems of their own.
    if found.outdated:
        yield ShimProblem(code="shim-other-version", message="The shim is outdated.", hint=_AGAIN)
    for name, state in found.files.items():
        if state in _FILES and not (found.outdated and state == "missing"):
            what, hint = _FILES[state]
            yield ShimProblem(code=f"shim-{state}", message=f'The file "{name}" {what}.', hint=hint)
    if not found.table:
        yield ShimProblem(code="shim-no-table", message="The shim's event table is missing.", hint=_AGAIN)
    if not found.entry:
        yield ShimProblem(
            code="shim-no-config", message="The shim's config has no entry for this network.", hint=_AGAIN
        )


def _of_wordpress(found: ShimStatus) -> Iterator[ShimProblem]:
    if found.disabled:
        text = "CLOSTE_BRIDGE_DISABLE disables the shim."
        yield ShimProblem(code="shim-disabled", message=text, hint="Remove CLOSTE_BRIDGE_DISABLE from wp-config.php.")
    elif not found.loaded:
        yield ShimProblem(code="shim-not-loaded", message="WordPress does not load the shim.", hint=_AGAIN)
    elif found.table and not found.writable:
        text = "Could not store events: the database is read-only or its disk is full."
        hint = "Make the database writable. Until then, changes wait for the next scheduled sync."
        yield ShimProblem(code="shim-cannot-note", message=text, hint=hint)
    elif found.owner and not found.active and found.silence is not None:
        silence = counted(int(found.silence) // 60, "minute")
        text = f"No heartbeat for {silence}: Ultimate Multisite's built-in provider is active in the meantime."
        hint = "Run `closte-bridge sync` and read its output. Schedule it every 5 minutes."
        yield ShimProblem(code="shim-silent", message=text, hint=hint)


def _of_engine(found: ShimStatus, environ: Mapping[str, str]) -> Iterator[ShimProblem]:
    entry, answer = found.entry, found.answer
    if found.starts_us and (reason := probe(environ)):
        text = f"The shim cannot start closte-bridge: {reason}."
        yield ShimProblem(code="shim-engine-broken", message=text, hint=f"Fix the installation. {_IF_MOVED}")
    # Without an answer, the shim is outdated or not loaded, which is a problem of its own.
    elif entry and entry.engine and entry.wake != "none" and answer and answer.method == "poll":
        yield ShimProblem(
            "shim-cannot-trigger", f"The shim cannot trigger a sync: {answer.why}", f"{_QUEUED}{_IF_MOVED}"
        )
