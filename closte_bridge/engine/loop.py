"""The loop of `watch` and of triggered runs: sync on events, when changes are due, and at an interval.

It keeps no state in memory except the next run time, so it can be killed safely. Time, waiting and the work itself are
arguments, so a test can simulate a year in a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError, ExitCode, unexpected
from closte_bridge.flag import Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

TRIGGER_FILE = "trigger"
HEARTBEAT_FILE = "heartbeat"
POLL = 0.5
"""Seconds between checks of the trigger file: an event is handled within about this time."""
# Seconds between heartbeats: a file for the shim, the watchdog for systemd.
_HEARTBEAT = 5.0
PAUSE = 1.0
"""Minimum seconds between two runs of `watch`."""
# Seconds without a run after which a series of runs has ended.
_CALM = 60.0
_LOCKED_RETRY = 5.0
# Seconds for which checks continue although an event has arrived.
_CHECKS_UNDISTURBED = 10.0
# Seconds between runs for due checks: each run also reads WordPress and Closte, and with thousands of domains, one is
# due almost every second.
_CHECKS_APART = 60.0
# Holds that end one after the other (such as hundreds of failed changes) share a run: seconds per hold, and the limit.
_HOLD_APART, _HOLDS_APART = 0.3, 60.0


class Waiter:
    """Wall clock and real waiting, which a signal handler ends by raising. Tests pass their own."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def pause(self, seconds: float) -> None:
        """Wait for this many seconds, or less."""
        time.sleep(seconds)


@dataclass(slots=True)
class Signals:
    """Requests to the loop; safe to set from a signal handler."""

    stop: Flag = field(default_factory=Flag)
    reload: Flag = field(default_factory=Flag)


def touch(path: Path) -> None:
    """Set the time of a marker file to now; errors, such as a full disk, are ignored."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def stamp(path: Path) -> int:
    """Return when a marker file was touched, in nanoseconds; 0 without such a file."""
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


class YieldToEvents:
    """Ends checks if an event has arrived since `seen` and they have run for a while.

    Checks of unresponsive servers can take many minutes, and a newly mapped domain must not wait for them. `seen` is
    the stamp of the trigger file from before WordPress was read; `now` is in seconds.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic, seen: int | None = None) -> None:
        self._trigger = folder / TRIGGER_FILE
        self._now = now
        self._seen = stamp(self._trigger) if seen is None else seen
        self._from: float | None = None

    def __call__(self) -> bool:
        """Return whether to end the checks; the time counts from the first call."""
        now = self._now()
        if self._from is None:
            self._from = now + _CHECKS_UNDISTURBED
        return now >= self._from and stamp(self._trigger) != self._seen


def next_due(report: RunReport, now: float, interval: float) -> float:
    """Return when to run again: after the interval, or sooner if a hold or a check is due."""
    # Compare with the time of the read: a hold that ended during a long run is due now.
    ends = [hold.until for hold in report.plan.held if hold.until and hold.until > report.view.now]
    if ends:
        apart = min(_HOLDS_APART, _HOLD_APART * (len(ends) - 1))
        ends = [max(min(ends), now + apart)]
    verified = report.verified
    if verified and verified.next_check is not None:
        # Wait briefly before processing checks left over from the last run.
        overdue = verified.next_check <= report.view.now
        ends.append(now + PAUSE if overdue else max(verified.next_check, now + _CHECKS_APART))
    if verified and ((verified.moves_later and not verified.trouble) or verified.proven):
        # Stage changes are left over (and did not fail), or a `www.` form can be added now.
        ends.append(now + PAUSE)
    if report.refresh_due is not None:
        ends.append(max(report.refresh_due, now + PAUSE))
    return min([now + interval, *ends])


