"""`sync --triggered`: started by the shim after an event in WordPress.

Many of these processes may start at once, but only one works. Each touches the trigger file, then tries to take a lock
of its own, separate from the lock of runs. Processes that fail to get it exit immediately; the holder notices the
trigger file and runs again. The holder also waits for removals in their delay, and runs once more when they are due.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.engine.files import write_whole
from closte_bridge.engine.loop import TRIGGER_FILE, Waiter, run_repeatedly, stamp, touch
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
# Seconds before each further run while triggers keep arriving.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
# Maximum seconds to wait for the lock of runs; afterwards the next scheduled run handles the events.
_PATIENCE = 900.0
_LOCKED_RETRY = 0.5
# Removals due within this many seconds share a run.
_TOGETHER = 5.0
# Seconds after the due time, so that the run finds the removal due.
_GRACE = 0.2


class LastRun(NamedTuple):
    """The result of a triggered run: `at` in epoch seconds, its exit code, and the code of its error or ""."""

    at: float
    exit_code: int
    code: str


def run_when_triggered(folder: Path, delay: float, work: Callable[[], RunReport], waiter: Waiter) -> ExitCode:
    """Touch the trigger file and run `work` until nothing new is left; return the exit code of the last run.

    `folder` is the state folder, `delay` the network's `removal_delay` in seconds. Returns OK immediately if another
    such process is working. Raises BridgeError if the state folder cannot be used.
    """
    try:
        make_folder(folder)
    except OSError as error:
        raise unusable(folder, error) from None
    trigger = folder / TRIGGER_FILE
    touch(trigger)
    code = ExitCode.OK

    def once(_seen: int) -> float | None:
        nonlocal code
        due, code = _run(folder, delay, work, waiter)
        return due

    while True:
        with _alone(folder) as alone:
            if not alone:
                return code
            seen = run_repeatedly(folder, once, waiter, pauses=_PAUSES)
        # Another process may have touched the file and exited just before the lock was released.
        if stamp(trigger) == seen:
            return code


def last_run(folder: Path) -> LastRun | None:
    """Return the result of the last triggered run; None without one."""
    try:
        found = json.loads((folder / LAST_FILE).read_bytes()[:1000])
        return LastRun(float(found["at"]), int(found["exit_code"]), str(found["code"])[:64])
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


def _run(folder: Path, delay: float, work: Callable[[], RunReport], waiter: Waiter) -> tuple[float | None, ExitCode]:
    """Make one run; return the time of the next one, if known, and the exit code."""
    began = waiter.now()
    while True:
        try:
            report = work()
        except BridgeError as error:
            if error.exit_code is ExitCode.LOCKED and 0 <= waiter.now() - began < _PATIENCE:
                waiter.pause(_LOCKED_RETRY)
                continue
            _note(folder, waiter.now(), error.exit_code, error.code)
            return None, error.exit_code
        except Exception:
            _note(folder, waiter.now(), ExitCode.FAILURE, "internal-error")
            raise
        _note(folder, waiter.now(), report.exit_code, "")
        return _due(report, waiter.now(), delay), report.exit_code


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
    return max((end + _GRACE for end in ends if end <= ends[0] + _TOGETHER), default=None)


def _note(folder: Path, now: float, exit_code: ExitCode, code: str) -> None:
    document = LastRun(now, int(exit_code), code)._asdict()
    # Ignore write errors; the run itself reports a full disk.
    with suppress(OSError):
        write_whole(folder / LAST_FILE, json.dumps(document).encode())
