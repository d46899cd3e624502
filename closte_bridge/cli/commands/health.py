"""`closte-bridge health`: check health for monitoring. Reads only the ledger and the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import duration, format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.engine.notify import report_silence
from closte_bridge.engine.status import read_status
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.status import NetworkStatus

FIELDS = ("network", "healthy", "last_success", "last_run", "reason", "last_error")

_EXAMPLES = """
$ closte-bridge health
Success: Healthy: 1 network.

$ closte-bridge health --max-age=10m; echo $?
Error: Network "default" is unhealthy: the last successful run was 42 minutes ago.
Run `closte-bridge sync` and read its output.
1
"""


def _row(found: NetworkStatus) -> dict[str, object]:
    return {
        "network": found.network,
        "healthy": found.unhealthy is None,
        "last_success": when(found.success),
        "last_run": when(found.tried),
        "reason": found.unhealthy.reason if found.unhealthy else "",
        "last_error": found.watch_error,
    }


def pause_warning(found: NetworkStatus) -> Problem:
    """Return the warning about a pause of more than a day."""
    text = f'Network "{found.network}" is paused since {when(found.mode_since)}: {found.reason}.'
    return Problem(code="paused", message=text, hint=found.hint)


def silence_warnings(engines: Sequence[Engine], found: Sequence[NetworkStatus], limit: float) -> tuple[Problem, ...]:
    """Notify of each network without a run in the last `limit` seconds, as configured; return what failed."""
    failures = (report_silence(engine, network.tried, limit) for engine, network in zip(engines, found, strict=True))
    return tuple(problem for errors in failures for error in errors for problem in Problem.of(error))


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
    A pause of more than a day is a warning. Without a run for longer than --max-age, notifications report it once.
    """
    limit, longest = duration(max_age), duration(max_problem_age)
    engines = [engine_of(app, settings) for settings in app.settings(every=True)]
    found = [read_status(engine, limit=limit, longest=longest) for engine in engines]
    errors = tuple(
        Problem(
            code="unhealthy",
            message=f'Network "{network.network}" is unhealthy: {network.unhealthy.reason}.',
            hint=_hint(network.unhealthy.command, network.network if len(found) > 1 else ""),
        )
        for network in found
        if network.unhealthy
    )
    warnings = tuple(pause_warning(network) for network in found if network.pause_warning)
    warnings += silence_warnings(engines, found, limit)
    text = f"Healthy: {counted(len(found), 'network')}."
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=[*map(_row, found)],
        fields=FIELDS,
        rendered={"table": ""},
        errors=errors,
        warnings=warnings,
        messages=() if errors else (Message("success", text),),
    )
