"""What people say of single names: pin one, let one go, have one removed. The sync that follows does the rest."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import WILDCARD, is_public_suffix, normalise, not_public
from closte_bridge.engine import lock
from closte_bridge.engine.snapshots import read_snapshot, start_snapshot
from closte_bridge.errors import BridgeError, ConfigError, ReadOnlyError
from closte_bridge.ledger import journal
from closte_bridge.ledger.journal import Entry
from closte_bridge.planning.desired import desired

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.ledger.store import Ledger


def parse_names(raw: Iterable[str]) -> list[str]:
    """Return the names in their one spelling. Raises ConfigError for the first that is none."""
    names = []
    for name in raw:
        try:
            names.append(normalise(name))
        except ValueError as error:
            raise ConfigError(
                f'"{name[:80]}" is not a domain name: {error}.',
                code="bad-domain",
                hint="Write it like shop.example.com, or *.example.com for a wildcard.",
            ) from None
    return names


def _bound(engine: Engine) -> Ledger:
    if engine.ledger is None or engine.ledger.engine_id() is None:
        raise ReadOnlyError(
            "No engine is in charge of this network.",
            code="not-adopted",
            hint="Run `closte-bridge adopt` to take charge.",
        )
    return engine.ledger


def pin(engine: Engine, names: list[str], command: str) -> list[str]:
    """Want these names at Closte whatever WordPress says; return those that were not pinned before."""
    for name in names:
        host = name.removeprefix(WILDCARD)
        if why := not_public(host) or ("everybody registers under it" if is_public_suffix(host) else None):
            raise ConfigError(
                f'"{name}" cannot be added: no certificate can be had for it ({why}).',
                code="not-public",
                hint="Pin a name of the public DNS.",
            )
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger, now = _bound(engine), engine.clock.now()
        pins = ledger.state(now).pins
        new = [name for name in names if name not in pins]
        with ledger.transaction():
            ledger.mark("pin", names, now)
            ledger.unmark("leaving", names)
            ledger.unmark("released", names)
            _note(ledger, now, "pin", new)
        return new


class Dismissal(NamedTuple):
    """Names that are to be removed at Closte, and those that were only unpinned because they are not there."""

    removing: list[str]
    unpinned: list[str]


def dismiss(engine: Engine, names: list[str], command: str) -> Dismissal:
    """Have these names removed at Closte: unpin them and mark them as leaving. Removal itself is the sync's.

    Raises BridgeError when WordPress or the config still wants one, or when one is not ours.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger, now = _bound(engine), engine.clock.now()
        state = ledger.state(now)
        _refuse_dismissal(engine, state, names)
        ours = [name for name in names if name in state.ours or name in state.unsettled]
        with ledger.transaction():
            ledger.unmark("pin", names)
            ledger.mark("leaving", ours, now)
            _note(ledger, now, "dismiss", names)
        return Dismissal(ours, [name for name in names if name not in ours])


def _refuse_dismissal(engine: Engine, state: LedgerState, names: list[str]) -> None:
    snapshot = read_snapshot(engine, start_snapshot(engine, ask_key=False, acknowledge=False), state)
    desire = desired(snapshot, engine.intentions(), state)
    for name in names:
        if desire.row_for(name):
            raise BridgeError(
                f'"{name}" is still mapped in WordPress.',
                code="still-mapped",
                hint="Remove the mapping there first; the alias then goes by itself.",
                domain=name,
            )
        if name in desire.configured or name in desire.kept:
            raise BridgeError(
                f'"{name}" is still in the config.',
                code="still-configured",
                hint="Take it out there first.",
                domain=name,
            )
        if name not in state.ours and name not in state.unsettled and name not in state.pins:
            raise BridgeError(
                f'"{name}" is not one of our aliases.',
                code="not-ours",
                hint="Only what this engine added or adopted is removed; remove others in Closte's dashboard.",
                domain=name,
            )


def release(engine: Engine, names: list[str], command: str) -> list[str]:
    """Forget these aliases without touching Closte, and mark them against being adopted again.

    Return those that were ours. One that was pinned is so no more.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger, now = _bound(engine), engine.clock.now()
        state = ledger.state(now)
        ours = [name for name in names if name in state.ours or name in state.unsettled]
        with ledger.transaction():
            ledger.forget(names)
            ledger.unmark("pin", names)
            ledger.mark("released", names, now)
            _note(ledger, now, "release", names)
        return ours


def _note(ledger: Ledger, now: float, action: str, names: Iterable[str]) -> None:
    run = secrets.token_hex(4)
    journal.append(ledger, [Entry(now, run, action, name, "by command", "done") for name in names])
