"""Which host names a name in a certificate stands for (RFC 9525, section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEWEST_LABELS_UNDER_A_WILDCARD = 2


def covers(presented: str, host: str) -> bool:
    """Tell whether the DNS name `presented` in a certificate stands for `host` (A-labels, no trailing dot).

    A wildcard is the whole left-most label and stands for exactly one; there are no partial wildcards, and none
    for a whole top-level domain. A name that is not in ASCII stands for nothing: certificates hold A-labels.
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
    """Tell whether one of the names does."""
    return any(covers(name, host) for name in presented)
