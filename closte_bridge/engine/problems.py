"""Problems that stand: which ones whole runs end with, and since when; for `health` and the metrics.

A change that fails is tried ever less often, so that most runs know nothing of it: those stand in the ledger anyway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from closte_bridge.planning.model import NOT_MANAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from closte_bridge.ledger.store import Ledger

LOST = "aliases-lost"
ALARMS = frozenset({LOST, "database-restored"})
"""Codes of what nobody may overlook for a day."""

WARNINGS = ALARMS | {"list-partial", "snapshot-partial", "moved"}
"""Codes of warnings that need a person; each error does."""

_KEY = "problems"


def note(ledger: Ledger, codes: Iterable[str], now: float) -> None:
    """Write down the codes that a whole run ended with; each keeps the time of its first run, in epoch seconds."""
    before = _noted(ledger.meta())
    after = {code: min(before.get(code, now), now) for code in sorted(codes)}
    if after != before:
        # Not worth a wait for the disk: the next run says the same.
        with ledger.transaction(durable=False):
            ledger.set_meta(**{_KEY: json.dumps(after) if after else None})


def open_problems(ledger: Ledger) -> dict[str, float]:
    """Return the code of each problem that stands and since when: of whole runs, and of changes that keep failing."""
    found = _noted(ledger.meta())
    query = (
        "SELECT code, action, refused, min(since) FROM failed_changes WHERE code <> ? GROUP BY code, action, refused"
    )
    for code, action, refused, since in ledger.query(query, NOT_MANAGED):
        name = code or f"{action or 'add'}-{'refused' if refused else 'failed'}"
        found[name] = min(found.get(name, since), since)
    return found


def _noted(meta: Mapping[str, str]) -> dict[str, float]:
    try:
        return {str(code): float(since) for code, since in json.loads(meta.get(_KEY, "{}")).items()}
    except (ValueError, TypeError, AttributeError):
        # Not written by us; the next run writes it anew.
        return {}
