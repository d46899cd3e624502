"""The addresses of the sites at the last complete read: they show a move that has no event."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from closte_bridge.ledger.meta import SITE_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.ledger.store import Ledger


def moved_sites(ledger: Ledger, addresses: Mapping[int, str]) -> frozenset[int]:
    """Return the sites whose address differs from the one that `keep_addresses` saved. New sites do not count.

    `addresses`: site => domain.
    """
    if _is_known(ledger, addresses):
        return frozenset()
    known = _saved(ledger)
    return frozenset(site for site, domain in addresses.items() if known.get(site, domain) != domain)


def keep_addresses(ledger: Ledger, addresses: Mapping[int, str]) -> None:
    """Save the addresses of a complete read if they changed."""
    if _is_known(ledger, addresses):
        return
    known = _saved(ledger)
    with ledger.transaction(durable=False):
        gone = [(site,) for site in known.keys() - addresses.keys()]
        ledger.write("DELETE FROM site_addresses WHERE site = ?", gone)
        changed = [item for item in addresses.items() if known.get(item[0]) != item[1]]
        ledger.write("INSERT OR REPLACE INTO site_addresses (site, domain) VALUES (?, ?)", changed)
        ledger.save(SITE_ADDRESSES.to(_digest(addresses)))


def forget_addresses(ledger: Ledger) -> None:
    """Forget all addresses, inside a transaction: the sites may be those of another database."""
    ledger.write("DELETE FROM site_addresses", [()])
    ledger.save(SITE_ADDRESSES.to(None))


def _is_known(ledger: Ledger, addresses: Mapping[int, str]) -> bool:
    # Most reads find the same addresses, and 100,000 rows take longer to read than to hash.
    return SITE_ADDRESSES.of(ledger.meta()) == _digest(addresses)


def _saved(ledger: Ledger) -> dict[int, str]:
    return {int(site): str(domain) for site, domain in ledger.query("SELECT site, domain FROM site_addresses")}


def _digest(addresses: Mapping[int, str]) -> str:
    text = f"{[*addresses]}{[*addresses.values()]}"
    return hashlib.sha256(text.encode()).hexdigest()
