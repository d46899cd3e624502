"""What the shim needs to know: DNS verdicts of domains, and the addresses to which domains must point.

Separate from `check_state`, because they are needed before `wp` starts, and further imports would delay it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from closte_bridge.ledger.meta import ADDRESSES, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.ledger.store import Ledger

MOST_VERDICTS = 500
"""WordPress loads all verdicts whenever a mapping changes, so their number is limited."""

# Seconds for which a verdict is valid. New mappings are checked often; an older verdict may be outdated.
_VALID_FOR = 3600.0

# Ultimate Multisite asks about recently changed mappings, so only those are read. Correct domains come first, because
# it asks only if its own checks have failed.
_NEWEST = f"""
SELECT name, points_here, checked_at FROM (
    SELECT name, points_here, checked_at, dns, changed FROM check_state ORDER BY changed DESC LIMIT {4 * MOST_VERDICTS}
) WHERE dns NOT IN ('', 'time-out', 'unknown') ORDER BY points_here DESC, changed DESC LIMIT {MOST_VERDICTS}
"""  # noqa: S608 - fixed numbers


def shim_status(ledger: Ledger, now: float) -> dict[str, object]:
    """Return the part of the status that the shim stores: `verdicts`, `addresses` and the `summary`."""
    return {"verdicts": verdicts(ledger, now), "addresses": addresses(ledger), "summary": summary(ledger)}


def summary(ledger: Ledger) -> dict[str, object]:
    """Return the summary of the last run for people in WordPress; empty without one."""
    text = SUMMARY.of(ledger.meta())
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def addresses(ledger: Ledger) -> list[str]:
    """Return the addresses to which domains must point, as last observed; empty if unknown."""
    return [str(address) for address in ADDRESSES.of(ledger.meta())]


def save_addresses(ledger: Ledger, found: Sequence[str]) -> None:
    """Save the addresses if they changed; inside a transaction."""
    if list(found) != addresses(ledger):
        ledger.save(ADDRESSES.to([*found]))


def verdicts(ledger: Ledger, now: float) -> dict[str, bool]:
    """Return whether each recently checked domain points here. A check without a response is no verdict."""
    return {
        str(name): bool(points_here)
        for name, points_here, checked_at in ledger.query(_NEWEST)
        if checked_at is not None and 0 <= now - float(checked_at) <= _VALID_FOR
    }
