"""`closte-bridge health`: red or green, for a monitor. Reads the ledger and the lock, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import duration, format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

FIELDS = ("network", "healthy", "last_success", "last_run", "reason", "last_error")

_EXAMPLES = """
$ closte-bridge health
Success: All well: 1 network.

$ closte-bridge health --max-age=10m; echo $?
Error: default: the last success was 42 minutes ago.
Run `closte-bridge sync` and look at what it says.
1
"""
NOT_ADOPTED = "no engine is in charge of this network"
# What says most of a problem; of all others a sync does.
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
    """Why a network is not healthy, and the command that says more."""

    reason: str
    command: str = "sync"


def _lasting_problem(problems: dict[str, float], before: float) -> _Unhealthy | None:
    """Return the oldest problem that is an alarm, or else that stands since `before` (epoch seconds)."""
    from closte_bridge.engine.problems import ALARMS  # noqa: PLC0415 - loaded when it is needed

    red = {code: since for code, since in problems.items() if code in ALARMS or since <= before}
    code = min(red, key=lambda code: (code not in ALARMS, red[code], code), default=None)
    if code is None:
        return None
    return _Unhealthy(f'the problem "{code}" stands since {when(red[code])}', _COMMANDS.get(code, "sync"))


def _read_health(engine: Engine, limit: float, longest: float) -> tuple[dict[str, object], str]:
    """Return what is to be shown of a network, and the command that says more if it is not healthy."""
    from closte_bridge.engine.clock import last_try  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.last_error import last_error  # noqa: PLC0415 - likewise
    from closte_bridge.engine.lock import holder_since  # noqa: PLC0415 - likewise
    from closte_bridge.engine.problems import open_problems  # noqa: PLC0415 - likewise

    now = engine.clock.now()
    held = holder_since(engine.settings.state_dir)
    with engine.opened():
        meta = engine.ledger.meta() if engine.ledger else {}
        problems = open_problems(engine.ledger) if engine.ledger else {}
    success = float(meta["last_success"]) if "last_success" in meta else None
    failed = last_error(meta)
    red: _Unhealthy | None
    if "identity" not in meta:
        red = _Unhealthy(NOT_ADOPTED, "adopt")
    elif success is None:
        red = _Unhealthy("there was no success yet")
    elif now - success > limit:
        red = _Unhealthy(f"the last success was {counted(round((now - success) / 60), 'minute')} ago")
    elif held is not None and now - held > limit:
        red = _Unhealthy(f"a run has been under way for {counted(round((now - held) / 60), 'minute')}")
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


def _remedy(command: str, network: str) -> str:
    which = f" --network={network}" if network else ""
    return f"Run `closte-bridge {command}{which}` and look at what it says."


@click.command(cls=BridgeCommand, short_help="Say whether all is well, for a monitor.", epilog=_EXAMPLES)
@click.option("--max-age", default="30m", metavar="<duration>", help="How old the last success may be. Default: 30m.")
@click.option(
    "--max-problem-age",
    default="1d",
    metavar="<duration>",
    help="How long a problem may stand that needs a person or fails again and again. Default: 1d.",
)
@format_options(fields=FIELDS)
@global_options
@pass_app
def health(app: App, max_age: str, max_problem_age: str) -> Result:
    """Exit with 0 if every network had a success lately, no run hangs and no problem stands, else with 1.

    Calls neither side. A success is a run that could read both sides and was not turned away by Closte; while the
    integration is off, one that could read WordPress. A problem is one that runs end with again and again, or a change
    that keeps failing. The loss of many aliases and a restored database are alarms: red immediately.
    """
    limit, longest = duration(max_age), duration(max_problem_age)
    looks = [_read_health(engine_of(app, settings), limit, longest) for settings in app.settings(every=True)]
    rows = [row for row, _ in looks]
    errors = tuple(
        Problem(
            code="unhealthy",
            message=f"{row['network']}: {row['reason']}.",
            hint=_remedy(command, str(row["network"]) if len(rows) > 1 else ""),
        )
        for row, command in looks
        if not row["healthy"]
    )
    text = f"All well: {counted(len(rows), 'network')}."
    return Result(
        exit_code=ExitCode.FAILURE if errors else ExitCode.OK,
        data=rows,
        fields=FIELDS,
        rendered={"table": ""},
        errors=errors,
        messages=() if errors else (Message("success", text),),
    )
