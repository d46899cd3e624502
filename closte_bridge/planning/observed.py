"""Judge Closte's list: can what is missing from it be believed to be missing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.closte.listing import Listing, Readability
from closte_bridge.ledger.state import Phase
from closte_bridge.planning.model import Observed, ObservedState

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState

# Rule 1: a list that lost more than a tenth since the last look, without our doing, is not believed.
SHRINK_TOLERANCE = 0.1


def judge(listing: Listing, main_domain: str, ledger: LedgerState) -> Observed:
    """Return what the list said with how far it can be believed.

    The ledger's `observed_count` is the length of the last complete list less what is known to be removed by us since.
    A name that we asked to remove without learning what came of it, and that is gone, went by our doing too.
    """
    names = listing.names
    if listing.state is Readability.UNREADABLE:
        return Observed(ObservedState.UNREADABLE, frozenset(), listing.reason)
    if listing.state is Readability.PARTIAL:
        return Observed(ObservedState.PARTIAL, names, listing.reason)
    if main_domain not in names:
        return Observed(
            ObservedState.PARTIAL, names, f'the list does not hold the network\'s own domain "{main_domain}"'
        )
    gone = (n for n, unsettled in ledger.unsettled.items() if unsettled.phase is Phase.REMOVING and n not in names)
    before = ledger.observed_count - sum(1 for _ in gone)
    if len(names) < before * (1 - SHRINK_TOLERANCE):
        return Observed(
            ObservedState.PARTIAL,
            names,
            f"the list shrank from {before} to {len(names)} names without our doing",
        )
    missing = sum(1 for name in ledger.ours if name not in names)
    if missing > len(ledger.ours) * SHRINK_TOLERANCE and missing > 1:
        return Observed(
            ObservedState.PARTIAL,
            names,
            f"the list lacks {missing} of the {len(ledger.ours)} aliases that are ours",
        )
    return Observed(ObservedState.COMPLETE, names)
