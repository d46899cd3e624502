"""What the ledger says at one moment, as values for the planner. All times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Origin(IntEnum):
    """Where an alias came from. Numbers, because there can be 100,000 of them in memory."""

    MAPPING = 1
    WWW = 2
    CONFIG = 3
    PIN = 4

    @property
    def word(self) -> str:
        """Return the origin as people read it."""
        return {1: "mapping", 2: "www", 3: "config", 4: "pin"}[self.value]


class AliasPhase(StrEnum):
    """Where an alias stands between us and Closte."""

    ADDING = "adding"  # the intent is committed; the answer is not known
    UNCONFIRMED = "unconfirmed"  # asked, and the answer was unclear
    PRESENT = "present"
    REMOVING = "removing"


class RemovalClass(StrEnum):
    """What a removal rests on."""

    EVENT = "event"
    INFERENCE = "inference"
    COMMAND = "command"  # a person named it: `domain remove`
    APPROVED = "approved"  # a person approved a withheld removal by its digest or its plan


class Unsettled(NamedTuple):
    """An alias whose last request has no clear answer.

    `absent_before`: a complete list had shown that it was not there before we asked, so it is ours when it shows up.
    """

    phase: AliasPhase
    origin: Origin
    since: float
    absent_before: bool


class Absence(NamedTuple):
    """An alias of ours that complete snapshots do not mention."""

    since: float
    times: int
    last: float


class Evidence(NamedTuple):
    """An event that says why a name is not mentioned any more; `received` is when the ledger got it."""

    kind: str
    received: float


class FailedChange(NamedTuple):
    """A change that failed, and when it is tried again. `refused`: Closte said no for good, `refusals` times so far.

    `action` is what was asked for; empty where it is not known. `code` is that of a hold which says more than that the
    change failed.
    """

    attempts: int
    next_try: float
    refused: bool
    message: str
    since: float
    action: str = ""
    refusals: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a ledger is bound to. `key` is a fingerprint, `database` a digest."""

    engine: str
    network_id: int
    main_domain: str
    database: str
    app_id: str | None
    key: str


@dataclass(frozen=True, slots=True)
class LedgerLocation:
    """Where the ledger lies: a digest of the machine, and the folder."""

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Everything the planner may know of the past."""

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
        """Return the trouble that `action` had with `name`: what was wrong with another says nothing of it."""
        trouble = self.failed_changes.get(name)
        return trouble if trouble and trouble.action in {"", action} else None
