"""Read the ledger's state for the planner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from closte_bridge.ledger import meta as keys
from closte_bridge.ledger.flags import FORMER, LEAVING, OF_PLANS, PIN, RELEASED, REMOVED
from closte_bridge.ledger.state import (
    DAY,
    LIST_LAG,
    WEEK,
    Absence,
    AliasPhase,
    Evidence,
    FailedChange,
    FailureCode,
    LedgerState,
    Origin,
    RemovalClass,
    Unsettled,
)
from closte_bridge.wordpress.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from closte_bridge.ledger.store import Ledger

_PER_REGISTERED = """
SELECT registered, COUNT(DISTINCT name) FROM additions WHERE registered <> '' AND at > ? GROUP BY registered
"""


def read_state(ledger: Ledger, meta: Mapping[str, str], now: float, *, clock_jumped: bool) -> LedgerState:
    """Return the state as of `now`. Raises ValueError, KeyError or TypeError for invalid data."""
    query = ledger.query
    flags: dict[str, set[str]] = {kind: set() for kind in OF_PLANS}
    for name, kind in query("SELECT name, kind FROM flags WHERE kind IN (?, ?, ?, ?, ?)", *OF_PLANS):
        flags[str(kind)].add(str(name))
    # After a clock jump, the age of removals and additions is unknown, so all count.
    day, week = (-math.inf, -math.inf) if clock_jumped else (now - DAY, now - WEEK)
    return LedgerState(
        identity=keys.IDENTITY.of(meta),
        location=keys.LOCATION.of(meta),
        config_path=keys.CONFIG_PATH.of(meta),
        managed=dict(ledger.stream("SELECT name, origin FROM aliases WHERE phase = 'present'")),
        unsettled=dict(_unsettled(ledger)),
        absences={n: Absence(*rest) for n, *rest in query("SELECT name, since, times, last FROM absences")},
        evidence={n: Evidence(EventKind(k), at) for n, k, at in query("SELECT name, kind, received FROM evidence")},
        failed_changes=dict(_failed_changes(ledger)),
        pins=frozenset(flags[PIN]),
        leaving=frozenset(flags[LEAVING]),
        released=frozenset(flags[RELEASED]),
        former_domains=frozenset(flags[FORMER]),
        removals=tuple((RemovalClass(c), t) for c, t in query("SELECT class, at FROM removals WHERE at > ?", day)),
        removed_lately=frozenset(flags[REMOVED]),
        added_per_registered=dict(query(_PER_REGISTERED, week)),
        added_this_week=_added_since(ledger, week),
        added_lately=_added_since(ledger, now - LIST_LAG),
        highest_site=keys.HIGHEST_SITE.of(meta),
        highest_mapping=keys.HIGHEST_MAPPING.of(meta),
        observed_count=keys.OBSERVED_COUNT.of(meta),
        reports=keys.REPORTS.of(meta),
        went_back=keys.WENT_BACK.of(meta) or "",
        pointing_www=ledger.pointing_www(),
        clock_jumped=clock_jumped,
    )


def _unsettled(ledger: Ledger) -> Iterator[tuple[str, Unsettled]]:
    sql = "SELECT name, phase, origin, since, absent_before FROM aliases WHERE phase <> 'present'"
    for name, phase, origin, since, absent_before in ledger.query(sql):
        yield name, Unsettled(AliasPhase(phase), Origin(origin), since, bool(absent_before))


def _failed_changes(ledger: Ledger) -> Iterator[tuple[str, FailedChange]]:
    sql = "SELECT name, attempts, next_try, refused, message, since, action, refusals, code FROM failed_changes"
    for name, attempts, next_try, refused, message, since, action, refusals, code in ledger.query(sql):
        known = FailureCode(code) if code else None
        yield name, FailedChange(attempts, next_try, bool(refused), message, since, action, refusals, known)


def _added_since(ledger: Ledger, since: float) -> frozenset[str]:
    return frozenset(str(name) for (name,) in ledger.query("SELECT name FROM additions WHERE at > ?", since))
