"""Tests of the time of a domain's next check: properties that hold for every domain at every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.schedule import DAY, HOUR, MINUTE, CertificateDue, certificate_due, next_check

INTERVALS = st.floats(10, 300)
TIMES = st.floats(0, 4e9)
AGES = st.floats(0, 400 * DAY)


def wait(age: float, *, since_change: float | None = None, settled: bool = False, interval: float = 300.0) -> float:
    now = 1e9
    changed = now - (age if since_change is None else since_change)
    due = next_check("shop.test", first_seen=now - age, changed=changed, settled=settled, interval=interval, now=now)
    return due - now


@given(AGES, AGES, st.booleans(), st.floats(-1e9, 1e9), st.text(max_size=20), TIMES)
def test_next_check_is_always_within_a_day(
    age: float, since_change: float, settled: bool, interval: float, name: str, now: float
) -> None:
    due = next_check(
        name, first_seen=now - age, changed=now - since_change, settled=settled, interval=interval, now=now
    )
    assert now + 9.99 <= due <= now + DAY


@given(TIMES, TIMES, TIMES, st.booleans(), INTERVALS)
def test_future_timestamps_keep_the_next_check_within_a_day(
    first_seen: float, changed: float, now: float, settled: bool, interval: float
) -> None:
    due = next_check("a.test", first_seen=first_seen, changed=changed, settled=settled, interval=interval, now=now)
    assert now < due <= now + DAY


@given(st.floats(0, DAY), INTERVALS)
def test_first_24_hours_use_the_networks_interval(age: float, interval: float) -> None:
    assert wait(age, interval=interval) == pytest.approx(interval)


@given(AGES, st.floats(0, HOUR), INTERVALS)
def test_hour_after_a_change_uses_the_networks_interval(age: float, since_change: float, interval: float) -> None:
    assert wait(age, since_change=since_change, interval=interval) == pytest.approx(interval)


@given(AGES, AGES, INTERVALS)
def test_waits_grow_with_age_up_to_jitter(younger: float, older: float, interval: float) -> None:
    younger, older = sorted((younger, older))
    assert wait(younger, interval=interval) * 0.8 <= wait(older, interval=interval) + 1e-3


@given(AGES, st.floats(0, HOUR), INTERVALS)
def test_settled_domain_waits_at_least_48_minutes(age: float, since_change: float, interval: float) -> None:
    assert wait(age, since_change=since_change, settled=True, interval=interval) >= 0.8 * HOUR


def test_waits_reach_an_hour_and_then_a_day() -> None:
    assert 0.8 * HOUR <= wait(32 * HOUR) <= HOUR
    assert 0.8 * DAY <= wait(10 * DAY) <= DAY
    assert 0.8 * DAY <= wait(1000 * DAY) <= DAY


def test_interval_is_clamped_like_in_ultimate_multisite() -> None:
    assert wait(0, interval=1) == 10
    assert wait(0, interval=3000) == 300


def test_next_checks_are_spread_out() -> None:
    now = 1e9
    due = {
        next_check(f"{i}.test", first_seen=0, changed=0, settled=True, interval=300, now=now) - now for i in range(200)
    }
    assert len(due) > 190
    assert max(due) - min(due) > 0.15 * DAY


def test_incorrect_domain_is_checked_a_few_hundred_times_a_year() -> None:
    first = now = 1e9
    looks = 0
    while now < first + 365 * DAY:
        now = next_check("shop.test", first_seen=first, changed=first, settled=False, interval=300, now=now)
        looks += 1
    assert 288 + 355 < looks < 900


@pytest.mark.parametrize(
    ("waited", "expected"),
    [
        (None, CertificateDue.NOT_YET),
        (-5.0, CertificateDue.SOON),
        (0.0, CertificateDue.SOON),
        (5 * MINUTE, CertificateDue.DUE),
        (10 * MINUTE, CertificateDue.DUE),
        (10 * MINUTE + 1, CertificateDue.LATE),
        (DAY, CertificateDue.LATE),
    ],
)
def test_certificate_due_depends_on_the_time_waited(waited: float | None, expected: CertificateDue) -> None:
    now = 1e9
    assert certificate_due(None if waited is None else now - waited, now) is expected
