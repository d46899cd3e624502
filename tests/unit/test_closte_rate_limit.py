from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from closte_bridge.closte.rate_limit import RateLimiter, retry_after


@dataclass
class Time:
    """A clock that advances only during a sleep."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    stopped: bool = False

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.slept.append(seconds)
        self.now += seconds
        return self.stopped


def limiter(time: Time, rate: float = 10.0, longest_pause: float = 60.0) -> RateLimiter:
    return RateLimiter(rate, wait=time.wait, clock=time.clock, longest_pause=longest_pause)


def test_rate_is_kept() -> None:
    time = Time()
    pace = limiter(time)
    starts = []
    for _ in range(100):
        assert pace.acquire() is not None
        starts.append(time.now - 1000)
    assert starts == pytest.approx([number / 10 for number in range(100)])


def test_slow_caller_loses_no_slot() -> None:
    time = Time()
    pace = limiter(time, rate=100)
    for _ in range(100):
        pace.acquire()
        time.now += 0.008  # the work takes almost a whole slot
        if len(time.slept) % 10 == 0:
            time.now += 0.02  # and sometimes longer than a slot
    assert time.now - 1000 == pytest.approx(1.0, abs=0.05)


def test_idle_time_is_not_caught_up() -> None:
    time = Time()
    pace = limiter(time)
    pace.acquire()
    time.now += 3600
    before = time.now
    for _ in range(11):
        pace.acquire()
    assert time.now - before >= 0.9


def test_slows_down_once_per_wave_and_recovers_slowly() -> None:
    time = Time()
    pace = limiter(time)
    waves = [pace.acquire() for _ in range(4)]
    for wave in waves:
        assert wave is not None
        pace.slow_down(wave, None)
    assert pace.rate == 5
    assert pace.slowed == 1
    wave = pace.acquire()
    assert wave is not None
    pace.slow_down(wave, None)
    assert pace.rate == 2.5
    pace.speed_up()
    assert pace.rate == pytest.approx(2.7)
    for _ in range(100):
        pace.speed_up()
    assert pace.rate == 10


def test_rate_has_a_minimum() -> None:
    time = Time()
    pace = limiter(time)
    for _ in range(50):
        wave = pace.acquire()
        assert wave is not None
        pace.slow_down(wave, None)
    assert pace.rate == 0.5
    slow = limiter(Time(), rate=0.1)
    slow.slow_down(0, None)
    assert slow.rate == 0.1


def test_requested_pause_is_kept() -> None:
    time = Time()
    pace = limiter(time)
    wave = pace.acquire()
    assert wave is not None
    pace.slow_down(wave, 30)
    pace.acquire()
    assert time.now == pytest.approx(1030)


def test_sleeping_caller_respects_a_new_pause() -> None:
    time = Time()
    pace = limiter(time)
    pace.acquire()
    first = True

    def wait(seconds: float) -> bool:
        nonlocal first
        time.wait(seconds)
        if first:
            first = False
            pace.slow_down(0, 30)
        return False

    pace._wait = wait  # the only way to test the moment between two threads
    pace.acquire()
    assert time.now >= 1030


def test_excessive_pause_closes_the_limiter_temporarily() -> None:
    time = Time()
    pace = limiter(time)
    wave = pace.acquire()
    assert wave is not None
    pace.slow_down(wave, 3600)
    assert pace.acquire() is None
    assert pace.closed_for == pytest.approx(3600)
    assert sum(time.slept) == 0
    time.now += 3601
    assert pace.acquire() is not None
    assert pace.closed_for == 0


def test_stopped_limiter_grants_no_slot() -> None:
    time = Time(stopped=True)
    assert limiter(time).acquire() is None


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("120", None, 120),
        (" 0 ", None, 0),
        ("1.5", None, 1.5),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
        ("9" * 400, None, 10**9),
        ("٣", None, None),
        ("Thu, 01 Jan 1970 00:20:00 GMT", None, 200),
        ("Thu, 01 Jan 1970 00:20:00 -0000", None, 200),
        ("Thu, 01 Jan 1970 00:01:00 GMT", None, 0),
        ("Thu, 01 Jan 1970 00:20:00 GMT", "Thu, 01 Jan 1970 00:19:30 GMT", 30),
        ("Thu, 01 Jan 1970 00:20:00 GMT", "yesterday", 200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None, 10**9),
        ("Thu, 99 Jan 1970 00:20:00 GMT", None, None),
    ],
)
def test_retry_after_header_is_parsed(value: str | None, date: str | None, seconds: float | None) -> None:
    assert retry_after(value, date, now=1000.0) == seconds
