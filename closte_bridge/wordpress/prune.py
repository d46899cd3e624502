"""Let Ultimate Multisite delete mappings whose site does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.results import StageOutcome, WriteResult, parse_result
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.snapshot import Mapping

# Limit per process, and seconds between two deletions: each flushes WordPress' object cache.
MOST_ROWS = 200
_PAUSE = 0.05


def delete_rows(settings: WpSettings, cost: WpCost, rows: Sequence[Mapping]) -> list[WriteResult[StageOutcome]]:
    """Delete at most `MOST_ROWS` mappings in one process; return a result for each.

    A row that changed, or whose site exists now, stays. Raises UnreadableError if `wp` failed: a repeat is safe.
    """
    asked = [{"id": row.id, "site": row.blog_id, "domain": row.domain} for row in rows[:MOST_ROWS]]
    request = {"rows": asked, "pause": int(_PAUSE * 1_000_000)}
    results = WpCall.start(settings, "prune", request, cost, plugins=True).result().get("results")
    if not isinstance(results, list) or len(results) != len(asked):
        raise failure("wp-unexpected")
    try:
        return [parse_result(text, StageOutcome) for text in results]
    except ValueError:
        raise failure("wp-unexpected") from None
