"""Consistent view of WordPress and Closte for one run, and what a run works with that may change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from closte_bridge.errors import ReadOnlyError, UnreadableError
from closte_bridge.planning.desired import desired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.hosting import HostingApi, Listing
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.events import NewEvents
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.planning.desired import Desired, DomainPolicy
    from closte_bridge.planning.model import Authority, Mode
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import CompleteSnapshot, Mapping, Snapshot


@dataclass(frozen=True, slots=True)
class Access:
    """The API key, a description of its source, and the client that requested the list, open during `observe`."""

    key: Secret
    source: str
    client: HostingApi


@dataclass(slots=True)
class Observation:
    """WordPress and Closte at one moment, with their completeness, the desired state, and the new events.

    The evidence in `ledger` includes that of the new events, and its failed changes include their requests.
    If the integration is disabled, there may be no `access`: nothing is requested from Closte, and nothing changes.
    """

    snapshot: Snapshot
    listing: Listing
    observed: Observed
    ledger: LedgerState
    authority: Authority
    access: Access | None
    now: float
    desire: Desired
    events: NewEvents
    due_preview: DuePreview | None = None

    @property
    def key_source(self) -> str:
        """The source of the API key, as a noun phrase; empty without a key."""
        return self.access.source if self.access else ""

    def include(self, mappings: Sequence[Mapping], policy: DomainPolicy) -> None:
        """Add mappings that were created after the read."""
        if mappings:
            highest = max(self.snapshot.highest_mapping, *(mapping.id for mapping in mappings))
            rows = [*self.snapshot.mappings, *mappings]
            self.snapshot = replace(self.snapshot, mappings=rows, highest_mapping=highest)
            self.desire = desired(self.snapshot, policy, self.ledger)

    def complete_snapshot(self) -> CompleteSnapshot:
        """Return the snapshot. Raises UnreadableError if WordPress could not be read completely."""
        if (snapshot := self.snapshot.complete) is None:
            raise UnreadableError(
                f"Could not read WordPress completely: {self.snapshot.problems[0]}.",
                code="snapshot-partial",
                hint="Run `wp db check`, then try again.",
            )
        return snapshot


def refuse(authority: Authority, *modes: Mode) -> None:
    """Raise ReadOnlyError in one of these modes."""
    if authority.mode in modes:
        raise ReadOnlyError(
            f"closte-bridge changes nothing: {authority.reason}.", code=authority.code, hint=authority.hint
        )


@dataclass(frozen=True, slots=True)
class Session:
    """A run that may change the network: its engine with ledger and access, and what it read.

    `run` is the ID of the run in the log.
    """

    engine: Engine
    ledger: Ledger
    view: Observation
    access: Access
    run: str
