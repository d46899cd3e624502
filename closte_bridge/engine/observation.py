"""Both sides as one look found them: what every decision of a run stands on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.closte.client import ClosteClient
    from closte_bridge.closte.listing import Listing
    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Authority, Observed
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot


@dataclass(slots=True)
class Observation:
    """Both sides at one moment, judged, with the key that opened Closte's.

    Where the integration is off there may be no key: nothing is asked of Closte, and nothing changed.
    """

    snapshot: Snapshot
    listing: Listing
    observed: Observed
    ledger: LedgerState
    authority: Authority
    given_key: Secret | None
    key_source: str
    opened: ClosteClient | None
    now: float
    _desire: Desired | None = None
    ahead: DuePreview | None = None

    @property
    def key(self) -> Secret:
        """The key; only for what is done where the integration is on."""
        assert self.given_key is not None  # noqa: S101 - as its description says
        return self.given_key

    @property
    def client(self) -> ClosteClient:
        """The client that asked for the list, open while the look lasts; likewise."""
        assert self.opened is not None  # noqa: S101 - it comes with the key
        return self.opened

    def desire(self, engine: Engine) -> Desired:
        """Return what the network wants, put together once."""
        from closte_bridge.planning.desired import desired  # noqa: PLC0415 - loaded while `wp` ran

        if self._desire is None:
            self._desire = desired(self.snapshot, engine.policy(), self.ledger)
        return self._desire

    def include(self, mappings: Sequence[Mapping]) -> None:
        """Let what was mapped since the look count as seen."""
        if mappings:
            highest = max(self.snapshot.highest_mapping, *(mapping.id for mapping in mappings))
            rows = [*self.snapshot.mappings, *mappings]
            self.snapshot = replace(self.snapshot, mappings=rows, highest_mapping=highest)
            self._desire = None
