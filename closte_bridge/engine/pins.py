"""User requests for single domains (pin, release, remove), executed by the next sync."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import WILDCARD, is_clostes_own, is_public_suffix, not_public
from closte_bridge.engine import lock
from closte_bridge.engine.apply import key_rejected
from closte_bridge.engine.observation import refuse
from closte_bridge.engine.observe import observe
from closte_bridge.errors import BridgeError, ConfigError, ReadOnlyError
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import LEAVING, PIN, RELEASED
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.desired import Desired


def bound(engine: Engine) -> Ledger:
    """Return the open ledger of an adopted network. Raises ReadOnlyError if the network has not been adopted."""
    if engine.ledger is None or engine.ledger.engine_id() is None:
        raise ReadOnlyError(
            "This network has not been adopted.",
            code="not-adopted",
            hint="Run `closte-bridge adopt` to make this installation the owner.",
        )
    return engine.ledger


def refuse_read_only(view: Observation) -> None:
    """Raise ReadOnlyError in read-only mode, or the error for a rejected key."""
    if view.authority.mode is Mode.READ_ONLY and view.listing.key_rejected:
        # `closte-bridge adopt`, the hint for a changed key, would not help.
        raise key_rejected(view.key_source)
    refuse(view.authority, Mode.READ_ONLY)


@contextmanager
def _saving(engine: Engine, command: str) -> Iterator[tuple[Ledger, Observation]]:
    """Context manager: lock, read both sides and yield for saving a request.

    Raises in read-only mode: a saved request would otherwise be executed after the next adoption.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger = bound(engine)
        with observe(engine) as view:
            refuse_read_only(view)
            yield ledger, view


def pin(engine: Engine, names: list[str], command: str) -> list[str]:
    """Pin these domains, so that they stay on Closte regardless of WordPress; return the newly pinned ones.

    Raises BridgeError for an unsuitable domain, or in read-only mode.
    """
    for name in names:
        host = name.removeprefix(WILDCARD)
        if is_clostes_own(name):
            raise ConfigError(
                f'Could not add "{name}": it belongs to Closte.',
                code="clostes-own",
                hint="Add a domain of your own.",
            )
        if why := not_public(host) or ("it is a public suffix" if is_public_suffix(host) else None):
            raise ConfigError(
                f'Could not add "{name}": no certificate can be issued for it ({why}).',
                code="not-public",
                hint="Use a public domain name.",
            )
    with _saving(engine, command) as (ledger, view):
        now = engine.clock.now()
        new = [name for name in names if name not in view.ledger.pins]
        with ledger.transaction():
            ledger.set_flag(PIN, names, now)
            ledger.clear_flag(LEAVING, names)
            ledger.clear_flag(RELEASED, names)
            _note(ledger, now, LogAction.PIN, new)
        return new


class RemovalRequest(NamedTuple):
    """Domains to remove from Closte, and domains that were only unpinned because they are not managed."""

    removing: list[str]
    unpinned: list[str]


def request_removal(engine: Engine, names: list[str], command: str) -> RemovalRequest:
    """Unpin these domains and flag them for removal from Closte by the next sync.

    Raises BridgeError if WordPress or the config still needs one, if one is unmanaged, or in read-only mode.
    """
    with _saving(engine, command) as (ledger, view):
        now, state = engine.clock.now(), view.ledger
        _refuse_removal(state, view.desire, names)
        managed = [name for name in names if name in state.managed or name in state.unsettled]
        with ledger.transaction():
            ledger.clear_flag(PIN, names)
            ledger.set_flag(LEAVING, managed, now)
            _note(ledger, now, LogAction.DISMISS, names)
        return RemovalRequest(managed, [name for name in names if name not in managed])


def _refuse_removal(state: LedgerState, desire: Desired, names: list[str]) -> None:
    for name in names:
        if desire.row_for(name):
            raise BridgeError(
                f'Could not remove "{name}": it is still mapped in WordPress.',
                code="still-mapped",
                hint="Delete the mapping in WordPress; closte-bridge then removes the domain automatically.",
                domain=name,
            )
        if name in desire.configured or desire.keeps(name):
            raise BridgeError(
                f'Could not remove "{name}": it is still in the config.',
                code="still-configured",
                hint="Remove it from the config first.",
                domain=name,
            )
        if name not in state.managed and name not in state.unsettled and name not in state.pins:
            raise BridgeError(
                f'Could not remove "{name}": closte-bridge does not manage it.',
                code="not-managed",
                hint="closte-bridge only removes domains it added or adopted. Remove this one in Closte's dashboard.",
                domain=name,
            )


def release(engine: Engine, names: list[str], command: str) -> list[str]:
    """Forget the managed or pinned ones of these domains without changing Closte; return them.

    `adopt` ignores them from then on.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger, now = bound(engine), engine.clock.now()
        state = ledger.state(now)
        known = [name for name in names if name in state.managed or name in state.unsettled or name in state.pins]
        with ledger.transaction():
            ledger.forget(known)
            ledger.clear_flag(PIN, known)
            ledger.set_flag(RELEASED, known, now)
            _note(ledger, now, LogAction.RELEASE, known)
        return known


def _note(ledger: Ledger, now: float, action: LogAction, names: Iterable[str]) -> None:
    run = secrets.token_hex(4)
    ledger_log.append(ledger, [LogEntry(now, run, action, name, "by command", "done") for name in names])
