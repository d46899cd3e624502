"""Read WordPress for an engine: start `wp`, pass data from the ledger, validate the snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.errors import ConfigError
from closte_bridge.ledger import published
from closte_bridge.ledger.events import to_acknowledge
from closte_bridge.ledger.meta import ABLE, GENERATION, LOCATION
from closte_bridge.ledger.shim_status import shim_status
from closte_bridge.planning.authority import rollback_sign
from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.states import NO_ROWS, StatesWrite

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Snapshot

MOST_WAITING = 300
"""More rows than these do not travel in a read, but at the end of a run."""


def read_snapshot(engine: Engine, call: SnapshotCall, ledger: LedgerState) -> Snapshot:
    """Wait for the snapshot and compare it with the ledger: a restored database is not complete."""
    with engine.waiting("WordPress"):
        snapshot = call.snapshot()
    if why := rollback_sign(snapshot, ledger):
        snapshot = replace(snapshot, went_back=why)
    _refuse_document_root(engine, snapshot)
    return snapshot


def _refuse_document_root(engine: Engine, snapshot: Snapshot) -> None:
    if engine.settings.wp.is_remote:
        return
    root = Path(snapshot.network.root).resolve()
    if engine.settings.state_dir.resolve().is_relative_to(root):
        raise ConfigError(
            f'The state folder "{engine.settings.state_dir}" is inside the document root.',
            code="state-folder",
            hint="Set `state_dir` in the config to a folder outside the document root.",
        )


def start_snapshot(engine: Engine, *, ask_key: bool, acknowledge: bool) -> SnapshotCall:
    """Start reading. With `acknowledge`, WordPress deletes the events saved in the ledger, if it is the owner's."""
    ledger = engine.ledger if acknowledge else None
    return SnapshotCall(
        engine.settings.wp,
        engine.cost.wp,
        ask_key=ask_key,
        engine=ledger.engine_id() if ledger else None,
        acknowledge=_to_acknowledge(engine, ledger) if ledger else (),
        status=_status(ledger, engine.clock.now()) if ledger else None,
        states=_states(engine, ledger) if ledger else None,
        early=engine.head,
    )


def _to_acknowledge(engine: Engine, ledger: Ledger) -> list[str]:
    """Return the events that WordPress may delete: none if the ledger may be a copy, as the original needs them."""
    events = to_acknowledge(ledger)
    if not events:
        return []
    return events if LOCATION.of(ledger.meta()) == engine.location() else []


def _states(engine: Engine, ledger: Ledger) -> dict[str, object] | None:
    """Return the domain states that wait; none if the ledger may be a copy."""
    states = waiting_states(ledger)
    return states.as_data() if states and LOCATION.of(ledger.meta()) == engine.location() else None


def waiting_states(ledger: Ledger) -> StatesWrite | None:
    """Return the domain states that travel in a read; None without any, and if there are too many."""
    expected = GENERATION.of(ledger.meta())
    batch = published.pending(ledger, MOST_WAITING + 1) if expected else NO_ROWS
    if not 0 < len(batch.names) <= MOST_WAITING:
        return None
    return StatesWrite(expected, expected + 1, batch)


def _status(ledger: Ledger, now: float) -> dict[str, object] | None:
    """Return the status for the shim: the age of the last success, verdicts and addresses."""
    last = ABLE.of(ledger.meta())
    if last is None or last > now:
        return None
    return {"age": int(now - last), **shim_status(ledger, now)}
