"""Immutable ledger state for the planner. All times are in seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from closte_bridge.wordpress.events import EventKind

WEEK = 7 * 86400.0
DAY = 86400.0
# Seconds until a list shows a new alias. Unknown for Closte, so generous.
LIST_LAG = 600.0


class Origin(IntEnum):
    """Origin of an alias. Numbers, because there can be 100,000 of them in memory."""

    MAPPING = 1
    WWW = 2
    CONFIG = 3
    PIN = 4

    @property
    def word(self) -> str:
        """Return the name of the origin."""
        return {1: "mapping", 2: "www", 3: "config", 4: "pin"}[self.value]


class AliasPhase(StrEnum):
    """Phase of an alias between the ledger and Closte."""

    ADDING = "adding"  # the intent is committed; the response is unknown
    UNCONFIRMED = "unconfirmed"  # requested; the response was unclear
    PRESENT = "present"
    REMOVING = "removing"


class RemovalClass(StrEnum):
    """Evidence class of a removal."""

    EVENT = "event"
    INFERENCE = "inference"
    COMMAND = "command"  # `domain remove`
    APPROVED = "approved"  # approved by its digest or its plan file


class Unsettled(NamedTuple):
    """An alias whose last request has no clear response.

    `absent_before`: it was missing in a complete list before the request, so it is managed as soon as it appears.
    """

    phase: AliasPhase
    origin: Origin
    since: float
    absent_before: bool


class Absence(NamedTuple):
    """A managed alias that complete snapshots do not mention."""

    since: float
    times: int
    last: float


class Evidence(NamedTuple):
    """An event that explains why a domain is no longer mentioned. `received` is when the ledger got the event."""

    kind: EventKind
    received: float


class FailureCode(StrEnum):
    """Why an addition failed although Closte reports the domain as existing or the addition as done."""

    EXISTS_ELSEWHERE = "exists-elsewhere"  # a complete list shows that it is in another application
    NOT_MANAGED = "not-managed"  # the ledger does not know the domain, and no list shows it
    NOT_LISTED = "not-listed"  # the list does not show it


class FailedChange(NamedTuple):
    """A failed change and the time of its retry. `refused`: Closte refused it permanently, `refusals` times so far.

    `action` is empty if it is not known.
    """

    attempts: int
    next_try: float
    refused: bool
    message: str
    since: float
    action: str = ""
    refusals: int = 0
    code: FailureCode | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity that a ledger is bound to. `key` is a fingerprint, `database` a digest."""

    engine: str
    network_id: int
    main_domain: str
    database: str
    app_id: str | None
    key: str


@dataclass(frozen=True, slots=True)
class LedgerLocation:
    """Location of the ledger: a digest of the machine, and the folder."""

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Everything the planner may know about the past."""

    identity: Identity | None = None
    location: LedgerLocation | None = None
    config_path: str | None = None
    managed: dict[str, int] = field(default_factory=dict)
    unsettled: dict[str, Unsettled] = field(default_factory=dict)
    absences: dict[str, Absence] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    failed_changes: dict[str, FailedChange] = field(default_factory=dict)
    pins: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    former_domains: frozenset[str] = frozenset()
    removals: tuple[tuple[RemovalClass, float], ...] = ()
    removed_lately: frozenset[str] = frozenset()
    added_per_registered: dict[str, int] = field(default_factory=dict)
    added_this_week: frozenset[str] = frozenset()
    added_lately: frozenset[str] = frozenset()
    highest_site: int = 0
    highest_mapping: int = 0
    observed_count: int = 0
    reports: tuple[str, int] | None = None
    went_back: str = ""
    pointing_www: frozenset[str] = frozenset()
    clock_jumped: bool = False

    def trouble(self, name: str, action: str) -> FailedChange | None:
        """Return the failed change for `action` on `name`. A failure of another action does not count."""
        trouble = self.failed_changes.get(name)
        return trouble if trouble and trouble.action in {"", action} else None
