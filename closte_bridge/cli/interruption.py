"""How signals end a process: by one interruption, whichever of them come, and within a bounded time.

A handler runs in the middle of whatever the main thread does, also of another handler. So it takes no lock, writes
nothing, and calls nothing that does.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from closte_bridge.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Signals that come within so many seconds of the first mean the same: what ends well is not disturbed.
_SAME = 1.0
# Seconds after which the kernel ends a process that was interrupted, wherever it hangs. A kill loses nothing.
_AT_MOST = 8.0


def end_on(numbers: Iterable[int], before: Callable[[], None] = lambda: None) -> None:
    """Make these signals raise Interrupted in the main thread, after `before`, which must not take a lock either."""
    first: float | None = None

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            signal.setitimer(signal.ITIMER_REAL, _AT_MOST)
        elif now - first < _SAME:
            return
        before()
        raise Interrupted

    # The kernel's own action, which needs nothing of Python.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in numbers:
        signal.signal(number, interrupt)


def ended() -> None:
    """Ignore signals from now on: the process is about to end, with the exit code that it has."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)
