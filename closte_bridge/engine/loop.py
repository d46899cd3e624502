"""The loop: sync when something happened, when something is due, and at an interval in any case.

It holds nothing between two runs but the time of the next one; all else is in the ledger, so killing it costs nothing.
Time, waiting and the work itself are handed in: a year can be tried in a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from closte_bridge.errors import BridgeError, ExitCode, unexpected
from closte_bridge.flag import Flag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

TRIGGER_FILE = "trigger"
HEARTBEAT_FILE = "heartbeat"
# How often the wake file is looked at, in seconds: an event is acted on within about this time.
_GLANCE = 0.5
# How often it shows that it is alive, in seconds: to the shim by a file, to systemd by its watchdog.
_SIGN_OF_LIFE = 5.0
# A run that something waits for is not started sooner than this after the last one.
_BREATH = 1.0
_LOCKED_AGAIN = 5.0
# Checks of DNS and certificates go on for so long, in seconds, although something has happened meanwhile.
_CHECKS_UNDISTURBED = 10.0
# Each look at a name comes with one at both sides. Of thousands of names nearly each second has one that is due.
_LOOKS_APART = 60.0


# The more holds end one after the other (hundreds of failed changes in back-off), the more of them wait for one run: so
# many seconds for each, and so many at most.
_HOLD_APART, _HOLDS_APART = 0.3, 60.0


class Waiter(Protocol):
    """Where the loop gets the time and waits: the real one, or a test's."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def pause(self, seconds: float) -> None:
        """Return after so many seconds, or sooner."""
        ...


@dataclass(slots=True)
class Signals:
    """What the outside may ask of the loop; safe to set from a signal handler."""

    stop: Flag = field(default_factory=Flag)
    reload: Flag = field(default_factory=Flag)


class RealWaiter:
    """The wall clock, and waiting that a signal cuts short: its handler raises."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


def touch(path: Path) -> None:
    """Set the time of a marker file to now; a full or read-only disk only means that nobody sees it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def stamp(path: Path) -> int:
    """Return when a marker file was touched, in nanoseconds; 0 when there is none."""
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


class YieldToEvents:
    """Tells when checks give way to an event: one arrived since `seen`, and they have had a while by now.

    Names whose servers keep silent can take many minutes; whoever has just mapped a domain does not wait for them.
    `seen` is the wake file's stamp from before WordPress was read, `now` is in seconds.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic, seen: int | None = None) -> None:
        self._wake = folder / TRIGGER_FILE
        self._now = now
        self._seen = stamp(self._wake) if seen is None else seen
        self._from: float | None = None

    def __call__(self) -> bool:
        """Return whether checks are to end; the time counts from the first call."""
        now = self._now()
        if self._from is None:
            self._from = now + _CHECKS_UNDISTURBED
        return now >= self._from and stamp(self._wake) != self._seen


def next_due(report: RunReport, now: float, interval: float) -> float:
    """Return when to run again: at the interval, or sooner when a hold ends before that."""
    # By the time of the read: what became due while a long run went on is due now.
    ends = [hold.until for hold in report.plan.held if hold.until and hold.until > report.view.now]
    if ends:
        apart = min(_HOLDS_APART, _HOLD_APART * (len(ends) - 1))
        ends = [max(min(ends), now + apart)]
    verified = report.verified
    if verified and verified.next_check is not None:
        # What was due already and is left (more than one run looks at) is looked at after a breath, not at once.
        overdue = verified.next_check <= report.view.now
        ends.append(now + _BREATH if overdue else max(verified.next_check, now + _LOOKS_APART))
    if verified and ((verified.moves_later and not verified.trouble) or verified.proven):
        # More stages than one run moves (unless moving them fails), or a `www.` name that may be added now.
        ends.append(now + _BREATH)
    return min([now + interval, *ends])


@dataclass(slots=True)
class WatchLoop:
    """The loop of one network. `work` makes one run and tells of it; `tell` is given the error of a run that failed.

    `sign` is given a sentence for the service manager, or nothing but the fact that this is alive; `reload` reads the
    configuration again and returns the state folder. A run that takes long calls `alive` from time to time.
    """

    folder: Path
    interval: float
    work: Callable[[], RunReport]
    tell: Callable[[BridgeError], None]
    sign: Callable[[str], None]
    reload: Callable[[], Path]
    waiter: Waiter
    signals: Signals
    _last_sign: float = 0.0
    _seen: int = 0
    _give_way: Callable[[], bool] = lambda: False

    def should_yield(self) -> bool:
        """Return whether the checks of this run are to give way to an event."""
        return self._give_way()

    def alive(self) -> None:
        """Show that this is alive, unless that was done a moment ago."""
        now = self.waiter.now()
        if abs(now - self._last_sign) >= _SIGN_OF_LIFE:
            self._last_sign = now
            touch(self.folder / HEARTBEAT_FILE)
            self.sign("")

    def run(self) -> None:
        """Run until told to stop, by `signals` or KeyboardInterrupt. Errors of a run are told, and the loop goes on."""
        try:
            self._run()
        except KeyboardInterrupt:
            pass  # a signal: what was begun is in the ledger
        finally:
            self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / HEARTBEAT_FILE).unlink()

    def _run(self) -> None:
        while not self.signals.stop.is_set():
            if self.signals.reload.is_set():
                self.signals.reload.clear()
                folder = self.reload()
                if folder != self.folder:
                    self._leave()
                    self.folder = folder
            self._seen = stamp(self.folder / TRIGGER_FILE)
            self._give_way = YieldToEvents(self.folder, self.waiter.now, self._seen)
            due = self._once()
            self._wait(due)

    def _once(self) -> float:
        self._last_sign = 0.0
        self.alive()
        try:
            report = self.work()
        except Exception as failure:
            # Whatever it is, the next run may do better; a loop that ends does nothing at all.
            error = failure if isinstance(failure, BridgeError) else unexpected(failure)
            now = self.waiter.now()
            if error.exit_code is ExitCode.LOCKED:
                # Somebody runs by hand; what it leaves is ours right after.
                self.sign("Waiting: another run holds the lock.")
                return now + min(_LOCKED_AGAIN, self.interval)
            self.tell(error)
            self.sign(f"Failing: {error.message}")
            return now + self.interval
        self.sign(f"{report.plan.in_sync} in step, {report.plan.hold_count} held.")
        return next_due(report, self.waiter.now(), self.interval)

    def _wait(self, due: float) -> None:
        self.waiter.pause(_BREATH)
        deadline = max(due, self.waiter.now())
        while not (self.signals.stop.is_set() or self.signals.reload.is_set()):
            remaining = deadline - self.waiter.now()
            # A clock that was set back must not make the loop sleep for longer than it meant to.
            if remaining <= 0 or remaining > self.interval + _LOCKED_AGAIN:
                return
            if stamp(self.folder / TRIGGER_FILE) != self._seen:
                return
            self.alive()
            self.waiter.pause(min(_GLANCE, remaining))
