"""Have Ultimate Multisite make the domain records that sites lack."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.snapshot import Mapping
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings

# One process makes no more than this; each save flushes WordPress' object cache: seconds between two of them.
MOST_RECORDS = 200
_PAUSE = 0.05
# Only asking is quick: so many sites in one process.
MOST_ASKED = 5000
# The shim's own rules travel along: it may not be installed, or be of another version.
_RULES = Path(__file__).parents[1] / "shim" / "php" / "closte-bridge" / "class-records.php"


class RecordResult(NamedTuple):
    """What became of one site's record.

    `word` is `made`, `missing` (it would be made), `there`, `unwanted`, `gone`, `inactive`, or `refused` with the code
    of Ultimate Multisite's error; `mapping` is the record when it was made just now.
    """

    site: int
    word: str
    mapping: Mapping | None = None


def make_records(settings: WpSettings, cost: WpCost, sites: Sequence[int], *, really: bool) -> list[RecordResult]:
    """Make the records of these sites in one process; without `really`, only ask which would be made.

    At most `MOST_RECORDS` (`MOST_ASKED` when only asking). Raises UnreadableError when `wp` failed: some may be made
    then, and asking again is safe.
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
            RecordResult(site, str(word), _mapping(row) if row else None)
            for site, (word, row) in zip(some, results, strict=True)
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
