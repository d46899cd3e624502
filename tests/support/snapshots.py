"""Short functions that read a network with `wp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.wp import WpCost

if TYPE_CHECKING:
    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.snapshot import Snapshot


def read(settings: WpSettings) -> Snapshot:
    """Return a snapshot of the network, without the key."""
    return SnapshotCall(settings, WpCost(), ask_key=False).snapshot()


def read_key(settings: WpSettings) -> tuple[str, str]:
    """Return the key and its source in WordPress."""
    call = SnapshotCall(settings, WpCost(), ask_key=True)
    call.snapshot()
    key, source = call.key()
    return key.reveal(), source


def names(snapshot: Snapshot) -> list[str]:
    """Return the mapped domains, sorted."""
    return sorted(mapping.domain for mapping in snapshot.mappings)
