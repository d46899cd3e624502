"""Let Ultimate Multisite create missing domain records of sites."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.results import RecordOutcome, WriteResult, parse_result
from closte_bridge.wordpress.snapshot import Mapping
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings

# Limit per process, and seconds between two saves: each save flushes WordPress' object cache.
MOST_RECORDS = 200
_PAUSE = 0.05
# Limit of sites per process for a dry run, which is fast.
MOST_ASKED = 5000
# The call sends the shim's rules, because the shim may be missing or of another version.
_RULES = Path(__file__).parents[1] / "shim" / "php" / "closte-bridge" / "class-records.php"


class RecordResult(NamedTuple):
    """Result for the record of one site. `mapping` is the record if it was just made."""

    site: int
    result: WriteResult[RecordOutcome]
    mapping: Mapping | None = None


def make_records(settings: WpSettings, cost: WpCost, sites: Sequence[int], *, really: bool) -> list[RecordResult]:
    """Make the records of these sites in one process. Without `really`, only report which would be made.

    At most `MOST_RECORDS` sites (`MOST_ASKED` without `really`). Raises UnreadableError if `wp` failed: some records
    may exist then, and a repeat is safe.
    """
    some = [*sites][: MOST_RECORDS if really else MOST_ASKED]
    request = {
        "sites": some,
        "really": really,
        "pause": int(_PAUSE * 1_000_000),
        "rules": base64.b64encode(_RULES.read_bytes()).decode(),
    }
    results = WpCall.start(settings, "records", request, cost, plugins=True).result().get("results")
    if not isinstance(results, list) or len(results) != len(some):
        raise failure("wp-unexpected")
    try:
        return [
            RecordResult(site, parse_result(text, RecordOutcome), _mapping(row) if row else None)
            for site, (text, row) in zip(some, results, strict=True)
        ]
    except (TypeError, ValueError):
        raise failure("wp-unexpected") from None


def _mapping(row: list[object]) -> Mapping:
    number, site, domain, active, primary, secure, stage = row
    return Mapping(
        id=int(str(number)),
        blog_id=int(str(site)),
        domain=str(domain),
        active=bool(active),
        primary=bool(primary),
        secure=bool(secure),
        stage=str(stage),
        created=None,
        modified=None,
    )
