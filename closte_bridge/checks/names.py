"""Match the names in a certificate with a host name (RFC 9525, section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEWEST_LABELS_UNDER_A_WILDCARD = 2


def covers(presented: str, host: str) -> bool:
    """Return whether the DNS name `presented` in a certificate covers `host` (A-labels, no trailing dot).

    A wildcard must be the complete left-most label, and covers exactly one label. Partial wildcards and wildcards for a
    top-level domain cover nothing. Names outside ASCII cover nothing, because certificates use A-labels.
    """
    if not presented.isascii():
        return False
    presented, host = presented.lower(), host.lower()
    if "*" not in presented:
        return presented == host
    star, _, base = presented.partition(".")
    if star != "*" or "*" in base or base.count(".") + 1 < _FEWEST_LABELS_UNDER_A_WILDCARD:
        return False
    label, _, rest = host.partition(".")
    return bool(label) and rest == base


def any_covers(presented: Iterable[str], host: str) -> bool:
    """Return whether one of the names covers `host`."""
    return any(covers(name, host) for name in presented)
