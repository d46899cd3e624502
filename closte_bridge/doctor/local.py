"""Local diagnostics: lock, ledger, clock, schedule and owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from closte_bridge.doctor.model import NO_LEDGER, Finding, error, ok, skip, warning
from closte_bridge.engine.clock import last_try
from closte_bridge.engine.last_error import last_error
from closte_bridge.engine.lock import holder_since
from closte_bridge.engine.loop import HEARTBEAT_FILE
from closte_bridge.ledger.meta import LAST_SUCCESS
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.model import Authority

_TOO_LONG = 1800.0
_WATCH_IS_ALIVE = 60.0


def of_ledger(engine: Engine) -> Iterator[Finding]:
    """Check the lock, the ledger's integrity and the schedule."""
    now = engine.clock.now()
    held = holder_since(engine.settings.state_dir)
    if held is not None and now - held > _TOO_LONG:
        hint = "Check the process with `ps`. If it is stuck, kill it: nothing is lost."
        yield warning("lock", f"A run has been in progress for {counted(round((now - held) / 60), 'minute')}.", hint)
    else:
        yield ok("lock", "No run is stuck.")
    ledger = engine.ledger
    if ledger is None:
        yield skip("ledger", NO_LEDGER)
        return
    ((verdict,),) = ledger.query("PRAGMA quick_check(1)")
    if verdict == "ok":
        yield ok("ledger", f'The ledger "{ledger.path}" passed its integrity check.')
    else:
        hint = "Move the file away and rebuild it with `closte-bridge adopt --take-over`. Pins and history are lost."
        yield error("ledger", f'The ledger "{ledger.path}" is damaged.', hint)
    yield from _schedule(engine, ledger.meta(), now)


def _schedule(engine: Engine, meta: Mapping[str, str], now: float) -> Iterator[Finding]:
    if engine.clock.jumped(meta):
        hint = "Enable NTP. Pending delays restart with the next run."
        yield warning("clock-jump", "The system clock jumped since the last run.", hint)
    watching, failed = _watching(engine, now), last_error(meta)
    if failed is not None and (watching or now - failed.at <= _TOO_LONG):
        # A manual run may still succeed, because the service runs with fewer rights.
        message = f"The last run of `closte-bridge watch` failed {_ago(now - failed.at)}: {failed.message}"
        yield error("runner", message, failed.hint)
    elif watching:
        yield ok("runner", "`closte-bridge watch` is running.")
    elif (tried := last_try(meta)) is not None and now - tried <= _TOO_LONG:
        yield ok("runner", f"The last run was {_ago(now - tried)}.")
    else:
        hint = "Run `closte-bridge watch` as a service, or `closte-bridge sync` from cron."
        yield error("runner", "closte-bridge is not scheduled: no run in the last 30 minutes.", hint)
    success = LAST_SUCCESS.of(meta)
    if success is not None and now - success <= _TOO_LONG:
        yield ok("last-success", f"The last successful run was {_ago(now - success)}.")
    else:
        age = _ago(now - success) if success is not None else "never"
        hint = "Run `closte-bridge sync` and read its output."
        yield warning("last-success", f"No successful run in the last 30 minutes (last: {age}).", hint)


def _ago(seconds: float) -> str:
    return f"{counted(round(seconds / 60), 'minute')} ago"


def _watching(engine: Engine, now: float) -> bool:
    try:
        return now - (engine.settings.state_dir / HEARTBEAT_FILE).stat().st_mtime < _WATCH_IS_ALIVE
    except OSError:
        return False


def of_authority(authority: Authority) -> Finding:
    """Check whether this installation may change the network."""
    if authority.mode is Mode.FULL:
        return ok("owner", "This installation owns the network.")
    if authority.mode is Mode.INACTIVE:
        return ok("owner", f"This installation owns the network, but changes are disabled: {authority.reason}.")
    allowed = "read-only" if authority.mode is Mode.READ_ONLY else "limited to additions"
    return error("owner", f"This installation is {allowed}: {authority.reason}.", authority.hint)
