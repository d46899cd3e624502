"""Notices about certificates that have expired or will expire soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

HINT = (
    "Closte normally renews certificates automatically. "
    "Run `closte-bridge domain check <domain>` to see what blocks the renewal."
)
_DAY = 86_400.0
_SHOWN = 10


class ExpiryNotice(NamedTuple):
    """A notice about certificates. `domain` is set if it concerns a single domain."""

    code: str
    message: str
    domain: str | None


def expiry_words(expiring: Sequence[tuple[str, float]], now: float) -> list[ExpiryNotice]:
    """Return one notice about expired certificates and one about certificates that expire soon, if there are any.

    `expiring`: domains with the end of their certificates. `now` and the ends are in seconds since the epoch.
    """
    expired = [(name, end) for name, end in expiring if end <= now]
    soon = [(name, end) for name, end in expiring if end > now]
    found = []
    if expired:
        found.append(_notice("certificate-expired", expired, now, "expired", "have expired"))
    if soon:
        found.append(_notice("certificate-expiring", soon, now, "expires", "expire soon"))
    return found


def _notice(code: str, ends: Sequence[tuple[str, float]], now: float, one: str, several: str) -> ExpiryNotice:
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
