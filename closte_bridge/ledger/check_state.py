"""The last DNS, certificate and HTTP results of each domain, and the time of its next check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.advice_text import NO_ADVICE, Advice
from closte_bridge.checks.domain_state import CheckState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from closte_bridge.ledger.store import Ledger

COLUMNS = CheckState._fields
_COLUMNS = ", ".join(COLUMNS)
_PLACEHOLDERS = ", ".join("?" * (len(CheckState._fields) + 1))
# Every version of SQLite accepts this many parameters in one statement.
_CHUNK = 500


def _encoded(check_state: CheckState) -> CheckState:
    """Return the values of the columns. The next step and the evidence are JSON; empty without one."""
    step, seen = check_state.next_step, check_state.evidence
    text = json.dumps(step.as_data(), separators=(",", ":")) if step.code else ""
    evidence = json.dumps(seen, separators=(",", ":")) if seen else ""
    return check_state._replace(next_step=text, evidence=evidence)  # type: ignore[arg-type]  # columns


def decoded(row: tuple[object, ...]) -> CheckState:
    """Return the check state with the values of the columns."""
    check_state = CheckState(*row)  # type: ignore[arg-type]  # the columns have the fields' types
    return check_state._replace(
        points_here=bool(check_state.points_here),
        serves=bool(check_state.serves),
        live=bool(check_state.live),
        next_step=advice_of(str(check_state.next_step)),
        evidence=evidence_in(str(check_state.evidence)),
    )


def evidence_in(text: str) -> dict[str, object]:
    """Return the evidence that a column contains. Raises ValueError for other text."""
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise ValueError("no evidence")
    return found


def advice_of(text: str) -> Advice:
    """Return the next step that a column contains. Raises ValueError for other text."""
    return Advice.of_data(json.loads(text)) if text else NO_ADVICE


def load(ledger: Ledger, names: Collection[str]) -> dict[str, CheckState]:
    """Return the check states of `names`. Domains without a check state are left out."""
    found: dict[str, CheckState] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        placeholders = ", ".join("?" * len(chunk))
        sql = f"SELECT name, {_COLUMNS} FROM check_state WHERE name IN ({placeholders})"  # noqa: S608 - fixed text
        rows = ledger.query(sql, *chunk)
        found.update({str(name): decoded(tuple(rest)) for name, *rest in rows})
    return found


def failing(ledger: Ledger) -> dict[str, CheckState]:
    """Return the check states of domains that failed their last checks: their stage may have to move back."""
    rows = ledger.query(f"SELECT name, {_COLUMNS} FROM check_state WHERE failures > 0")  # noqa: S608 - fixed columns
    return {str(name): decoded(tuple(rest)) for name, *rest in rows}


class DuePreview(NamedTuple):
    """The domains that are due for a check, with their times, and the other checked domains.

    `first` is when the first of the others is due. `expiring` is the result of `expiring`.
    """

    due: dict[str, float]
    others: set[str]
    first: float | None
    expiring: list[tuple[str, float]]


def due_preview(ledger: Ledger, now: float) -> DuePreview:
    """Return what is due at `now`."""
    due: dict[str, float] = {}
    others: set[str] = set()
    first: float | None = None
    for name, next_check in next_checks(ledger):
        if next_check <= now:
            due[name] = next_check
        else:
            others.add(name)
            first = next_check if first is None else min(first, next_check)
    return DuePreview(due, others, first, expiring(ledger, now))


def next_checks(ledger: Ledger) -> Iterator[tuple[str, float]]:
    """Yield each checked domain with the time of its next check, in seconds since the epoch."""
    return ledger.stream("SELECT name, next_check FROM check_state")


def first_check(ledger: Ledger) -> float | None:
    """Return the time of the next check, or None if no domain was checked."""
    ((first,),) = ledger.query("SELECT min(next_check) FROM check_state")
    return None if first is None else float(first)


def expiring(ledger: Ledger, now: float) -> list[tuple[str, float]]:
    """Return the domains that point here with a certificate that needs a warning, and its expiry, soonest first."""
    rows = ledger.query(
        "SELECT name, not_after FROM check_state "
        "WHERE warn_at <= ? AND points_here = 1 AND tls IN ('ok', 'expired') ORDER BY not_after, name",
        now,
    )
    return [(str(name), float(end)) for name, end in rows]


class Tally(NamedTuple):
    """Number of domains per verdict, and of live domains. Domains without a verdict do not count."""

    dns: dict[str, int]
    tls: dict[str, int]
    http: dict[str, int]
    live: int


def tally(ledger: Ledger) -> Tally:
    """Count the verdicts of all domains."""
    dns = ledger.query("SELECT dns, COUNT(*) FROM check_state WHERE dns <> '' GROUP BY dns")
    tls = ledger.query("SELECT tls, COUNT(*) FROM check_state WHERE tls <> '' AND points_here = 1 GROUP BY tls")
    http = ledger.query("SELECT http, COUNT(*) FROM check_state WHERE http <> '' GROUP BY http")
    ((live,),) = ledger.query("SELECT COUNT(*) FROM check_state WHERE live = 1")
    return Tally(_counts(dns), _counts(tls), _counts(http), int(live))


def _counts(rows: Iterable[tuple[object, ...]]) -> dict[str, int]:
    return {str(code): int(str(count)) for code, count in rows}


def pointing_elsewhere(ledger: Ledger) -> list[str]:
    """Return the domains that point elsewhere or nowhere by their last check, in alphabetical order."""
    rows = ledger.query(
        "SELECT name FROM check_state WHERE points_here = 0 AND dns NOT IN ('', 'unknown') ORDER BY name",
    )
    return [str(name) for (name,) in rows]


def without_https(ledger: Ledger, ok_before: float) -> list[str]:
    """Return the domains without a valid certificate that point here since before `ok_before`, alphabetically."""
    rows = ledger.query(
        "SELECT name FROM check_state WHERE points_here = 1 AND ok_since < ? AND tls NOT IN ('', 'ok', 'unknown') "
        "ORDER BY name",
        ok_before,
    )
    return [str(name) for (name,) in rows]


def not_live(ledger: Ledger, wrong: Collection[str]) -> list[str]:
    """Return the domains with valid HTTPS whose visitors got one of the `wrong` answers, in alphabetical order."""
    marks = ", ".join("?" * len(wrong))
    sql = f"SELECT name FROM check_state WHERE tls = 'ok' AND http IN ({marks}) ORDER BY name"  # noqa: S608 - only marks
    return [str(name) for (name,) in ledger.query(sql, *wrong)]


def save(ledger: Ledger, histories: dict[str, CheckState]) -> None:
    """Write check states, inside a transaction."""
    ledger.write(
        f"INSERT OR REPLACE INTO check_state (name, {_COLUMNS}) VALUES ({_PLACEHOLDERS})",  # noqa: S608 - fixed columns
        [(name, *_encoded(check_state)) for name, check_state in histories.items()],
    )


def forget(ledger: Ledger, names: Iterable[str]) -> None:
    """Delete the check states of domains that are no longer needed."""
    ledger.write("DELETE FROM check_state WHERE name = ?", [(name,) for name in names])
