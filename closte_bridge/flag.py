"""A flag for signal handlers and threads, without a lock.

A signal can strike in the middle of `threading.Event.set` or `wait`. A handler then waits for a lock that its own
thread holds, and an exception can leave that lock taken. A flag has no lock.
"""

from __future__ import annotations

import time

_SLICE = 0.1


class Flag:
    """Something that is set or not. Each method may be called in any thread, and be interrupted anywhere."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set it."""
        self._is_set = True

    def clear(self) -> None:
        """Take it back."""
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for so many seconds at most; return whether it is. Reads it ten times a second."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE, left))
        return self._is_set
