"""Helpers for ledgers in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def opened(folder: Path) -> Ledger:
    """Open the ledger in `folder`; create it if it is missing."""
    ledger = Ledger.create(folder)
    assert ledger is not None
    return ledger


def code_of(work: Callable[[], object]) -> str:
    """Return the code of the error that `work` raises; the error must have a hint."""
    with pytest.raises(BridgeError) as caught:
        work()
    assert caught.value.hint
    return caught.value.code
