"""Read the ledger's state for the planner."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from closte_bridge.ledger.flags import FORMER, LEAVING, OF_PLANS, PIN, RELEASED, REMOVED
from closte_bridge.ledger.state import (
    Absence,
    AliasPhase,
    Evidence,
    FailedChange,
    FailureCode,
    Identity,
    LedgerLocation,
    LedgerState,
    Origin,
    RemovalClass,
    Unsettled,
)
from closte_bridge.ledger.store import DAY, LIST_LAG, WEEK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.ledger.store import Ledger


def read_state(ledger: Ledger, meta: Mapping[str, str], now: float, *, clock_jumped: bool) -> LedgerState:
    """Return the state as of `now`. Raises ValueError, KeyError or TypeError for invalid data."""
    query = ledger.query
    flags: dict[str, set[str]] = {kind: set() for kind in OF_PLANS}
    for name, kind in query("SELECT name, kind FROM flags WHERE kind IN (?, ?, ?, ?, ?)", *OF_PLANS):
        flags[str(kind)].add(str(name))
    identity, location = meta.get("identity"), meta.get("location")
    return LedgerState(
        identity=Identity(**json.loads(identity)) if identity else None,
        location=LedgerLocation(**json.loads(location)) if location else None,
        config_path=meta.get("config_path"),
        managed=dict(ledger.stream("SELECT name, origin FROM aliases WHERE phase = 'present'")),
        unsettled={
            n: Unsettled(AliasPhase(p), Origin(o), s, bool(a))
            for n, p, o, s, a in query(
                "SELECT name, phase, origin, since, absent_before FROM aliases WHERE phase <> 'present'"
            )
        },
        absences={n: Absence(*rest) for n, *rest in query("SELECT name, since, times, last FROM absences")},
        evidence={n: Evidence(*rest) for n, *rest in query("SELECT name, kind, received FROM evidence")},
        failed_changes={
            n: FailedChange(a, t, bool(r), m, s, action, f, FailureCode(code) if code else None)
            for n, a, t, r, m, s, action, f, code in query(
                "SELECT name, attempts, next_try, refused, message, since, action, refusals, code FROM failed_changes"
            )
        },
        pins=frozenset(flags[PIN]),
        leaving=frozenset(flags[LEAVING]),
        released=frozenset(flags[RELEASED]),
        former_domains=frozenset(flags[FORMER]),
        removals=tuple(
            # After a clock jump, the age of removals is unknown, so all count.
            (RemovalClass(c), t)
            for c, t in query("SELECT class, at FROM removals WHERE at > ? OR ?", now - DAY, clock_jumped)
        ),
        removed_lately=frozenset(flags[REMOVED]),
        added_per_registered=dict(
            query(
                "SELECT registered, COUNT(DISTINCT name) FROM additions "
                "WHERE registered <> '' AND (at > ? OR ?) GROUP BY registered",
                now - WEEK,
                clock_jumped,
            )
        ),
        added_this_week=frozenset(
            str(n) for (n,) in query("SELECT name FROM additions WHERE at > ? OR ?", now - WEEK, clock_jumped)
        ),
        added_lately=frozenset(str(n) for (n,) in query("SELECT name FROM additions WHERE at > ?", now - LIST_LAG)),
        highest_site=int(meta.get("highest_site", "0")),
        highest_mapping=int(meta.get("highest_mapping", "0")),
        observed_count=int(meta.get("observed_count", "0")),
        reports=_reports(meta.get("reports")),
        went_back=meta.get("went_back", ""),
        pointing_www=ledger.pointing_www(),
        clock_jumped=clock_jumped,
    )


def _reports(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    series, count = text.split(" ")
    return series, int(count)
