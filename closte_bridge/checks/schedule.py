"""When a domain is looked at next, and when its certificate may be expected. Pure; all times in seconds."""

from __future__ import annotations

import hashlib
from enum import StrEnum

MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0

INTERVAL_BOUNDS = (10.0, 300.0)
"""To what Ultimate Multisite clamps its `dns_check_interval`."""

YOUNG = DAY
"""For how long a domain is looked at at the network's own interval."""

EAGER = HOUR
"""For how long it is so again after something about an older domain has changed."""

CERTIFICATE_SOON = 5 * MINUTE
CERTIFICATE_LATE = 10 * MINUTE
"""Closte's certificates usually come 5 to 10 minutes after DNS is right."""

_SLOWER = 8.0
"""The wait is this fraction of the time since the back-off began, so that each is an eighth longer than the last."""

_JITTER = 0.2


class CertificateDue(StrEnum):
    """How long the certificate has been awaited."""

    NOT_YET = "not-yet"  # DNS is not right, so nobody can issue
    SOON = "soon"
    DUE = "due"
    LATE = "late"  # only now its absence is a problem


def certificate_due(ok_since: float | None, now: float) -> CertificateDue:
    """Return what the absence of a certificate means, when DNS has been right since `right_since`."""
    if ok_since is None:
        return CertificateDue.NOT_YET
    waited = now - ok_since
    if waited < CERTIFICATE_SOON:
        return CertificateDue.SOON
    return CertificateDue.DUE if waited <= CERTIFICATE_LATE else CertificateDue.LATE


def next_check(name: str, *, first_seen: float, changed: float, settled: bool, interval: float, now: float) -> float:
    """Return when a domain that was looked at `now` is looked at next: always, and at most a day later.

    `first_seen` is when it was first wanted, `changed` when its verdict last changed. `settled`: visitors have their
    padlock, so that there is nothing to wait for; such a domain starts at an hour. `interval` is the network's
    `dns_check_interval`. Beyond the first 24 hours (the first hour after a change) waits grow to a day; they are
    shortened by up to a fifth, differently for each name and time, so that no crowd forms.
    """
    low, high = INTERVAL_BOUNDS
    interval = max(low, min(high, interval))
    # A time from the future is one that the clock has taken back.
    age, since_change = max(0.0, now - first_seen), max(0.0, now - changed)
    wait = min(_back_off(age, YOUNG), _back_off(since_change, EAGER))
    if settled:
        wait = max(wait, HOUR)
    if wait <= interval:
        return now + interval
    return now + max(interval, min(wait, DAY) * (1.0 - _JITTER * _fraction(name, now)))


def _back_off(age: float, calm: float) -> float:
    return max(0.0, age - calm) / _SLOWER


def _fraction(name: str, now: float) -> float:
    """Return a number from 0 to 1 that looks random and is the same for the same name and time."""
    digest = hashlib.blake2b(f"{name} {now!r}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFF_FFFF
