"""Consistent view of WordPress and Closte for one run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.hosting import HostingApi, Listing
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Authority
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot


@dataclass(slots=True)
class Observation:
    """WordPress and Closte at one moment, with their completeness, and the API key.

    If the integration is disabled, there may be no key: nothing is requested from Closte, and nothing changes.
    """

    snapshot: Snapshot
    listing: Listing
    observed: Observed
    ledger: LedgerState
    authority: Authority
    given_key: Secret | None
    key_source: str
    opened: HostingApi | None
    now: float
    _desire: Desired | None = None
    due_preview: DuePreview | None = None

    @property
    def key(self) -> Secret:
        """API key; only use it if the integration is enabled."""
        assert self.given_key is not None  # noqa: S101 - set if the integration is enabled
        return self.given_key

    @property
    def client(self) -> HostingApi:
        """Client that requested the list, open during `observe`; only use it if the integration is enabled."""
        assert self.opened is not None  # noqa: S101 - created together with the key
        return self.opened

    def desire(self, engine: Engine) -> Desired:
        """Return the desired state, computed once."""
        from closte_bridge.planning.desired import desired  # noqa: PLC0415 - loaded while `wp` ran

        if self._desire is None:
            self._desire = desired(self.snapshot, engine.policy(), self.ledger)
        return self._desire

    def include(self, mappings: Sequence[Mapping]) -> None:
        """Add mappings that were created after the read."""
        if mappings:
            highest = max(self.snapshot.highest_mapping, *(mapping.id for mapping in mappings))
            rows = [*self.snapshot.mappings, *mappings]
            self.snapshot = replace(self.snapshot, mappings=rows, highest_mapping=highest)
            self._desire = None
