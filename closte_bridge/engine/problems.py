"""Open problems of complete runs and failing changes, with their start; for `health` and the metrics.

Failed changes are retried with increasing delays, so most runs do not report them; they are read from the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.meta import PROBLEMS
from closte_bridge.ledger.state import FailureCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.ledger.store import Ledger

LOST = "aliases-lost"
ALARMS = frozenset({LOST, "database-restored"})
"""Codes of problems that need attention within a day."""

WARNINGS = ALARMS | {"list-partial", "snapshot-partial", "moved"}
"""Codes of warnings that need a user. Every error does."""


def note(ledger: Ledger, codes: Iterable[str], now: float) -> None:
    """Save the problem codes of a complete run; each keeps the time of its first run, in epoch seconds."""
    before = PROBLEMS.of(ledger.meta())
    after = {code: min(before.get(code, now), now) for code in sorted(codes)}
    if after != before:
        # Do not wait for the disk: the next run saves the same.
        with ledger.transaction(durable=False):
            ledger.save(PROBLEMS.to(after))


def open_problems(ledger: Ledger) -> dict[str, float]:
    """Return the code and start of each open problem: of complete runs, and of failing changes."""
    found = dict(PROBLEMS.of(ledger.meta()))
    query = (
        "SELECT code, action, refused, min(since) FROM failed_changes WHERE code <> ? GROUP BY code, action, refused"
    )
    for code, action, refused, since in ledger.query(query, FailureCode.NOT_MANAGED):
        name = code or f"{action or 'add'}-{'refused' if refused else 'failed'}"
        found[name] = min(found.get(name, since), since)
    return found
