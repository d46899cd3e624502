"""A flag for signal handlers and threads, without a lock.

A signal can arrive in the middle of `threading.Event.set` or `wait`. Its handler then waits for a lock that its own
thread holds, and an exception can leave that lock acquired. A flag has no lock.
"""

from __future__ import annotations

import time

_SLICE = 0.1


class Flag:
    """A boolean. Each method may be called from any thread and interrupted anywhere."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set the flag."""
        self._is_set = True

    def clear(self) -> None:
        """Clear the flag."""
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` until the flag is set; return whether it is. Polls ten times a second."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE, left))
        return self._is_set
