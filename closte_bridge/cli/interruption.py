"""End the process on signals: with a single interruption, and within a bounded time.

A handler can interrupt the main thread anywhere, also inside another handler. So it must not acquire a lock or write.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from closte_bridge.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Ignore more signals within so many seconds of the first: they do not disturb the cleanup.
_SAME_WITHIN = 1.0
# Seconds after which the kernel ends an interrupted process that hangs. A kill loses nothing.
_KILL_AFTER = 8.0


def end_on(numbers: Iterable[int], before: Callable[[], None] = lambda: None) -> None:
    """Make these signals raise Interrupted in the main thread, after `before`, which must not acquire a lock."""
    first: float | None = None

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            signal.setitimer(signal.ITIMER_REAL, _KILL_AFTER)
        elif now - first < _SAME_WITHIN:
            return
        before()
        raise Interrupted

    # The default action, which works even if Python hangs.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in numbers:
        signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Ignore signals from now on: the process is ending with its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)
