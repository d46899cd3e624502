"""`closte-bridge health`: check health for monitoring. Reads only the ledger and the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import duration, format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

FIELDS = ("network", "healthy", "last_success", "last_run", "reason", "last_error")

_EXAMPLES = """
$ closte-bridge health
Success: Healthy: 1 network.

$ closte-bridge health --max-age=10m; echo $?
Error: Network "default" is unhealthy: the last successful run was 42 minutes ago.
Run `closte-bridge sync` and read its output.
1
"""
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


class _Unhealthy(NamedTuple):
    """Why a network is unhealthy, and the command that explains it."""

    reason: str
    command: str = "sync"


def _lasting_problem(problems: dict[str, float], before: float) -> _Unhealthy | None:
    """Return the oldest problem that is an alarm, else the oldest since `before` (epoch seconds)."""
    from closte_bridge.engine.problems import ALARMS  # noqa: PLC0415 - lazy import

    red = {code: since for code, since in problems.items() if code in ALARMS or since <= before}
    code = min(red, key=lambda code: (code not in ALARMS, red[code], code), default=None)
    if code is None:
        return None
    return _Unhealthy(f'problem "{code}" has persisted since {when(red[code])}', _COMMANDS.get(code, "sync"))


def _read_health(engine: Engine, limit: float, longest: float) -> tuple[dict[str, object], str]:
    """Return the row of a network, and the command that explains why it is unhealthy."""
    from closte_bridge.engine.clock import last_try  # noqa: PLC0415 - lazy import
    from closte_bridge.engine.last_error import last_error  # noqa: PLC0415 - lazy import
    from closte_bridge.engine.lock import holder_since  # noqa: PLC0415 - lazy import
    from closte_bridge.engine.problems import open_problems  # noqa: PLC0415 - lazy import
    from closte_bridge.ledger.meta import IDENTITY, LAST_SUCCESS  # noqa: PLC0415 - lazy import

    now = engine.clock.now()
    held = holder_since(engine.settings.state_dir)
    with engine.opened():
        meta = engine.ledger.meta() if engine.ledger else {}
        problems = open_problems(engine.ledger) if engine.ledger else {}
    success = LAST_SUCCESS.of(meta)
    failed = last_error(meta)
    red: _Unhealthy | None
    if IDENTITY.of(meta) is None:
        red = _Unhealthy(NOT_ADOPTED, "adopt")
    elif success is None:
        red = _Unhealthy("no successful run yet")
    elif now - success > limit:
        red = _Unhealthy(f"the last successful run was {counted(round((now - success) / 60), 'minute')} ago")
    elif held is not None and now - held > limit:
        red = _Unhealthy(f"a run has been in progress for {counted(round((now - held) / 60), 'minute')}")
    else:
        red = _lasting_problem(problems, now - longest)
    row: dict[str, object] = {
        "network": engine.settings.name,
        "healthy": red is None,
        "last_success": when(success),
        "last_run": when(last_try(meta)),
        "reason": red.reason if red else "",
        "last_error": f"{failed.message} {failed.hint}".strip() if failed else "",
    }
    return row, red.command if red else ""


def _hint(command: str, network: str) -> str:
    which = f" --network={network}" if network else ""
    return f"Run `closte-bridge {command}{which}` and read its output."


@click.command(cls=BridgeCommand, short_help="Check health for monitoring.", epilog=_EXAMPLES)
@click.option(
    "--max-age", default="30m", metavar="<duration>", help="Maximum age of the last successful run. Default: 30m."
)
@click.option(
    "--max-problem-age",
    default="1d",
    metavar="<duration>",
    help="Maximum age of a recurring problem. Default: 1d.",
)
@format_options(fields=FIELDS)
@global_options
@pass_app
def health(app: App, max_age: str, max_problem_age: str) -> Result:
    """Exit with code 0 if every network synced recently, no run is stuck and no problem persists, otherwise with 1.

    Does not contact WordPress or Closte. A run is successful if it read WordPress and Closte, and Closte accepted the
    API key. If the integration is disabled, reading WordPress is enough. A problem persists if runs keep ending with
    it, or if a change keeps failing. The loss of many managed domains and a restored database count immediately.
    """
    limit, longest = duration(max_age), duration(max_problem_age)
    found = [_read_health(engine_of(app, settings), limit, longest) for settings in app.settings(every=True)]
    rows = [row for row, _ in found]
    errors = tuple(
        Problem(
            code="unhealthy",
            message=f'Network "{row["network"]}" is unhealthy: {row["reason"]}.',
            hint=_hint(command, str(row["network"]) if len(rows) > 1 else ""),
        )
        for row, command in found
        if not row["healthy"]
    )
    text = f"Healthy: {counted(len(rows), 'network')}."
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=rows,
        fields=FIELDS,
        rendered={"table": ""},
        errors=errors,
        messages=() if errors else (Message("success", text),),
    )
