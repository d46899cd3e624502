"""The loop of `watch` for several networks in one process.

One thread decides which networks are due, and a run gets a thread of its own. So a slow network takes one of these, and
delays no other.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.engine.loop import PAUSE, POLL, TRIGGER_FILE, stamp
from closte_bridge.wordpress.process import end_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from closte_bridge.engine.loop import Signals, Waiter, WatchLoop

_CONCURRENT = 8
"""Runs in progress. Each has a `wp`, and needs memory for a whole network."""
# Seconds for running threads to end after a signal.
_END_WITHIN = 2.0


@dataclass(slots=True, eq=False)
class _Turn:
    """When one network runs next. `before` is the time of the last check, `rest` the end of the pause after a run."""

    loop: WatchLoop
    seen: int = 0
    due: float = 0.0
    rest: float = 0.0
    before: float = 0.0
    thread: threading.Thread | None = None

    def is_due(self, now: float) -> bool:
        # A clock that was set back must not prolong the wait.
        set_back = now < self.before
        self.before = now
        if self.thread or (now < self.rest and not set_back):
            return False
        # Not `stamp`: joining paths takes longer than the question, for each network twice a second.
        return set_back or now >= self.due or _stamp(f"{self.loop.folder}/{TRIGGER_FILE}") != self.seen


def _stamp(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


@dataclass(slots=True)
class FleetLoop:
    """Loops of several networks. `reload` reads the config again and returns the loops from then on.

    `alive` is called about twice a second. Errors of a run are reported by its own loop.
    """

    loops: Sequence[WatchLoop]
    waiter: Waiter
    signals: Signals
    reload: Callable[[], Sequence[WatchLoop]]
    alive: Callable[[], None]
    _turns: list[_Turn] = field(default_factory=list)

    def run(self) -> None:
        """Run until `signals` or KeyboardInterrupt stops it."""
        self._turns = [_Turn(loop) for loop in self.loops]
        try:
            while not self.signals.stop.is_set():
                if self.signals.reload.is_set():
                    self.signals.reload.clear()
                    self._replace(self.reload())
                self.alive()
                self._start_due(self.waiter.now())
                self.waiter.pause(POLL)
        except KeyboardInterrupt:
            pass  # a signal: the ledgers hold everything that was begun
        finally:
            self._end()

    def _start_due(self, now: float) -> None:
        running = sum(1 for turn in self._turns if turn.thread)
        for turn in sorted(self._turns, key=lambda turn: turn.due):
            if not turn.thread:
                turn.loop.alive()
            if running < _CONCURRENT and turn.is_due(now):
                running += 1
                turn.thread = threading.Thread(target=self._run, args=(turn,), name="run", daemon=True)
                turn.thread.start()

    def _run(self, turn: _Turn) -> None:
        try:
            turn.seen = stamp(turn.loop.folder / TRIGGER_FILE)
            turn.due = turn.loop.once(turn.seen)
        finally:
            turn.rest = self.waiter.now() + PAUSE
            turn.thread = None

    def _replace(self, loops: Sequence[WatchLoop]) -> None:
        """Watch these loops from now on. One that is new or has another config runs immediately."""
        known = {id(turn.loop): turn for turn in self._turns}
        turns = [known.pop(id(loop)) if id(loop) in known else _Turn(loop) for loop in loops]
        for turn in turns:
            turn.due = 0.0
        for turn in known.values():
            turn.loop.leave()
        self._turns = turns

    def _end(self) -> None:
        self.signals.stop.set()
        # Only the main thread is interrupted. The others end soon, or with the process.
        end_all()
        end = self.waiter.now() + _END_WITHIN
        for turn in self._turns:
            if thread := turn.thread:
                thread.join(max(0.0, end - self.waiter.now()))
            turn.loop.leave()
