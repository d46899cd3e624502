"""Error of the last run of `watch`, kept in the ledger for `health` and `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.meta import WATCH_ERROR, LastError
from closte_bridge.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def last_error(meta: Mapping[str, str]) -> LastError | None:
    """Return the error of the last run of `watch`, or None if it succeeded."""
    return WATCH_ERROR.of(meta)


def note(folder: Path, error: BridgeError | None, now: float) -> None:
    """Save the result of a run of `watch` if there is a ledger. Errors of the ledger itself are ignored."""
    try:
        ledger = Ledger.open(folder)
        if ledger is None:
            return
        try:
            if error is None and WATCH_ERROR.of(ledger.meta()) is None:
                return
            found = None if error is None else LastError(now, error.code, error.message, error.hint)
            with ledger.transaction():
                ledger.save(WATCH_ERROR.to(found))
        finally:
            ledger.close()
    except BridgeError:
        return
