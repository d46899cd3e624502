"""What happened to domains, for people: what was reported of each domain, and the notifications to deliver.

Each *channel* delivers on its own: it has the id of the last notification that it delivered, and retries with a
back-off. Times are in seconds since the epoch.
"""

from __future__ import annotations

import json
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.checks.advice_text import NO_ADVICE, Advice
from closte_bridge.ledger.check_state import COLUMNS, decoded
from closte_bridge.ledger.meta import MetaKey
from closte_bridge.ledger.state import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.checks.domain_state import CheckState
    from closte_bridge.ledger.store import Ledger

MOST_KEPT = 1000
"""Maximum number of notifications in the ledger: the oldest go first."""
_KEPT_FOR = 7 * DAY


class NotificationKind(StrEnum):
    """What happened. The last three concern the network, not a domain."""

    LIVE = "went-live"
    BROKE = "broke"
    BACK = "came-back"
    CUSTOMER = "needs-customer"
    CERTIFICATE = "certificate-not-renewed"
    APPROVAL = "needs-approval"
    SILENT = "engine-silent"
    RUNNING = "engine-back"


class Notification(NamedTuple):
    """Something that happened `at` a time.

    `domain` is empty and `site` 0 if it concerns the network. `code` says why: a `DnsCode`, `TlsCode` or `HttpCode`, or
    empty. `step` is the customer's next step with the records to set. `data` has plain values for JSON: `not_after`
    (the end of a certificate), `since`, or for removals `count`, `domains`, `rule` and `digest`.
    """

    at: float
    kind: NotificationKind
    domain: str = ""
    site: int = 0
    code: str = ""
    step: Advice = NO_ADVICE
    data: dict[str, Any] = {}  # noqa: RUF012 - never changed
    id: int = 0


class Reported(NamedTuple):
    """What was reported of a domain.

    `live`: its last report says that it is live, `was_live`: one said so once. `step`: the last next step, as JSON, and
    `step_at` when one was last reported. `not_after`: the end of the certificate reported as not renewed. `turned`:
    since when its checks contradict the last report, without a report. `breaks`: how often it broke lately, the last
    time at `broke_at`.
    """

    live: bool = False
    was_live: bool = False
    step: str = ""
    step_at: float = 0.0
    not_after: float | None = None
    turned: float | None = None
    breaks: int = 0
    broke_at: float = 0.0


class Candidate(NamedTuple):
    """A domain whose checks differ from what was reported. `managed` is None for a domain that is not in the ledger.

    `adopted`: it was on Closte when the network was adopted. `step` is the next step as JSON.
    """

    name: str
    check_state: CheckState
    step: str
    expiring: bool
    managed: bool
    adopted: bool
    reported: Reported | None


class Delivery(NamedTuple):
    """How far a channel is: the `last` delivered id, the number of failed attempts, and the time of the next one."""

    last: int
    attempts: int = 0
    next_try: float = 0.0


def _deliveries(text: str) -> dict[str, Delivery]:
    try:
        found = {str(name): Delivery(int(last), int(n), float(at)) for name, (last, n, at) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        # Invalid content: every channel begins again.
        return {}
    return found


DELIVERIES: MetaKey[dict[str, Delivery]] = MetaKey("deliveries", _deliveries, json.dumps, {})

_FIELDS = Reported._fields
_EXPIRING = "s.warn_at <= ? AND s.points_here = 1 AND s.tls IN ('ok', 'expired')"
_CANDIDATES = f"""
SELECT s.name, s.next_step, {_EXPIRING}, a.name IS NOT NULL, COALESCE(a.adopted, 0),
    r.name, {", ".join(f"r.{name}" for name in _FIELDS)}, {", ".join(f"s.{name}" for name in COLUMNS)}
FROM check_state AS s LEFT JOIN reported AS r ON r.name = s.name LEFT JOIN aliases AS a ON a.name = s.name
WHERE s.checked_at IS NOT NULL AND (
    r.name IS NULL OR s.live <> r.live OR r.turned IS NOT NULL OR s.live = 0 AND s.next_step <> r.step
    OR {_EXPIRING} AND s.not_after IS NOT r.not_after
) ORDER BY s.name
"""  # noqa: S608 - fixed columns


def candidates(ledger: Ledger, now: float) -> list[Candidate]:
    """Return the domains whose last check differs from what was reported, alphabetically."""
    found = []
    for name, step, expiring, managed, adopted, known, *rest in ledger.query(_CANDIDATES, now, now):
        columns = rest[: len(_FIELDS)]
        reported = Reported(bool(columns[0]), bool(columns[1]), *columns[2:]) if known is not None else None
        check_state = decoded(tuple(rest[len(_FIELDS) :]))
        found.append(
            Candidate(str(name), check_state, str(step), bool(expiring), bool(managed), bool(adopted), reported)
        )
    return found


def save_reported(ledger: Ledger, reported: dict[str, Reported]) -> None:
    """Write what was reported, and forget domains that are no longer checked; inside a transaction."""
    marks = ", ".join("?" * (len(_FIELDS) + 1))
    ledger.write(
        f"INSERT OR REPLACE INTO reported (name, {', '.join(_FIELDS)}) VALUES ({marks})",  # noqa: S608 - fixed columns
        [(name, *values) for name, values in reported.items()],
    )
    ledger.write("DELETE FROM reported WHERE name NOT IN (SELECT name FROM check_state)", [()])


def append(ledger: Ledger, notifications: Iterable[Notification], now: float) -> None:
    """Add notifications and drop the oldest, inside a transaction."""
    rows = [(one.at, one.kind, one.domain, json.dumps(_as_data(one), separators=(",", ":"))) for one in notifications]
    ledger.write("INSERT INTO notifications (at, kind, name, data) VALUES (?, ?, ?, ?)", rows)
    ledger.write("DELETE FROM notifications WHERE at < ?", [(now - _KEPT_FOR,)])
    ledger.write("DELETE FROM notifications WHERE id <= (SELECT max(id) FROM notifications) - ?", [(MOST_KEPT,)])


def _as_data(one: Notification) -> dict[str, Any]:
    return {"site": one.site, "code": one.code, "step": one.step.as_data(), "data": one.data}


def after(ledger: Ledger, last: int) -> list[Notification]:
    """Return the notifications with an id above `last`, oldest first."""
    found = []
    for row in ledger.query("SELECT id, at, kind, name, data FROM notifications WHERE id > ? ORDER BY id", last):
        # Another version may have written it in another form.
        with suppress(ValueError, TypeError, KeyError):
            found.append(_notification(*row))
    return found


def _notification(number: int, at: float, kind: str, name: str, text: str) -> Notification:
    data = json.loads(text)
    step = Advice.of_data(data["step"])
    return Notification(
        at, NotificationKind(kind), name, int(data["site"]), str(data["code"]), step, {**data["data"]}, number
    )


def newest(ledger: Ledger) -> int:
    """Return the id of the newest notification that ever was, 0 without one."""
    rows = ledger.query("SELECT seq FROM sqlite_sequence WHERE name = 'notifications'")
    return int(rows[0][0]) if rows else 0


def newest_before(ledger: Ledger, moment: float) -> int:
    """Return the id of the newest notification before a moment, 0 without one."""
    ((number,),) = ledger.query("SELECT COALESCE(MAX(id), 0) FROM notifications WHERE at < ?", moment)
    return int(number)
