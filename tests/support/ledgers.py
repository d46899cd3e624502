"""Ledgers for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.store import Ledger

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path) -> Ledger:
    """Open the ledger in `folder`; make it where there is none."""
    ledger = Ledger.open(folder, create=True)
    assert ledger is not None
    return ledger
