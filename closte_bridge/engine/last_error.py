"""Error of the last run of `watch`, kept in the ledger for `health` and `doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEY = "watch_error"


class LastError(NamedTuple):
    """An error and the time of its run, in seconds since the epoch."""

    at: float
    code: str
    message: str
    hint: str


def last_error(meta: Mapping[str, str]) -> LastError | None:
    """Return the error of the last run of `watch`, or None if it succeeded."""
    return LastError(*json.loads(meta[_KEY])) if _KEY in meta else None


def note(folder: Path, error: BridgeError | None, now: float) -> None:
    """Save the result of a run of `watch` if there is a ledger. Errors of the ledger itself are ignored."""
    try:
        ledger = Ledger.open(folder)
        if ledger is None:
            return
        try:
            if error is None and _KEY not in ledger.meta():
                return
            found = None if error is None else LastError(now, error.code, error.message, error.hint)
            with ledger.transaction():
                ledger.set_meta(**{_KEY: None if found is None else json.dumps(found)})
        finally:
            ledger.close()
    except BridgeError:
        return
