"""How fast requests may go, and for how long in vain: one rate limit and one patience for all threads."""

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
"""Seconds. A longer pause is not waited for: the run ends, and the next one comes later anyway."""

_SLACK = 0.05
_RECOVERY_STEPS = 50
_SLOWEST = 0.5
_FOREVER = 10.0**9


class RateLimiter:
    """Hand out the moments at which requests may start.

    Slots lie `1/rate` seconds apart on one time line that all threads share, so a thread that wakes late does
    not move the slots of the others; up to 50 ms (at least one slot) of missed slots are made up for.
    `slow_down` halves the rate once for each wave of refusals, `speed_up` brings it back in small steps.

    `wait` sleeps for some seconds and returns True when the caller should stop; `clock` is monotonic seconds.
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
        """Requests per second at present."""
        return self._rate

    @property
    def closed_for(self) -> float:
        """Seconds for which the API wants no requests and which are not waited for; 0 when open."""
        return max(0.0, self._closed_until - self._clock())

    @property
    def held_for(self) -> float:
        """Seconds of a pause that is waited for; 0 when there is none."""
        return max(0.0, self._held_until - self._clock())

    def acquire(self, within: float = _FOREVER) -> int | None:
        """Wait for a slot, `within` so many seconds.

        Return the number of the present wave, or None when nothing may be sent.
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
            # Another thread may have been told to pause while this one slept.
            if slot >= self._held_until or self._clock() >= self._held_until:
                return wave if self._clock() >= self._closed_until else None

    def slow_down(self, wave: int, pause: float | None) -> None:
        """Take note that the API had too much, of a request that `acquire` let go in `wave`.

        `pause` is what it asked for, in seconds. All requests in flight are refused together: only the first
        of a wave lowers the rate.
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
        """Take note that a request was answered well."""
        if self._rate < self._full_rate:
            with self._lock:
                self._rate = min(self._full_rate, self._rate + self._full_rate / _RECOVERY_STEPS)


class Patience:
    """For how many `seconds` the API may be asked in vain.

    Time counts while at least one call is under way, pauses included, and starts over with each answer of use. `clock`
    is monotonic seconds. `spent` is the time of all calls so far.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = 0
        self._mark = 0.0
        self._in_vain = 0.0

    @property
    def left(self) -> float:
        """Seconds that are left; 0 or less when there is no patience left."""
        with self._lock:
            self._count()
            return self.seconds - self._in_vain

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
        """Take note of an answer of use."""
        with self._lock:
            self._count()
            self._in_vain = 0.0

    def _count(self) -> None:
        now = self._clock()
        if self._under_way:
            self.spent += now - self._mark
            self._in_vain += now - self._mark
        self._mark = now


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None when it says nothing of use.

    `value` is the header (RFC 9110, 10.2.3: seconds, or an HTTP date), `date` the answer's own `Date`,
    against which a date is measured so that a wrong clock here does not matter, `now` the time in seconds
    since 1970.
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
