"""What can be wrong on this machine: the ledger, the lock, whoever should run us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from closte_bridge.doctor.model import Finding, error, ok, skip, warning
from closte_bridge.engine.clock import last_try
from closte_bridge.engine.last_error import last_error
from closte_bridge.engine.lock import holder_since
from closte_bridge.engine.loop import HEARTBEAT_FILE
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.model import Authority

_TOO_LONG = 1800.0
_WATCH_IS_ALIVE = 60.0


def of_ledger(engine: Engine) -> Iterator[Finding]:
    """Return whether the ledger is sound and somebody keeps it going."""
    now = engine.clock.now()
    held = holder_since(engine.settings.state_dir)
    if held is not None and now - held > _TOO_LONG:
        hint = "See what it does (`ps`); end it if it hangs: nothing is lost by that."
        yield warning("lock", f"A run has held the lock for {counted(round((now - held) / 60), 'minute')}.", hint)
    else:
        yield ok("lock", "No run hangs.")
    if engine.ledger is None:
        yield skip("ledger", "There is no ledger yet.")
        return
    ((verdict,),) = engine.ledger.query("PRAGMA quick_check(1)")
    if verdict == "ok":
        yield ok("ledger", f'The ledger "{engine.ledger.path}" is sound.')
    else:
        hint = "Move it away and run `closte-bridge adopt --take-over`: wanted aliases are adopted again."
        yield error("ledger", f'The ledger "{engine.ledger.path}" is damaged.', hint)
    yield from _rhythm(engine, now)


def _rhythm(engine: Engine, now: float) -> Iterator[Finding]:
    assert engine.ledger is not None  # noqa: S101 - the caller looked
    meta = engine.ledger.meta()
    if engine.clock.jumped(meta):
        hint = "Waiting times start over at the next run. Set the clock by NTP."
        yield warning("clock-jump", "The clock of this machine jumped since the last run.", hint)
    watching, failed = _watching(engine, now), last_error(meta)
    if failed is not None and (watching or now - failed.at <= _TOO_LONG):
        # A run by hand may succeed all the same: it has other rights than a service in its sandbox.
        message = f"The last run of `closte-bridge watch` failed {_ago(now - failed.at)}: {failed.message}"
        yield error("runner", message, failed.hint)
    elif watching:
        yield ok("runner", "`closte-bridge watch` is running.")
    elif (tried := last_try(meta)) is not None and now - tried <= _TOO_LONG:
        yield ok("runner", f"The last run was {_ago(now - tried)}.")
    else:
        hint = "Run `closte-bridge watch` as a service, or `closte-bridge sync` from a timer."
        yield error("runner", "Nothing runs this engine: no watch, and no run for half an hour.", hint)
    success = meta.get("last_success")
    if success is not None and now - float(success) <= _TOO_LONG:
        yield ok("last-success", f"The last success was {_ago(now - float(success))}.")
    else:
        age = _ago(now - float(success)) if success else "never"
        yield warning("last-success", f"The last success: {age}.", "Run `closte-bridge sync` and look at what it says.")


def _ago(seconds: float) -> str:
    return f"{counted(round(seconds / 60), 'minute')} ago"


def _watching(engine: Engine, now: float) -> bool:
    try:
        return now - (engine.settings.state_dir / HEARTBEAT_FILE).stat().st_mtime < _WATCH_IS_ALIVE
    except OSError:
        return False


def of_standing(authority: Authority) -> Finding:
    """Return whether this engine may change the network."""
    if authority.mode is Mode.FULL:
        return ok("owner", "This engine is in charge of the network.")
    if authority.mode is Mode.INACTIVE:
        return ok("owner", f"This engine is in charge, and nothing is changed: {authority.reason}.")
    word = "read-only" if authority.mode is Mode.READ_ONLY else "add-only"
    return error("owner", f"This engine is {word}: {authority.reason}.", authority.hint)
