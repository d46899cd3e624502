"""What looking has proven about the DNS of domains, in the form in which the shim is told.

Apart from the histories, because it is needed before `wp` starts, and nothing that they stand on may delay that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

MOST_VERDICTS = 500
"""The option that holds them is read whole whenever a mapping changes."""

# Ultimate Multisite asks about mappings that have not arrived, and their names are looked at often. What was seen
# before may be of another site's time, or mended since.
_HOLDS_FOR = 3600.0

# Those that changed last are those that Ultimate Multisite asks about. What is behind them is not even read. Where
# there is not room for all, those that are right come first: it asks only once its own checks have found nothing right.
_NEWEST = f"""
SELECT name, points_here, checked_at FROM (
    SELECT name, points_here, checked_at, dns, changed FROM check_state ORDER BY changed DESC LIMIT {4 * MOST_VERDICTS}
) WHERE dns NOT IN ('', 'time-out', 'unknown') ORDER BY points_here DESC, changed DESC LIMIT {MOST_VERDICTS}
"""  # noqa: S608 - numbers of our own


def verdicts(ledger: Ledger, now: float) -> dict[str, bool]:
    """Return whether each domain's DNS is right, as far as a look has shown it lately; of a silence nothing follows."""
    return {
        str(name): bool(right)
        for name, right, looked in ledger.query(_NEWEST)
        if looked is not None and 0 <= now - float(looked) <= _HOLDS_FOR
    }
