"""Judge Closte's list: can what is missing from it be believed to be missing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.closte.listing import Completeness, Listing
from closte_bridge.counts import counted
from closte_bridge.ledger.state import AliasPhase
from closte_bridge.planning.model import Observed

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState

# Rule 1: a list that lost more than a tenth since the last complete read, without our doing, is not believed.
SHRINK_TOLERANCE = 0.1
# Of managed aliases so many may be missing from a list that is late or was edited by a person. More are a loss.
FEW = 3


def assess_list(listing: Listing, main_domain: str, ledger: LedgerState) -> Observed:
    """Return what the list said with how far it can be believed.

    What we removed lately counts neither before nor now: a list may be late, and show it for a while (see `count`).
    """
    names = listing.names
    if listing.state is Completeness.UNREADABLE:
        return Observed(Completeness.UNREADABLE, frozenset(), listing.reason)
    if listing.state is Completeness.PARTIAL:
        return Observed(Completeness.PARTIAL, names, listing.reason, paged=listing.paged)
    if main_domain not in names:
        return Observed(
            Completeness.PARTIAL, names, f'the list does not hold the network\'s own domain "{main_domain}"'
        )
    missing = frozenset(name for name in ledger.managed if name not in names)
    if len(missing) > len(ledger.managed) * SHRINK_TOLERANCE and len(missing) > 1:
        lost = missing if len(missing) > FEW else frozenset()
        reason = f"the list lacks {len(missing)} of the {len(ledger.managed)} managed aliases"
        return Observed(Completeness.PARTIAL, names, reason, lost=lost)
    # What we asked to remove without learning what came of it, and is gone, went by our doing too.
    gone = (n for n, unsettled in ledger.unsettled.items() if unsettled.phase is AliasPhase.REMOVING and n not in names)
    before, now = ledger.observed_count - sum(1 for _ in gone), count(names, ledger)
    if now < before * (1 - SHRINK_TOLERANCE):
        return Observed(
            Completeness.PARTIAL,
            names,
            f"the list shrank from {before} to {counted(now, 'name')} without our doing",
        )
    return Observed(Completeness.COMPLETE, names)


def count(names: frozenset[str], ledger: LedgerState) -> int:
    """Return how many names a list holds, without those that we removed lately and a late list still shows.

    `observed_count` of the ledger is this number for the last complete list, less what we removed since.
    """
    removed = ledger.removed_lately
    return len(names) - sum(1 for name in removed if name in names and name not in ledger.managed)
