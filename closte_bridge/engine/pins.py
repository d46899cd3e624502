"""What people say of single names: pin one, let one go, have one removed. The sync that follows does the rest."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.domains import WILDCARD, is_clostes_own, is_public_suffix, normalise, not_public, pasted_domain
from closte_bridge.engine import lock
from closte_bridge.engine.apply import key_rejected
from closte_bridge.engine.observe import observe
from closte_bridge.errors import BridgeError, ConfigError, ReadOnlyError
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import LEAVING, PIN, RELEASED
from closte_bridge.ledger.log import LogEntry
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.desired import Desired


def parse_names(raw: Iterable[str], on_pasted: Callable[[str, str], None] | None = None) -> list[str]:
    """Return the names in their one spelling. Raises ConfigError for the first that is none.

    Of a pasted address the domain is taken, and `on_pasted` is called with what was given and what was understood.
    """
    names = []
    for name in raw:
        try:
            names.append(normalise(name))
        except ValueError as error:
            domain = pasted_domain(name)
            if domain is None:
                raise _no_domain(name, str(error)) from None
            names.append(domain)
            if on_pasted:
                on_pasted(name, domain)
    return names


def _no_domain(text: str, why: str) -> ConfigError:
    hint = "Write it like shop.example.com, or *.example.com for a wildcard."
    if re.search(r"[/:@?#,]", text):
        hint = "Give the domain alone, like shop.example.com: leave out scheme, user, port, path and commas."
    return ConfigError(f'"{text[:80]}" is not a domain name: {why}.', code="bad-domain", hint=hint)


def bound(engine: Engine) -> Ledger:
    """Return the open ledger of an engine that is in charge. Raises ReadOnlyError when none is."""
    if engine.ledger is None or engine.ledger.engine_id() is None:
        raise ReadOnlyError(
            "No engine is in charge of this network.",
            code="not-adopted",
            hint="Run `closte-bridge adopt` to take charge.",
        )
    return engine.ledger


def refuse_read_only(view: Observation) -> None:
    """Raise ReadOnlyError, or that the key is rejected, where a sync would change nothing for that reason."""
    authority = view.authority
    if authority.mode is not Mode.READ_ONLY:
        return
    if view.listing.key_rejected:
        # To adopt, the remedy for another key, would not help.
        raise key_rejected()
    raise ReadOnlyError(f"Nothing was changed: {authority.reason}.", code=authority.code, hint=authority.hint)


@contextmanager
def _noting(engine: Engine, command: str) -> Iterator[tuple[Ledger, Observation]]:
    """Hold the lock for a wish that is to be noted, with both sides looked at. Raises where nothing may be changed.

    A wish that was noted there would come true after the next adoption, perhaps weeks later.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger = bound(engine)
        with observe(engine) as view:
            refuse_read_only(view)
            yield ledger, view


def pin(engine: Engine, names: list[str], command: str) -> list[str]:
    """Want these names at Closte whatever WordPress says; return those that were not pinned before.

    Raises BridgeError where nothing may be changed.
    """
    for name in names:
        host = name.removeprefix(WILDCARD)
        if is_clostes_own(name):
            raise ConfigError(
                f'"{name}" cannot be added: it belongs to Closte.',
                code="clostes-own",
                hint="Add a domain of your own.",
            )
        if why := not_public(host) or ("everybody registers under it" if is_public_suffix(host) else None):
            raise ConfigError(
                f'"{name}" cannot be added: no certificate can be had for it ({why}).',
                code="not-public",
                hint="Pin a name of the public DNS.",
            )
    with _noting(engine, command) as (ledger, view):
        now = engine.clock.now()
        new = [name for name in names if name not in view.ledger.pins]
        with ledger.transaction():
            ledger.set_flag(PIN, names, now)
            ledger.clear_flag(LEAVING, names)
            ledger.clear_flag(RELEASED, names)
            _note(ledger, now, "pin", new)
        return new


class RemovalRequest(NamedTuple):
    """Names that are to be removed at Closte, and those that were only unpinned because they are not there."""

    removing: list[str]
    unpinned: list[str]


def request_removal(engine: Engine, names: list[str], command: str) -> RemovalRequest:
    """Have these names removed at Closte: unpin them and mark them as leaving. Removal itself is the sync's.

    Raises BridgeError when WordPress or the config still wants one, when one is not ours, or where nothing may be
    changed.
    """
    with _noting(engine, command) as (ledger, view):
        now, state = engine.clock.now(), view.ledger
        _refuse_removal(state, view.desire(engine), names)
        managed = [name for name in names if name in state.managed or name in state.unsettled]
        with ledger.transaction():
            ledger.clear_flag(PIN, names)
            ledger.set_flag(LEAVING, managed, now)
            _note(ledger, now, "dismiss", names)
        return RemovalRequest(managed, [name for name in names if name not in managed])


def _refuse_removal(state: LedgerState, desire: Desired, names: list[str]) -> None:
    for name in names:
        if desire.row_for(name):
            raise BridgeError(
                f'"{name}" is still mapped in WordPress.',
                code="still-mapped",
                hint="Remove the mapping there first; the alias then goes by itself.",
                domain=name,
            )
        if name in desire.configured or desire.keeps(name):
            raise BridgeError(
                f'"{name}" is still in the config.',
                code="still-configured",
                hint="Take it out there first.",
                domain=name,
            )
        if name not in state.managed and name not in state.unsettled and name not in state.pins:
            raise BridgeError(
                f'"{name}" is not one of our aliases.',
                code="not-ours",
                hint="Only what this engine added or adopted is removed; remove others in Closte's dashboard.",
                domain=name,
            )


def release(engine: Engine, names: list[str], command: str) -> list[str]:
    """Forget those of these aliases that are managed or pinned, without touching Closte; return them.

    `adopt` leaves them alone from then on.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger, now = bound(engine), engine.clock.now()
        state = ledger.state(now)
        known = [name for name in names if name in state.managed or name in state.unsettled or name in state.pins]
        with ledger.transaction():
            ledger.forget(known)
            ledger.clear_flag(PIN, known)
            ledger.set_flag(RELEASED, known, now)
            _note(ledger, now, "release", known)
        return known


def _note(ledger: Ledger, now: float, action: str, names: Iterable[str]) -> None:
    run = secrets.token_hex(4)
    ledger_log.append(ledger, [LogEntry(now, run, action, name, "by command", "done") for name in names])