def run_repeatedly(
    folder: Path,
    run: Callable[[int], float | None],
    waiter: Waiter,
    *,
    pauses: Sequence[float] = (PAUSE,),
    ended: Callable[[], bool] = lambda: False,
    alive: Callable[[], None] = lambda: None,
) -> int:
    """Call `run` when the trigger file in `folder` is touched and when its next run is due.

    `run` gets the stamp of the trigger file and returns the time of the next run, in epoch seconds, or None. The loop
    ends when `ended`, or after a run without a next one and without a new trigger. It calls `alive` while it waits.
    `pauses` are the minimum seconds before each further run of a series. Returns the stamp from before the last run.
    """
    trigger = folder / TRIGGER_FILE
    seen, series, last = 0, 0, 0.0
    while not ended():
        seen = stamp(trigger)
        due = run(seen)
        now = waiter.now()
        series, last = (series + 1 if now - last < _CALM else 0), now
        if due is None and stamp(trigger) == seen:
            break
        waiter.pause(pauses[min(series, len(pauses) - 1)])
        before = waiter.now()
        while not ended() and stamp(trigger) == seen:
            now = waiter.now()
            # A clock that was set back must not prolong the wait.
            if due is None or now >= due or now < before:
                break
            before = now
            alive()
            waiter.pause(min(POLL, due - now))
    return seen


@dataclass(slots=True)
class WatchLoop:
    """Watch loop of one network.

    `work` makes one run and reports it; `tell` reports the error of a failed run. `sign` passes a sentence to the
    service manager, or an empty one as a heartbeat. `reload` reads the config again and returns the state folder. A
    long run calls `alive` from time to time. `seen` is the stamp of the trigger file from before the current run.
    """

    folder: Path
    interval: float
    work: Callable[[], RunReport]
    tell: Callable[[BridgeError], None]
    sign: Callable[[str], None]
    reload: Callable[[], Path]
    waiter: Waiter
    signals: Signals
    seen: int = 0
    _last_heartbeat: float = 0.0
    _give_way: Callable[[], bool] = lambda: False

    def should_yield(self) -> bool:
        """Return whether the checks of this run should end for an event."""
        return self._give_way()

    def alive(self) -> None:
        """Send a heartbeat (throttled)."""
        now = self.waiter.now()
        if abs(now - self._last_heartbeat) >= _HEARTBEAT:
            self._last_heartbeat = now
            touch(self.folder / HEARTBEAT_FILE)
            self.sign("")

    def run(self) -> None:
        """Run until `signals` or KeyboardInterrupt stops it. Errors of a run are reported, and the loop continues."""
        stop, reload = self.signals.stop, self.signals.reload
        try:
            while not stop.is_set():
                run_repeatedly(
                    self.folder,
                    self.once,
                    self.waiter,
                    ended=lambda: stop.is_set() or reload.is_set(),
                    alive=self.alive,
                )
                if reload.is_set() and not stop.is_set():
                    reload.clear()
                    folder = self.reload()
                    if folder != self.folder:
                        self.leave()
                        self.folder = folder
        except KeyboardInterrupt:
            pass  # a signal: the ledger holds everything that was begun
        finally:
            self.leave()

    def leave(self) -> None:
        """Remove the heartbeat file: the loop has ended."""
        with contextlib.suppress(OSError):
            (self.folder / HEARTBEAT_FILE).unlink()

    def once(self, seen: int) -> float:
        """Make one run and return when the next one is due. `seen` is the stamp of the trigger file from before it."""
        self.seen = seen
        self._give_way = YieldToEvents(self.folder, self.waiter.now, seen)
        self._last_heartbeat = 0.0
        self.alive()
        try:
            report = self.work()
        except Exception as failure:
            # Keep the loop alive on any error; the next run may succeed.
            error = failure if isinstance(failure, BridgeError) else unexpected(failure)
            now = self.waiter.now()
            if error.exit_code is ExitCode.LOCKED:
                # A manual run holds the lock; run again right after it.
                self.sign("Waiting: another run is in progress.")
                return now + min(_LOCKED_RETRY, self.interval)
            self.tell(error)
            self.sign(f"Failing: {error.message}")
            return now + self.interval
        self.sign(f"{report.plan.in_sync} in sync, {report.plan.hold_count} on hold.")
        return next_due(report, self.waiter.now(), self.interval)
