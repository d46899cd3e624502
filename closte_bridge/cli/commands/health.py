"""`closte-bridge health`: red or green, for a monitor. Reads the ledger and the lock, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import duration, format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

FIELDS = ("network", "healthy", "last_success", "last_run", "reason")

_EXAMPLES = """
$ closte-bridge health
Success: All well: 1 network.

$ closte-bridge health --max-age=10m; echo $?
Error: default: the last success was 42 minutes ago.
Run `closte-bridge sync` and look at what it says.
1
"""
NOT_ADOPTED = "no engine is in charge of this network"


def _look(engine: Engine, limit: float) -> dict[str, object]:
    from closte_bridge.engine.clock import last_try  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.lock import holder_since  # noqa: PLC0415 - likewise

    now = engine.clock.now()
    held = holder_since(engine.settings.state_dir)
    with engine.opened():
        marks = engine.ledger.meta() if engine.ledger else {}
    success = float(marks["last_success"]) if "last_success" in marks else None
    reason = ""
    if "identity" not in marks:
        reason = NOT_ADOPTED
    elif success is None:
        reason = "there was no success yet"
    elif now - success > limit:
        reason = f"the last success was {(now - success) / 60:.0f} minutes ago"
    elif held is not None and now - held > limit:
        reason = f"a run has been under way for {(now - held) / 60:.0f} minutes"
    return {
        "network": engine.settings.name,
        "healthy": not reason,
        "last_success": when(success),
        "last_run": when(last_try(marks)),
        "reason": reason,
    }


def _remedy(row: dict[str, object], *, several: bool) -> str:
    command = "adopt" if row["reason"] == NOT_ADOPTED else "sync"
    which = f" --network={row['network']}" if several else ""
    return f"Run `closte-bridge {command}{which}` and look at what it says."


@click.command(cls=BridgeCommand, short_help="Say whether all is well, for a monitor.", epilog=_EXAMPLES)
@click.option("--max-age", default="30m", metavar="<duration>", help="How old the last success may be. Default: 30m.")
@format_options(fields=FIELDS)
@global_options
@pass_app
def health(app: App, max_age: str) -> Result:
    """Exit with 0 when every network had a success lately and no run hangs, else with 1. Calls neither side.

    A success is a run that could read both sides and was not turned away by Closte; where the integration is off, one
    that could read WordPress.
    """
    limit = duration(max_age)
    rows = [_look(engine_of(app, settings), limit) for settings in app.settings(every=True)]
    errors = tuple(
        Problem(
            code="unhealthy",
            message=f"{row['network']}: {row['reason']}.",
            hint=_remedy(row, several=len(rows) > 1),
        )
        for row in rows
        if not row["healthy"]
    )
    text = f"All well: {len(rows)} network{'' if len(rows) == 1 else 's'}."
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=rows,
        fields=FIELDS,
        rendered={"table": ""},
        errors=errors,
        messages=() if errors else (Message("success", text),),
    )
