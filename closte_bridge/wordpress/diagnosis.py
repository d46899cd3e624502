"""Ask Ultimate Multisite why visitors of a site are blocked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Collection

    from closte_bridge.config.model import WpSettings

MOST_SITES = 100
_REASON = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def lock_reasons(settings: WpSettings, cost: WpCost, sites: Collection[int]) -> dict[int, str]:
    """Return a code for each site whose visitors are blocked: `visits-exceeded`, `membership-inactive`, …

    Asks for at most `MOST_SITES` sites. Raises UnreadableError if `wp` failed.
    """
    asked = sorted(sites)[:MOST_SITES]
    reasons = WpCall.start(settings, "diagnosis", {"sites": asked}, cost, plugins=True).result().get("reasons")
    if not isinstance(reasons, list) or len(reasons) != len(asked):
        raise failure("wp-unexpected")
    return {
        site: reason.replace("_", "-")
        for site, reason in zip(asked, map(str, reasons), strict=True)
        if _REASON.fullmatch(reason)
    }
