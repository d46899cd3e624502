"""The values of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.closte.listing import Completeness

if TYPE_CHECKING:
    from closte_bridge.ledger.state import Absence, Origin, RemovalClass


class Action(StrEnum):
    """What a change does at Closte."""

    ADD = "add"
    REMOVE = "remove"


class Change(NamedTuple):
    """One call that the plan wants to make. `removal_class` is None for an addition."""

    action: Action
    name: str
    origin: Origin
    cause: str
    removal_class: RemovalClass | None = None


class Hold(NamedTuple):
    """A change withheld. `code` is stable, `reason` for people; `until` is when it is looked at again, if known."""

    action: Action
    name: str
    code: str
    reason: str
    until: float | None = None


UNPROVEN = "www-unproven"
NOT_LISTED_YET = "list-lag"
ELSEWHERE = "exists-elsewhere"
NOT_MANAGED = "not-managed"
NOT_LISTED = "not-listed"
"""Codes of additions that Closte says exist or were made: not in this application, by a complete list; not known to the
ledger, and shown by no list; confirmed, and not shown by the list."""


def unproven_hold(www: str) -> Hold:
    """Return the hold of a `www.` form that waits until it is known where it leads."""
    return Hold(Action.ADD, www, UNPROVEN, f'waits until it leads where "{www[4:]}" leads')


class OverLimit(NamedTuple):
    """A class of removals that is over its limit. `digest` stands for exactly these names."""

    removal_class: RemovalClass
    names: tuple[str, ...]
    removed: int
    waiting: int
    limit: int
    window: float
    digest: str


class Approval(NamedTuple):
    """What a person let go beyond the limits: digests as printed, and the names of a plan that was reviewed."""

    digests: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


NOTHING_APPROVED = Approval()


@dataclass(frozen=True, slots=True)
class Observed:
    """What Closte's list said, judged. `names` is empty when it could not be read.

    `paged`: the list itself says that it does not show all. `lost` are the managed aliases that a list which seems to
    be whole lacks, if these are more than a few.
    """

    state: Completeness
    names: frozenset[str]
    reason: str = ""
    paged: bool = False
    lost: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Tell whether a name that is missing here is missing at Closte."""
        return self.state is Completeness.COMPLETE

    @property
    def readable(self) -> bool:
        """Tell whether a name that is here is at Closte."""
        return self.state is not Completeness.UNREADABLE


class Mode(Enum):
    """What this engine may do to this network."""

    FULL = "full"
    ADD_ONLY = "add-only"
    READ_ONLY = "read-only"
    INACTIVE = "inactive"  # the toggle is off: nothing to do, and nothing wrong


class Authority(NamedTuple):
    """The mode with its reason and the way out. `rebind`: the key is new and proven to be the same application's."""

    mode: Mode
    code: str = ""
    reason: str = ""
    hint: str = ""
    rebind: bool = False


@dataclass(frozen=True, slots=True)
class LedgerUpdates:
    """What the ledger learns from looking, whether or not anything changes.

    `staying` are names whose dismissal is spent, because something asks for them again. `lapsed` are wanted names whose
    last request certainly came to nothing: if they turn up without another, somebody else put them there. `unclaimed`
    are there after a request whose answer was lost, and nobody knows whether they were there before it: not ours.
    """

    confirmed: dict[str, Origin] = field(default_factory=dict)
    vanished: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    absences: dict[str, Absence] = field(default_factory=dict)
    mentioned_again: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change and why, what is held back and why, and what stands in the way.

    `held` are the changes held back but for one kind: `unproven` are the `www.` forms that wait until it is known
    where they lead. There can be as many as mappings, so that they become holds only for who looks at each (`holds`).
    `lost` are the managed aliases that Closte's list lost, if these are more than a few (see `Observed`). `in_step`
    counts the domains that are in sync; `orphaned` are on Closte for the mapping of a site that is gone.
    """

    authority: Authority
    observed: Observed
    snapshot_faults: tuple[str, ...]
    changes: tuple[Change, ...]
    held: tuple[Hold, ...]
    unproven: frozenset[str]
    over_limit: tuple[OverLimit, ...]
    unmanaged: tuple[str, ...]
    in_sync: int
    updates: LedgerUpdates
    lost: frozenset[str] = frozenset()
    orphaned: frozenset[str] = frozenset()

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Return everything that is held back; `hold_count` tells how many these are without making them."""
        return (*self.held, *map(unproven_hold, sorted(self.unproven)))

    @property
    def hold_count(self) -> int:
        """Return how many changes are held back."""
        return len(self.held) + len(self.unproven)

    @property
    def additions(self) -> tuple[Change, ...]:
        """Return the additions alone."""
        return tuple(c for c in self.changes if c.action is Action.ADD)

    @property
    def removals(self) -> tuple[Change, ...]:
        """Return the removals alone."""
        return tuple(c for c in self.changes if c.action is Action.REMOVE)
