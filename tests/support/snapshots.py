"""Reading a network with `wp`, in a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.wp import WpCost

if TYPE_CHECKING:
    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.snapshot import Snapshot


def read(settings: WpSettings) -> Snapshot:
    """Return what is there, without the key."""
    return SnapshotCall(settings, WpCost(), ask_key=False).snapshot()


def read_key(settings: WpSettings) -> tuple[str, str]:
    """Return the key and where WordPress had it."""
    call = SnapshotCall(settings, WpCost(), ask_key=True)
    call.snapshot()
    key, source = call.key()
    return key.reveal(), source


def names(snapshot: Snapshot) -> list[str]:
    """Return the mapped names, sorted."""
    return sorted(mapping.domain for mapping in snapshot.mappings)
