"""The single values of a ledger: each key with its type and its form as text. Times are in seconds since the epoch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from closte_bridge.ledger.state import Identity, LedgerLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


T = TypeVar("T")

# In seconds since the epoch: the year 5138. `datetime` does not support much later times.
LATEST = 1e11


@dataclass(frozen=True, slots=True)
class MetaKey(Generic[T]):
    """A key. `parse` reads what `render` wrote; `default` is the value without the key."""

    name: str
    parse: Callable[[str], T]
    render: Callable[[T], str]
    default: T

    def of(self, meta: Mapping[str, str]) -> T:
        """Return the value. Raises ValueError, KeyError or TypeError for an invalid one."""
        return self.parse(meta[self.name]) if self.name in meta else self.default

    def to(self, value: T) -> tuple[str, str | None]:
        """Return name and text for `Ledger.save`; the default deletes the key."""
        return self.name, None if value == self.default else self.render(value)


class LastError(NamedTuple):
    """The error of a failed run of `watch`, and the time of that run."""

    at: float
    code: str
    message: str
    hint: str


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < LATEST:  # also for `nan`
        raise ValueError("no number")
    return value


def _count(text: str) -> int:
    _number(text)
    return int(text)


def _identity(text: str) -> Identity:
    return Identity(**json.loads(text))


def _location(text: str) -> LedgerLocation:
    return LedgerLocation(**json.loads(text))


def _document(value: Identity | LedgerLocation | None) -> str:
    return json.dumps(asdict(value)) if value else ""


def _reports(text: str) -> tuple[str, int]:
    series, count = text.split(" ")
    return series, int(count)


def _problems(text: str) -> dict[str, float]:
    try:
        return {str(code): float(since) for code, since in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        # Invalid content; the next run overwrites it.
        return {}


def _rows(text: str) -> tuple[int, ...] | None:
    try:
        rows = json.loads(text)
    except ValueError:
        return None
    return tuple(rows) if isinstance(rows, list) and [*map(type, rows)] == [int] * 4 else None


def _time(name: str) -> MetaKey[float | None]:
    return MetaKey(name, _number, repr, None)


def _counter(name: str) -> MetaKey[int]:
    return MetaKey(name, _count, str, 0)


# The owner, from adoption.
IDENTITY: MetaKey[Identity | None] = MetaKey("identity", _identity, _document, None)
LOCATION: MetaKey[LedgerLocation | None] = MetaKey("location", _location, _document, None)
CONFIG_PATH: MetaKey[str | None] = MetaKey("config_path", str, str, None)
ADOPTED_AT = _time("adopted_at")

# The last complete reads.
HIGHEST_SITE = _counter("highest_site")
HIGHEST_MAPPING = _counter("highest_mapping")
OBSERVED_COUNT = _counter("observed_count")
REPORTS: MetaKey[tuple[str, int] | None] = MetaKey("reports", _reports, "{0[0]} {0[1]}".format, None)
WENT_BACK: MetaKey[str | None] = MetaKey("went_back", str, str, None)
ROWS: MetaKey[tuple[int, ...] | None] = MetaKey("rows", _rows, json.dumps, None)
ADDRESSES: MetaKey[list[str]] = MetaKey("addresses", json.loads, json.dumps, [])
SITE_ADDRESSES: MetaKey[str | None] = MetaKey("site_addresses", str, str, None)

# Runs: `LAST_RUN` is the last complete read, `ABLE` the last run that could add domains.
LAST_RUN = _time("last_run")
LAST_STEADY: MetaKey[float] = MetaKey("last_steady", float, repr, float("nan"))
LAST_BOOT: MetaKey[str] = MetaKey("last_boot", str, str, "")
LAST_TRY = _time("last_try")
LAST_SUCCESS = _time("last_success")
ABLE = _time("able")
WATCH_ERROR: MetaKey[LastError | None] = MetaKey(
    "watch_error", lambda text: LastError(*json.loads(text)), json.dumps, None
)

# What people see in WordPress: the generation of the table, and the summary as JSON.
GENERATION = _counter("generation")
PUBLISHED: MetaKey[str] = MetaKey("published", str, str, "")  # a digest of what the states depend on
SUMMARY: MetaKey[str] = MetaKey("summary", str, str, "")

# Problems: the start of each open one, the codes of the last notification, and its time.
PROBLEMS: MetaKey[dict[str, float]] = MetaKey("problems", _problems, json.dumps, {})
NOTIFIED: MetaKey[frozenset[str]] = MetaKey(
    "notified", lambda text: frozenset(text.split()), lambda codes: " ".join(sorted(codes)), frozenset()
)
NOTIFIED_AT: MetaKey[float] = MetaKey("notified_at", _number, repr, 0.0)

# Notifications: since when domains are reported, the removals that were reported as waiting for approval, and when the
# silence of closte-bridge was reported.
REPORTING_SINCE = _time("reporting_since")
APPROVAL_REPORTED: MetaKey[str] = MetaKey("approval_reported", str, str, "")
SILENT_REPORTED = _time("silent_reported")

NUMBERS: tuple[MetaKey[float | None] | MetaKey[int] | MetaKey[float], ...] = (
    ADOPTED_AT, HIGHEST_SITE, HIGHEST_MAPPING, OBSERVED_COUNT, LAST_RUN, LAST_TRY, LAST_SUCCESS, ABLE, NOTIFIED_AT,
    REPORTING_SINCE, SILENT_REPORTED,
)  # fmt: skip
"""Each read of the values checks these: a forged one would otherwise stop a run anywhere."""
