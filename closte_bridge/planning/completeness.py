"""Decide whether Closte's list is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

from closte_bridge.counts import counted
from closte_bridge.hosting import Completeness, Listing
from closte_bridge.ledger.state import AliasPhase

if TYPE_CHECKING:
    from closte_bridge.ledger.state import LedgerState

# Rule 1: a list that shrank by more than this share since the last complete read, unexpectedly, is incomplete.
SHRINK_TOLERANCE = 0.1
# More missing managed aliases than this are a loss. Fewer may be a late list, or a change in Closte's dashboard.
FEW = 3


@dataclass(frozen=True, slots=True)
class Observed:
    """Closte's list and its completeness. `names` is empty if it could not be read.

    `paged`: the list itself says that it is only a part. `lost`: managed aliases that are missing from a list that
    seems whole, if they are more than a few.
    """

    state: Completeness
    names: frozenset[str]
    reason: str = ""
    paged: bool = False
    lost: frozenset[str] = frozenset()

    @property
    def complete(self) -> CompleteList | None:
        """This list if a domain that is missing here is also missing on Closte, else None."""
        return CompleteList(self) if self.state is Completeness.COMPLETE else None

    @property
    def readable(self) -> bool:
        """Return whether the list could be read, so that a domain in it is on Closte."""
        return self.state is not Completeness.UNREADABLE


CompleteList = NewType("CompleteList", Observed)
"""A list that proves what Closte lacks (rule 1). Only `Observed.complete` makes it."""


def assess_list(listing: Listing, main_domain: str, ledger: LedgerState) -> Observed:
    """Return the domains of the list and whether it is complete.

    Recent removals by closte-bridge are not counted, because a late list still shows them (see `count`).
    """
    names = listing.names
    if listing.state is Completeness.UNREADABLE:
        return Observed(Completeness.UNREADABLE, frozenset(), listing.reason)
    if listing.state is Completeness.PARTIAL:
        return Observed(Completeness.PARTIAL, names, listing.reason, paged=listing.paged)
    if main_domain not in names:
        return Observed(
            Completeness.PARTIAL, names, f'the network\'s main domain "{main_domain}" is missing from the list'
        )
    missing = frozenset(name for name in ledger.managed if name not in names)
    if len(missing) > len(ledger.managed) * SHRINK_TOLERANCE and len(missing) > 1:
        lost = missing if len(missing) > FEW else frozenset()
        reason = f"{len(missing)} of {len(ledger.managed)} managed domains are missing from the list"
        return Observed(Completeness.PARTIAL, names, reason, lost=lost)
    # Unconfirmed removals that are gone from the list count as removed by closte-bridge.
    gone = (n for n, unsettled in ledger.unsettled.items() if unsettled.phase is AliasPhase.REMOVING and n not in names)
    before, now = ledger.observed_count - sum(1 for _ in gone), count(names, ledger)
    if now < before * (1 - SHRINK_TOLERANCE):
        return Observed(
            Completeness.PARTIAL,
            names,
            f"the list shrank unexpectedly from {before} to {counted(now, 'domain')}",
        )
    return Observed(Completeness.COMPLETE, names)


def count(names: frozenset[str], ledger: LedgerState) -> int:
    """Return the number of domains in a list, without recent removals that a late list still shows.

    The ledger's `observed_count` is this number for the last complete list, minus later removals.
    """
    removed = ledger.removed_lately
    return len(names) - sum(1 for name in removed if name in names and name not in ledger.managed)
