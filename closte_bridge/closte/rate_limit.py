"""Thread-safe adaptive rate limiter, and a time limit for requests without a usable response."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_RATE = 10.0
LONGEST_PAUSE = 60.0
"""Seconds. Instead of waiting longer, the run ends; a later run does the rest."""

_SLACK = 0.05
_RECOVERY_STEPS = 50
_SLOWEST = 0.5
_FOREVER = 10.0**9


class RateLimiter:
    """Adaptive rate limiter for all threads.

    Slots are `1/rate` seconds apart on one shared time line, so a thread that wakes late does not move the slots of the
    others. Up to 50 ms (at least one slot) of missed slots are made up for. `slow_down` halves the rate once for each
    wave of rejected requests, `speed_up` restores it in small steps.

    `wait` sleeps for some seconds and returns whether the caller must stop. `clock` returns monotonic seconds.
    """

    def __init__(
        self,
        rate: float = DEFAULT_RATE,
        *,
        wait: Callable[[float], bool],
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slowed = 0
        self._full_rate = rate
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._longest_pause = longest_pause
        self._lock = threading.Lock()
        self._next = clock()
        self._held_until = self._next
        self._closed_until = self._next
        self._wave = 0

    @property
    def rate(self) -> float:
        """Current requests per second."""
        return self._rate

    @property
    def closed_for(self) -> float:
        """Seconds left of a pause that is too long to wait for; 0 if there is no such pause."""
        return max(0.0, self._closed_until - self._clock())

    @property
    def held_for(self) -> float:
        """Seconds left of a pause that is short enough to wait for; 0 if there is no such pause."""
        return max(0.0, self._held_until - self._clock())

    def acquire(self, within: float = _FOREVER) -> int | None:
        """Wait at most `within` seconds for a slot.

        Return the number of the current wave, or None if nothing may be sent.
        """
        while True:
            with self._lock:
                now = self._clock()
                if now < self._closed_until:
                    return None
                slack = max(_SLACK, 1 / self._rate)
                slot = max(self._next, self._held_until, now - slack)
                self._next = slot + 1 / self._rate
                wave = self._wave
            if self._wait(max(0.0, min(slot - now, within))) or slot - now > within:
                return None
            # A pause may have begun while this thread slept.
            if slot >= self._held_until or self._clock() >= self._held_until:
                return wave if self._clock() >= self._closed_until else None

    def slow_down(self, wave: int, pause: float | None) -> None:
        """Record that a request from `wave` was rate-limited.

        `pause` is the requested pause in seconds. All requests in flight are rejected together, so only the first of a
        wave lowers the rate.
        """
        with self._lock:
            if pause is not None:
                until = self._clock() + pause
                if pause > self._longest_pause:
                    self._closed_until = max(self._closed_until, until)
                else:
                    self._held_until = max(self._held_until, until)
            if wave == self._wave:
                self._wave += 1
                self.slowed += 1
                self._rate = max(self._rate / 2, min(self._full_rate, _SLOWEST))
                self._next = max(self._next, self._clock() + 1 / self._rate)

    def speed_up(self) -> None:
        """Record that a request was not rate-limited."""
        if self._rate < self._full_rate:
            with self._lock:
                self._rate = min(self._full_rate, self._rate + self._full_rate / _RECOVERY_STEPS)


class Patience:
    """Time limit, in `seconds`, for requests without a usable response.

    Time counts while at least one call is in progress, including pauses, and restarts with each usable response.
    `clock` returns monotonic seconds. `spent` is the time of all calls so far.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = 0
        self._counted_at = 0.0
        self._unanswered = 0.0

    @property
    def left(self) -> float:
        """Seconds left; 0 or less if the time is up."""
        with self._lock:
            self._count()
            return self.seconds - self._unanswered

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the body as a call."""
        with self._lock:
            self._count()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._under_way -= 1

    def start_over(self) -> None:
        """Record a usable response."""
        with self._lock:
            self._count()
            self._unanswered = 0.0

    def _count(self) -> None:
        now = self._clock()
        if self._under_way:
            self.spent += now - self._counted_at
            self._unanswered += now - self._counted_at
        self._counted_at = now


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None if it is missing or invalid.

    `value` is the header (RFC 9110, section 10.2.3: seconds, or an HTTP date). A date counts from `date`, the
    response's own `Date`, so that a wrong local clock does not matter, else from `now`, in seconds since the epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text, re.ASCII):
        return min(float(text[:30]), _FOREVER)
    until = _timestamp(text)
    if until is None:
        return None
    since = _timestamp(date) if date is not None else None
    return min(max(0.0, until - (since if since is not None else now)), _FOREVER)


def _timestamp(text: str) -> float | None:
    try:
        moment: datetime = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
