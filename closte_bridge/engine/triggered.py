"""`sync --triggered`: started by the shim after an event in WordPress.

Many of these processes may start at once, but only one works. Each touches the trigger file, then tries to take a lock
of its own, separate from the lock of runs. Processes that fail to get it exit immediately; the holder notices the
trigger file and runs again. The holder also waits for removals in their delay, and runs once more when they are due.
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
from closte_bridge.hosting import Action
from closte_bridge.ledger.folder import make_folder, unusable
from closte_bridge.planning.model import HoldCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

LOCK_FILE = "triggered.lock"
LAST_FILE = "last-run.json"
# Seconds before each further run while triggers keep arriving; reset after `_CALM` seconds without a run.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_CALM = 60.0
_POLL = 0.25
# Maximum seconds to wait for the lock of runs; afterwards the next scheduled run handles the events.
_PATIENCE = 900.0
_LOCKED_RETRY = 0.5
# Removals due within this many seconds share a run.
_TOGETHER = 5.0
# Seconds after the due time, so that the run finds the removal due.
_GRACE = 0.2


@dataclass(slots=True)
class TriggerClock:
    """Clock and pause; tests pass their own."""

    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep


def run_when_triggered(
    folder: Path, delay: float, work: Callable[[], RunReport], clock: TriggerClock | None = None
) -> ExitCode:
    """Touch the trigger file and run `work` until nothing new is left; return the exit code of the last run.

    `folder` is the state folder, `delay` the network's `removal_delay` in seconds. Returns OK immediately if another
    such process is working. Raises BridgeError if the state folder cannot be used.
    """
    clock = clock or TriggerClock()
    try:
        make_folder(folder)
    except OSError as error:
        raise unusable(folder, error) from None
    trigger = folder / TRIGGER_FILE
    touch(trigger)
    code = ExitCode.OK
    while True:
        with _alone(folder) as alone:
            if not alone:
                return code
            seen, code = _until_calm(folder, delay, work, clock)
        # Another process may have touched the file and exited just before the lock was released.
        if stamp(trigger) == seen:
            return code


def last_run(folder: Path) -> dict[str, object] | None:
    """Return the result of the last triggered run: `at` (epoch seconds), `exit_code` and `code`; None without one."""
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


def _until_calm(folder: Path, delay: float, work: Callable[[], RunReport], clock: TriggerClock) -> tuple[int, ExitCode]:
    """Run until no trigger arrives and nothing is due soon; return the stamp before the last run, and its code."""
    trigger = folder / TRIGGER_FILE
    rapid_runs, ended = 0, 0.0
    while True:
        seen = stamp(trigger)
        due, code = _run(folder, delay, work, clock)
        rapid_runs = rapid_runs + 1 if clock.now() - ended < _CALM else 0
        ended = clock.now()
        if stamp(trigger) == seen and not _wait(trigger, seen, due, clock):
            return seen, code
        if stamp(trigger) != seen:
            clock.pause(_PAUSES[min(rapid_runs, len(_PAUSES) - 1)])


def _run(
    folder: Path, delay: float, work: Callable[[], RunReport], clock: TriggerClock
) -> tuple[float | None, ExitCode]:
    """Make one run; return the time of the next one, if known, and the exit code."""
    began = clock.now()
    while True:
        try:
            report = work()
        except BridgeError as error:
            if error.exit_code is ExitCode.LOCKED and 0 <= clock.now() - began < _PATIENCE:
                clock.pause(_LOCKED_RETRY)
                continue
            _note(folder, clock.now(), error.exit_code, error.code)
            return None, error.exit_code
        except Exception:
            _note(folder, clock.now(), ExitCode.FAILURE, "internal-error")
            raise
        _note(folder, clock.now(), report.exit_code, "")
        return _due(report, clock.now(), delay), report.exit_code


def _due(report: RunReport, now: float, delay: float) -> float | None:
    """Return when the next delayed removals are due, or None; removals due at nearly the same time share a run.

    If no changes are allowed, nothing is due: the events stay in WordPress and look new in each read.
    """
    if report.applied is None:
        return None
    ends = sorted(
        hold.until
        for hold in report.plan.held
        if hold.action is Action.REMOVE
        and hold.code is HoldCode.WAITING
        and hold.until
        # Compare with the time of the read: a hold that ended during a long run is due now.
        and report.view.now < hold.until <= now + delay
    )
    return max((end for end in ends if end <= ends[0] + _TOGETHER), default=None)


def _wait(trigger: Path, seen: int, due: float | None, clock: TriggerClock) -> bool:
    """Wait until `due` or until the trigger file is touched; return False if there is nothing to wait for."""
    if due is None:
        return False
    began = clock.now()
    while stamp(trigger) == seen:
        remaining = due + _GRACE - clock.now()
        # A clock that was set back must not prolong the wait.
        if remaining <= 0 or clock.now() < began:
            break
        clock.pause(min(_POLL, remaining))
    return True


def _note(folder: Path, now: float, exit_code: ExitCode, code: str) -> None:
    document = {"at": now, "exit_code": int(exit_code), "code": code}
    # Ignore write errors; the run itself reports a full disk.
    with suppress(OSError):
        write_whole(folder / LAST_FILE, json.dumps(document).encode())
