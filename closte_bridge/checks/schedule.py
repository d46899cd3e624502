"""Times of the next check, and of the expected certificate. Pure; all times in seconds."""

from __future__ import annotations

import hashlib
from enum import StrEnum

MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0

INTERVAL_BOUNDS = (10.0, 300.0)
"""Range to which Ultimate Multisite limits its `dns_check_interval`."""

YOUNG = DAY
"""Age up to which a domain is checked at the network's own interval."""

EAGER = HOUR
"""Time for which an older domain is checked at that interval after a change."""

CERTIFICATE_SOON = 5 * MINUTE
CERTIFICATE_LATE = 10 * MINUTE
"""Closte usually issues certificates 5 to 10 minutes after DNS is correct."""

_SLOWER = 8.0
"""Divisor of the time since the back-off began: each interval is an eighth longer than the last."""

_JITTER = 0.2


class CertificateDue(StrEnum):
    """How long a certificate has been missing."""

    NOT_YET = "not-yet"  # DNS is incorrect, so no certificate can be issued
    SOON = "soon"
    DUE = "due"
    LATE = "late"  # from now on, a missing certificate is a problem


def certificate_due(ok_since: float | None, now: float) -> CertificateDue:
    """Return how to rate a missing certificate, if DNS has been correct since `ok_since`."""
    if ok_since is None:
        return CertificateDue.NOT_YET
    waited = now - ok_since
    if waited < CERTIFICATE_SOON:
        return CertificateDue.SOON
    return CertificateDue.DUE if waited <= CERTIFICATE_LATE else CertificateDue.LATE


def next_check(name: str, *, first_seen: float, changed: float, settled: bool, interval: float, now: float) -> float:
    """Return the time of the next check of a domain that was checked `now`: at most a day later.

    `first_seen` is when the domain was first wanted, `changed` when its verdict last changed. `settled`: the domain has
    valid HTTPS, so its shortest interval is an hour. `interval` is the network's `dns_check_interval`. After the first
    24 hours (or the first hour after a change), intervals grow up to a day. Up to a fifth is subtracted, depending on
    name and time, so that checks do not cluster.
    """
    low, high = INTERVAL_BOUNDS
    interval = max(low, min(high, interval))
    # Timestamps in the future mean that the clock was set back.
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
    """Return a pseudo-random number from 0 to 1 that depends only on name and time."""
    digest = hashlib.blake2b(f"{name} {now!r}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFF_FFFF
