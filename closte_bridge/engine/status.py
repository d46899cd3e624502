"""What the ledger knows about a network: its owner, its runs, its domains, and what needs a person.

Reads only the ledger and the other files of the state folder: no `wp`, no request to Closte.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.counts import counted
from closte_bridge.engine.clock import last_try
from closte_bridge.engine.lock import holder_since
from closte_bridge.engine.loop import HEARTBEAT_FILE, stamp
from closte_bridge.engine.problems import ALARMS, open_problems
from closte_bridge.ledger.meta import ADOPTED_AT, CONFIG_PATH, IDENTITY, LAST_SUCCESS, WATCH_ERROR
from closte_bridge.ledger.runs import LAST_RESULT, SCHEDULES, RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.store import Ledger

# Seconds: default maximum ages of the last successful run and of a problem, and of a pause without a warning.
MOST_AGE = 1800.0
MOST_PROBLEM_AGE = 86_400.0
MOST_PAUSE = 86_400.0
# Seconds since its heartbeat in which `watch` counts as running.
WATCH_IS_ALIVE = 60.0
# Tolerated seconds between two runs of a schedule, besides twice its usual time.
_LATE = 300.0
_AUTOMATIC = ("watch", "timer", "cron", "shim")
NOT_ADOPTED = "this network has not been adopted"
# The command that explains a problem best; the default is `sync`.
_COMMANDS = {
    "needs-approval": "plan",
    "list-unreadable": "integration test",
    "key-rejected": "integration test",
    "snapshot-partial": "doctor",
    "database-restored": "adopt",
    "exists-elsewhere": "doctor",
    "not-listed": "doctor",
    "add-failed": "doctor",
    "add-refused": "doctor",
    "remove-failed": "doctor",
    "remove-refused": "doctor",
}


class Unhealthy(NamedTuple):
    """Why a network is unhealthy, as a clause, and the command that explains it."""

    reason: str
    command: str = "sync"


_NOT_ADOPTED = Unhealthy(NOT_ADOPTED, "adopt")


class Need(NamedTuple):
    """Something that needs a person: what, and what to do about it. `since` is in seconds since the epoch."""

    code: str
    message: str
    hint: str
    domain: str | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """The status of a network. Times are in seconds since the epoch.

    `mode` is `not-adopted`, `unknown` before the first run, `paused`, or that of the last run, with its `code`,
    `reason` (a clause), `hint` and beginning `mode_since`. `schedule` is what runs closte-bridge automatically, every
    `every` seconds if that is known, and `running` whether it still does. `in_progress` is the beginning of the
    current run. `last` is the last run, `success` the end of the last successful one, `tried` that of any.
    `unhealthy` is why `health` is red.
    """

    network: str
    domain: str = ""
    host: str = ""
    adopted: float | None = None
    mode: str
    code: str = ""
    reason: str = ""
    hint: str = ""
    mode_since: float | None = None
    schedule: str = ""
    every: float | None = None
    running: bool = False
    in_progress: float | None = None
    last: RunRecord | None = None
    success: float | None = None
    tried: float | None = None
    next_run: float | None = None
    watch_error: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    unhealthy: Unhealthy | None = None

    @property
    def pause_warning(self) -> bool:
        """Return whether changes have been paused for longer than a day, as of the last run."""
        return self.mode == "paused" and (self.tried or 0.0) - (self.mode_since or 0.0) > MOST_PAUSE


def read_status(engine: Engine, *, limit: float = MOST_AGE, longest: float = MOST_PROBLEM_AGE) -> NetworkStatus:
    """Return the status of a network.

    `limit` is the maximum age in seconds of the last successful run, `longest` that of a problem.
    """
    name, now = engine.settings.name, engine.clock.now()
    with engine.opened():
        if engine.ledger is None:
            return NetworkStatus(network=name, mode="not-adopted", needs=(_adopt(),), unhealthy=_NOT_ADOPTED)
        meta = engine.ledger.meta()
        problems, counts = open_problems(engine.ledger), _counts(engine.ledger)
        identity, success, failed = IDENTITY.of(meta), LAST_SUCCESS.of(meta), WATCH_ERROR.of(meta)
    last, adopted = LAST_RESULT.of(meta), identity is not None
    held = holder_since(engine.settings.state_dir)
    runner = runner_of(engine, meta, now)
    red = _red(adopted=adopted, success=success, held=held, now=now, limit=limit) or _lasting_problem(
        problems, now - longest
    )
    mode, code, reason, hint, since = _authority(engine, meta, last)
    return NetworkStatus(
        network=name,
        domain=identity.main_domain if identity else "",
        host=socket.gethostname() if adopted else "",
        adopted=ADOPTED_AT.of(meta),
        mode=mode,
        code=code,
        reason=reason,
        hint=hint,
        mode_since=since,
        schedule=runner.schedule,
        every=runner.every,
        running=runner.running,
        in_progress=held,
        last=last,
        success=success,
        tried=last_try(meta),
        next_run=runner.next_run,
        watch_error=f"{failed.message} {failed.hint}".strip() if failed else "",
        counts=(last.counts if last else {}) | counts,
        needs=tuple(_needs(last, problems, red, mode, (code, reason, hint), running=runner.running)),
        unhealthy=red,
    )


def _red(*, adopted: bool, success: float | None, held: float | None, now: float, limit: float) -> Unhealthy | None:
    if not adopted:
        return _NOT_ADOPTED
    if success is None:
        return Unhealthy("no successful run yet")
    if now - success > limit:
        return Unhealthy(f"the last successful run was {counted(round((now - success) / 60), 'minute')} ago")
    if held is not None and now - held > limit:
        return Unhealthy(f"a run has been in progress for {counted(round((now - held) / 60), 'minute')}")
    return None


def _lasting_problem(problems: dict[str, float], before: float) -> Unhealthy | None:
    """Return the oldest problem that is an alarm, else the oldest since `before` (epoch seconds)."""
    red = {code: since for code, since in problems.items() if code in ALARMS or since <= before}
    code = min(red, key=lambda code: (code not in ALARMS, red[code], code), default=None)
    if code is None:
        return None
    return Unhealthy(f'problem "{code}" has persisted since {_iso(red[code])}', _COMMANDS.get(code, "sync"))


def _counts(ledger: Ledger) -> dict[str, int]:
    """Return the number of managed domains, in total and by what their last checks found."""
    found = dict.fromkeys(("managed", "live", "https", "no_https", "elsewhere", "unchecked"), 0)
    found["adding"] = found["failing"] = 0
    for phase, live, points_here, tls, dns, number in ledger.query(_BY_STATE):
        if phase != "present":
            found["adding"] += number
            continue
        found["managed"] += number
        if live:
            found["live"] += number
        elif points_here and tls == "ok":
            found["https"] += number
        elif points_here:
            found["no_https"] += number
        else:
            found["unchecked" if dns in {None, "", "unknown"} else "elsewhere"] += number
    ((found["failing"],),) = ledger.query("SELECT COUNT(*) FROM failed_changes")
    return found


_BY_STATE = """
SELECT aliases.phase, check_state.live, check_state.points_here, check_state.tls, check_state.dns, COUNT(*)
FROM aliases LEFT JOIN check_state ON check_state.name = aliases.name GROUP BY 1, 2, 3, 4, 5
"""


class Runner(NamedTuple):
    """What runs closte-bridge automatically, the usual seconds between its runs, whether it does, and its next run."""

    schedule: str = ""
    every: float | None = None
    running: bool = False
    next_run: float | None = None
    wait: float = 0.0

    def expected(self, now: float) -> float:
        """Return the time of the next run at the end of one; 0 if unknown. `wait` is the last one between two runs."""
        if not self.running:
            return 0.0
        if self.next_run is not None and self.next_run > now:
            return self.next_run
        return now + self.wait if self.wait else 0.0


def runner_of(engine: Engine, meta: dict[str, str], now: float) -> Runner:
    """Return what runs closte-bridge automatically, as of `now`."""
    known = {name: run for name, run in SCHEDULES.of(meta).items() if name in _AUTOMATIC}
    beat = stamp(engine.settings.state_dir / HEARTBEAT_FILE) / 1e9
    if beat:
        known["watch"] = (max(beat, known.get("watch", (0.0, 0.0))[0]), 0.0)
    # The shim also triggers runs between those of a timer.
    scheduled = {name: run for name, run in known.items() if name != "shim"} or known
    if not scheduled:
        return Runner()
    name = max(scheduled, key=lambda name: scheduled[name][0])
    at, gap = scheduled[name]
    if name == "watch":
        last = LAST_RESULT.of(meta)
        running = now - beat < WATCH_IS_ALIVE
        upcoming = last.next_run if last and running else None
        return Runner(name, None, running, upcoming, upcoming - last.at if last and upcoming else 0.0)
    every = gap if gap and name != "shim" else None
    running = now - at <= max(MOST_AGE, 2 * (every or 0.0) + _LATE)
    return Runner(name, every, running, at + every if running and every else None, every or 0.0)


def _authority(engine: Engine, meta: dict[str, str], last: RunRecord | None) -> tuple[str, str, str, str, float | None]:
    """Return mode, code, reason, hint and beginning of what this installation may change."""
    if IDENTITY.of(meta) is None:
        return "not-adopted", "not-adopted", NOT_ADOPTED, _adopt().hint, None
    if engine.lacks_config(CONFIG_PATH.of(meta)):
        reason = f'the config file used at adoption ("{CONFIG_PATH.of(meta)}") is not in use'
        return "read-only", "config-gone", reason, "Restore the file, or pass it with `--config`.", None
    if last is None or not last.mode:
        return "unknown", "", "no run has finished yet", "Run `closte-bridge sync`.", None
    mode = "paused" if last.mode == "inactive" else last.mode
    return mode, last.code, last.reason, last.hint, last.since


def _needs(
    last: RunRecord | None,
    problems: dict[str, float],
    red: Unhealthy | None,
    mode: str,
    why: tuple[str, str, str],
    *,
    running: bool,
) -> Iterator[Need]:
    """Yield what needs a person, the most important first."""
    if mode == "not-adopted":
        yield _adopt()
        return
    reported = last.problems if last else []
    codes = {problem["code"] for problem in reported}
    if mode in {"read-only", "add-only"} and why[0] not in codes:
        allowed = "changes nothing" if mode == "read-only" else "only adds domains"
        yield Need(code=why[0], message=f"closte-bridge {allowed}: {why[1]}.", hint=why[2])
    for problem in reported:
        code = str(problem["code"])
        yield Need(code, str(problem["message"]), problem["hint"] or _read(code), problem["domain"], problems.get(code))
    # Failing changes are reported only by the run that tried them.
    for code in sorted(problems.keys() - codes):
        yield Need(
            code, f'Problem "{code}" has persisted since {_iso(problems[code])}.', _read(code), None, problems[code]
        )
    if not running:
        hint = "Run `closte-bridge watch` as a service, or `closte-bridge sync` from cron."
        yield Need(code="not-scheduled", message="closte-bridge is not running on a schedule.", hint=hint)
    elif red and not reported and not problems:
        yield Need(code="unhealthy", message=f"Unhealthy: {red.reason}.", hint=_read("", red.command))


def _read(code: str, command: str = "sync") -> str:
    return f"Run `closte-bridge {_COMMANDS.get(code, command)}` and read its output."


def _adopt() -> Need:
    hint = "Run `closte-bridge adopt` to make this installation the owner."
    return Need(code="not-adopted", message="This network has not been adopted.", hint=hint)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
