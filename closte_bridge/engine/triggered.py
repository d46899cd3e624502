"""`sync --triggered`: what the shim starts when something happened in WordPress.

Any number of these may be started at once; one of them works. Each touches the wake file first, then tries for a lock
of its own, which is not the engine's. Who does not get it leaves at once: the holder sees the wake file and runs
again. The holder stays as long as removals wait for their delay, and runs once more when they are due.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from closte_bridge.engine.files import write_whole
from closte_bridge.engine.loop import TRIGGER_FILE, stamp, touch
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger.folder import make_folder, unusable
from closte_bridge.planning.model import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

LOCK_FILE = "triggered.lock"
LAST_FILE = "last-run.json"
# While wakes keep coming, each run waits longer than the one before: seconds.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_CALM = 60.0
_GLANCE = 0.25
# The engine's lock is somebody else's for so long at most, in seconds; then the next poll finds the events.
_PATIENCE = 900.0
_LOCKED_AGAIN = 0.5
# Removals that are due within so many seconds are made in one run.
_TOGETHER = 5.0
# A little later than due, so that the run finds it due.
_GRACE = 0.2


@dataclass(slots=True)
class TriggerClock:
    """The clock and the pause; tests pass their own."""

    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep


def run_when_triggered(
    folder: Path, delay: float, work: Callable[[], RunReport], waiting: TriggerClock | None = None
) -> ExitCode:
    """Note that something happened, and run `work` until nothing new is left; return the last run's code.

    `folder` is the state folder, `delay` the network's `removal_delay` in seconds. Returns OK at once when another
    such process is at it. Raises BridgeError when the state folder cannot be used.
    """
    waiting = waiting or TriggerClock()
    try:
        make_folder(folder)
    except OSError as error:
        raise unusable(folder, error) from None
    wake = folder / TRIGGER_FILE
    touch(wake)
    code = ExitCode.OK
    while True:
        with _alone(folder) as alone:
            if not alone:
                return code
            seen, code = _until_calm(folder, delay, work, waiting)
        # Somebody may have touched the file, found the lock taken and left, just before it was free.
        if stamp(wake) == seen:
            return code


def last_run(folder: Path) -> dict[str, object] | None:
    """Return what the last run of this kind came to: `at` (epoch seconds), `exit_code` and `code`; None if none."""
    try:
        found = json.loads((folder / LAST_FILE).read_bytes()[:1000])
        return {"at": float(found["at"]), "exit_code": int(found["exit_code"]), "code": str(found["code"])[:64]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unusable(folder, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _until_calm(
    folder: Path, delay: float, work: Callable[[], RunReport], waiting: TriggerClock
) -> tuple[int, ExitCode]:
    """Run until the wake file rests and nothing is due soon; return its stamp before the last run, and the code."""
    wake = folder / TRIGGER_FILE
    haste, ended = 0, 0.0
    while True:
        seen = stamp(wake)
        due, code = _run(folder, delay, work, waiting)
        haste = haste + 1 if waiting.now() - ended < _CALM else 0
        ended = waiting.now()
        if stamp(wake) == seen and not _wait(wake, seen, due, waiting):
            return seen, code
        if stamp(wake) != seen:
            waiting.pause(_PAUSES[min(haste, len(_PAUSES) - 1)])


def _run(
    folder: Path, delay: float, work: Callable[[], RunReport], waiting: TriggerClock
) -> tuple[float | None, ExitCode]:
    """Make one run; return when to make the next one, if it is known, and the code."""
    began = waiting.now()
    while True:
        try:
            report = work()
        except BridgeError as error:
            if error.exit_code is ExitCode.LOCKED and 0 <= waiting.now() - began < _PATIENCE:
                waiting.pause(_LOCKED_AGAIN)
                continue
            _note(folder, waiting.now(), error.exit_code, error.code)
            return None, error.exit_code
        except Exception:
            _note(folder, waiting.now(), ExitCode.FAILURE, "internal-error")
            raise
        _note(folder, waiting.now(), report.exit_code, "")
        return _due(report, waiting.now(), delay), report.exit_code


def _due(report: RunReport, now: float, delay: float) -> float | None:
    """Return when removals that wait for their delay are due; those of nearly the same time go together, in one run.

    Where nothing may be changed, nothing is due: its events stay in WordPress, and seem to be new at each look.
    """
    if report.applied is None:
        return None
    ends = sorted(
        hold.until
        for hold in report.plan.held
        if hold.action is Action.REMOVE
        and hold.code == "waiting"
        and hold.until
        # By the time of the look: what became due while a long run went on is due now.
        and report.view.now < hold.until <= now + delay
    )
    return max((end for end in ends if end <= ends[0] + _TOGETHER), default=None)


def _wait(wake: Path, seen: int, due: float | None, waiting: TriggerClock) -> bool:
    """Wait until `due` or until the wake file is touched; return False when there is nothing to wait for."""
    if due is None:
        return False
    began = waiting.now()
    while stamp(wake) == seen:
        remaining = due + _GRACE - waiting.now()
        # A clock that was set back must not make it wait for longer than it meant to.
        if remaining <= 0 or waiting.now() < began:
            break
        waiting.pause(min(_GLANCE, remaining))
    return True


def _note(folder: Path, now: float, exit_code: ExitCode, code: str) -> None:
    document = {"at": now, "exit_code": int(exit_code), "code": code}
    # On a full disk nobody learns of it here; the run itself has said more.
    with suppress(OSError):
        write_whole(folder / LAST_FILE, json.dumps(document).encode())
