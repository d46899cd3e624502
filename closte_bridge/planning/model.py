"""Data types of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from closte_bridge.hosting import Action
from closte_bridge.ledger.state import FailureCode

if TYPE_CHECKING:
    from closte_bridge.ledger.state import Absence, Origin, RemovalClass
    from closte_bridge.planning.completeness import Observed


class Addition(NamedTuple):
    """One planned call that adds an alias."""

    name: str
    origin: Origin
    cause: str

    @property
    def action(self) -> Action:
        """Return the action."""
        return Action.ADD


class Removal(NamedTuple):
    """One planned call that removes an alias."""

    name: str
    origin: Origin
    cause: str
    removal_class: RemovalClass

    @property
    def action(self) -> Action:
        """Return the action."""
        return Action.REMOVE


Change: TypeAlias = Addition | Removal


class HoldCode(StrEnum):
    """Why a change is on hold. The reference explains each code."""

    # Additions.
    CERTIFICATE_BUDGET = "certificate-budget"
    CONFLICT = "conflict"
    COVERED = "covered"
    EXISTS_ELSEWHERE = FailureCode.EXISTS_ELSEWHERE.value
    LIST_LAG = "list-lag"
    MALFORMED = "malformed"
    NOT_LISTED = FailureCode.NOT_LISTED.value
    NOT_MANAGED = FailureCode.NOT_MANAGED.value
    NOT_PUBLIC = "not-public"
    OTHER_NETWORK = "other-network"
    REFUSED = "refused"
    RELEASED = "released"
    SITE_GONE = "site-gone"
    WWW_UNPROVEN = "www-unproven"
    # Removals.
    ADD_ONLY = "add-only"
    BY_COMMAND_ONLY = "by-command-only"
    LIST_NOT_COMPLETE = "list-not-complete"
    MENTIONED = "mentioned"
    OVER_LIMIT = "over-limit"
    PROTECTED = "protected"
    SECOND_LOOK = "second-look"
    SNAPSHOT_PARTIAL = "snapshot-partial"
    WAITING = "waiting"
    WILDCARD_COVERS = "wildcard-covers"
    # Both.
    BACK_OFF = "back-off"


class Hold(NamedTuple):
    """A change on hold. `reason` is for people; `until` is the time of the next check, if known."""

    action: Action
    name: str
    code: HoldCode
    reason: str
    until: float | None = None


def unproven_hold(www: str) -> Hold:
    """Return the hold of a `www.` form that waits for its DNS."""
    return Hold(Action.ADD, www, HoldCode.WWW_UNPROVEN, f'waiting for DNS to point to the same address as "{www[4:]}"')


class OverLimit(NamedTuple):
    """A class of removals above its limit. `digest` identifies exactly these domains."""

    removal_class: RemovalClass
    names: tuple[str, ...]
    removed: int
    waiting: int
    limit: int
    window: float
    digest: str


class Approval(NamedTuple):
    """User approval of removals above the limit: printed digests, and domains of a reviewed plan."""

    digests: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


NOTHING_APPROVED = Approval()


class Mode(Enum):
    """Permission mode of this installation."""

    FULL = "full"
    ADD_ONLY = "add-only"
    READ_ONLY = "read-only"
    INACTIVE = "inactive"  # disabled in Ultimate Multisite: no changes, no error


class Authority(NamedTuple):
    """Permission mode with reason (a clause) and hint. `rebind`: the key is new but belongs to the same application."""

    mode: Mode
    code: str = ""
    reason: str = ""
    hint: str = ""
    rebind: bool = False


@dataclass(frozen=True, slots=True)
class LedgerUpdates:
    """Updates of the ledger that follow from a read, even without any change on Closte.

    `staying`: domains whose removal request is void, because something asks for them again. `lapsed`: needed domains
    whose last request certainly failed; if they appear without another request, they are unmanaged. `unclaimed`:
    domains that exist after a lost response and may have existed before the request; they are unmanaged.
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
    """Planned changes, changes on hold and obstacles, each with its reason.

    `held`: changes on hold, except `unproven`, the `www.` forms that wait for their DNS. Those can be as many as
    mappings, so `holds` builds them only on demand. `lost`: see `Observed`. `in_sync`: the number of domains in sync.
    `orphaned`: domains on Closte whose only mapping belongs to a deleted site.
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
        """Return all changes on hold; `hold_count` counts them without building them."""
        return (*self.held, *map(unproven_hold, sorted(self.unproven)))

    @property
    def hold_count(self) -> int:
        """Return the number of changes on hold."""
        return len(self.held) + len(self.unproven)

    @property
    def additions(self) -> tuple[Addition, ...]:
        """Return the additions."""
        return tuple(c for c in self.changes if isinstance(c, Addition))

    @property
    def removals(self) -> tuple[Removal, ...]:
        """Return the removals."""
        return tuple(c for c in self.changes if isinstance(c, Removal))
