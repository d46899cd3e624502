"""What was last seen of each domain's DNS and certificate, and when it is looked at next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.domain_state import CheckState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from closte_bridge.ledger.store import Ledger

_COLUMNS = ", ".join(CheckState._fields)
_MARKS = ", ".join("?" * (len(CheckState._fields) + 1))
# SQLite takes so many parameters in one statement everywhere.
_CHUNK = 500


def _history(row: tuple[object, ...]) -> CheckState:
    check_state = CheckState(*row)  # type: ignore[arg-type]  # the columns have the fields' types
    return check_state._replace(points_here=bool(check_state.points_here), serves=bool(check_state.serves))


def load(ledger: Ledger, names: Collection[str]) -> dict[str, CheckState]:
    """Return the histories of those `names` that have one."""
    found: dict[str, CheckState] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        meta = ", ".join("?" * len(chunk))
        rows = ledger.query(f"SELECT name, {_COLUMNS} FROM check_state WHERE name IN ({meta})", *chunk)  # noqa: S608 - fixed columns, marks
        found.update({str(name): _history(tuple(rest)) for name, *rest in rows})
    return found


def failing(ledger: Ledger) -> dict[str, CheckState]:
    """Return the histories of domains that failed at their last looks: their stage may have to go backwards."""
    rows = ledger.query(f"SELECT name, {_COLUMNS} FROM check_state WHERE failures > 0")  # noqa: S608 - fixed columns
    return {str(name): _history(tuple(rest)) for name, *rest in rows}


class DuePreview(NamedTuple):
    """Which domains are due, and of those that are not just enough to tell whether others are the very same ones.

    `due` are those that are due, with when; `others` and `mark` are of the rest: how many, and the sum of their
    hashes. Hashes are keyed anew in each process, so that no choice of names makes two sums the same. `first` is when
    the first of them is due; `expiring` is what `expiring` gives.
    """

    due: dict[str, float]
    others: int
    mark: int
    first: float | None
    expiring: list[tuple[str, float]]

    def are_the_others(self, names: Iterable[str]) -> bool:
        """Tell whether `names`, each given once, are exactly those that were looked at and are not due."""
        count = mark = 0
        for name in names:
            count += 1
            mark += hash(name)
        return count == self.others and mark == self.mark


def due_preview(ledger: Ledger, now: float, *, warn_until: float) -> DuePreview:
    """Return what is due at `now`, without keeping the rest: there can be 200,000 names."""
    due: dict[str, float] = {}
    count = mark = 0
    first: float | None = None
    for name, next_check in next_checks(ledger):
        if next_check <= now:
            due[name] = next_check
        else:
            count += 1
            mark += hash(name)
            if first is None or next_check < first:
                first = next_check
    return DuePreview(due, count, mark, first, expiring(ledger, warn_until))


def next_checks(ledger: Ledger) -> Iterator[tuple[str, float]]:
    """Give each domain that was ever looked at, and when it is looked at next, in seconds since the epoch."""
    return ledger.stream("SELECT name, next_check FROM check_state")


def first_check(ledger: Ledger) -> float | None:
    """Return when the next domain is looked at, or None when none ever was."""
    ((first,),) = ledger.query("SELECT min(next_check) FROM check_state")
    return None if first is None else float(first)


def expiring(ledger: Ledger, before: float) -> list[tuple[str, float]]:
    """Return the names that lead here with a certificate that ends `before` then, and its end; the first end first."""
    rows = ledger.query(
        "SELECT name, not_after FROM check_state "
        "WHERE not_after <= ? AND points_here = 1 AND tls IN ('ok', 'expired') ORDER BY not_after, name",
        before,
    )
    return [(str(name), float(end)) for name, end in rows]


def tally(ledger: Ledger) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many names were last seen with each verdict on DNS, and on certificates; never seen is no verdict."""
    dns = ledger.query("SELECT dns, COUNT(*) FROM check_state WHERE dns <> '' GROUP BY dns")
    tls = ledger.query("SELECT tls, COUNT(*) FROM check_state WHERE tls <> '' AND points_here = 1 GROUP BY tls")
    return {str(code): int(count) for code, count in dns}, {str(code): int(count) for code, count in tls}


def pointing_elsewhere(ledger: Ledger) -> list[str]:
    """Return the names that were seen to lead elsewhere or nowhere, in the alphabet's order."""
    rows = ledger.query(
        "SELECT name FROM check_state WHERE points_here = 0 AND dns NOT IN ('', 'unknown') ORDER BY name",
    )
    return [str(name) for (name,) in rows]


def without_https(ledger: Ledger, right_before: float) -> list[str]:
    """Return the names that lead here since before then and have no right certificate, in the alphabet's order."""
    rows = ledger.query(
        "SELECT name FROM check_state WHERE points_here = 1 AND ok_since < ? AND tls NOT IN ('', 'ok', 'unknown') "
        "ORDER BY name",
        right_before,
    )
    return [str(name) for (name,) in rows]


def save(ledger: Ledger, histories: dict[str, CheckState]) -> None:
    """Write histories; inside a transaction."""
    ledger.write(
        f"INSERT OR REPLACE INTO check_state (name, {_COLUMNS}) VALUES ({_MARKS})",  # noqa: S608 - fixed columns
        [(name, *check_state) for name, check_state in histories.items()],
    )


def forget(ledger: Ledger, names: Iterable[str]) -> None:
    """Drop the histories of names that nobody wants any more."""
    ledger.write("DELETE FROM check_state WHERE name = ?", [(name,) for name in names])
