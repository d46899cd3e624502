"""Certificates that have ended or soon will, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

HINT = "Closte renews certificates by itself. `closte-bridge domain check <domain>` says what keeps it from that."
_DAY = 86_400.0
_SHOWN = 10


class ExpiryNotice(NamedTuple):
    """What is to be said of certificates. `domain` is there when it is about a single one."""

    code: str
    message: str
    domain: str | None


def expiry_words(expiring: Sequence[tuple[str, float]], now: float) -> list[ExpiryNotice]:
    """Return one sentence about certificates that have expired, and one about those that soon will.

    `expiring` are names with the end of their certificates; `now` and the ends are in seconds since the epoch.
    """
    late = [(name, end) for name, end in expiring if end <= now]
    soon = [(name, end) for name, end in expiring if end > now]
    found = []
    if late:
        found.append(_words("certificate-expired", late, now, "expired", "have expired"))
    if soon:
        found.append(_words("certificate-expiring", soon, now, "expires", "expire within 14 days"))
    return found


def _words(code: str, ends: Sequence[tuple[str, float]], now: float, one: str, several: str) -> ExpiryNotice:
    if len(ends) == 1:
        ((name, end),) = ends
        return ExpiryNotice(code, f'The certificate of "{name}" {one} {_when(end, now)}.', name)
    shown = ", ".join(f'"{name}" {_when(end, now)}' for name, end in ends[:_SHOWN])
    more = f" and {len(ends) - _SHOWN} more" if len(ends) > _SHOWN else ""
    return ExpiryNotice(code, f"The certificates of {len(ends)} domains {several}: {shown}{more}.", None)


def _when(end: float, now: float) -> str:
    days = int(abs(end - now) // _DAY)
    if not days:
        return "today"
    count = counted(days, "day")
    return f"in {count}" if end > now else f"{count} ago"
