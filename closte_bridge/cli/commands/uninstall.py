"""`closte-bridge uninstall`: remove closte-bridge from a network, and with `--purge` its files on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.setup_schedule import SCHEDULERS, job_for, ways
from closte_bridge.cli.commands.shim import left_problems
from closte_bridge.cli.commands.uninstall_purge import Purge
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.engine.status import read_status
from closte_bridge.errors import BridgeError, ConfigError, ExitCode, first_that_applies, is_provisioned
from closte_bridge.ledger.runs import forget_schedule
from closte_bridge.schedule.marks import Condition
from closte_bridge.shim import manage
from closte_bridge.wordpress.ssh import Ssh

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.schedule.way import Way

_EXAMPLES = """
$ closte-bridge uninstall
Remove the schedule, the shim and its data from this network, and give up ownership? [y/n] y
Removed a line in the crontab of "www-data", which runs a sync every 5 minutes.
Removed the shim and its data from WordPress.
These remain on this machine: the state folder /var/lib/closte-bridge, …
Remove them with `closte-bridge uninstall --purge`, and the program as you installed it.
Success: Removed closte-bridge from the network. All domains stay on Closte.

$ closte-bridge uninstall --purge --yes --quiet
"""


@click.command(cls=BridgeCommand, short_help="Remove closte-bridge from a network.", epilog=_EXAMPLES)
@click.option(
    "--purge", is_flag=True, help="Also remove the state folder, the network's config and its SSH password file."
)
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def uninstall(app: App, purge: bool) -> Result:
    """Remove the schedule that setup wrote, the shim, its tables and options, and give up ownership of the network.

    All domains stay on Closte, and Ultimate Multisite's built-in provider is active again. Removes what it can, and
    names the rest: the files on this machine, or what failed. With --purge, asks before it removes each of the files;
    those that are needed to try again stay if WordPress could not be reached. Safe to run again.
    """
    engine = engine_of(app, app.network())
    if is_provisioned(engine.settings.state_dir.parent):
        raise ConfigError(
            "Ansible installed closte-bridge for this network.",
            code="provisioned",
            hint="Remove it with the playbook `closte_bridge.ops.remove`, or from `closte_bridge_networks`.",
        )
    app.console.confirm("Remove the schedule, the shim and its data from this network, and give up ownership?")
    done: list[str] = []
    unscheduled, warnings = _unschedule(app, engine, done)
    failed = _leave_wordpress(engine, done)
    target = engine.settings.wp.target
    if target:
        Ssh(engine.settings.wp, target).close()
    files = Purge(app, engine.settings)
    problems = [*unscheduled, *failed]
    if purge and not failed:
        problems += files.remove(done)
    remaining = files.remaining()
    return Result(
        exit_code=first_that_applies({code for _, code in problems}),
        data={"removed": done, "remaining": remaining},
        rendered={Format.TABLE: ""},
        errors=tuple(problem for problem, _ in problems),
        warnings=warnings,
        messages=(*(Message("log", f"Removed {what}.") for what in done), *_closing(remaining, bool(problems), purge)),
        cost=engine.cost.as_data(),
    )


def _closing(remaining: list[str], failed: bool, purge: bool) -> list[Message]:
    messages = []
    if remaining:
        messages.append(Message("log", f"These remain on this machine: {', '.join(remaining)}."))
    if remaining and not purge:
        hint = "Remove them with `closte-bridge uninstall --purge`, and the program as you installed it."
        messages.append(Message("log", hint))
    if not failed:
        text = "Removed closte-bridge from the network. All domains stay on Closte."
        messages.append(Message("success", text))
    return messages


def _unschedule(
    app: App, engine: Engine, done: list[str]
) -> tuple[list[tuple[Problem, ExitCode]], tuple[Problem, ...]]:
    """Remove what setup wrote; return errors with their exit codes, and warnings about other schedules."""
    status, job = read_status(engine), job_for(app, engine.settings)
    problems: list[tuple[Problem, ExitCode]] = []
    before = len(done)
    for way in ways(app.environ):
        try:
            match way.condition(job):
                case Condition.CURRENT | Condition.OUTDATED:
                    way.uninstall(job.network)
                    done.append(way.title(job.network))
                    _forget(engine, way)
                case Condition.CHANGED:
                    text = f"Left alone, because it was changed by hand: {way.title(job.network)}."
                    hint = "Remove it by hand, so that closte-bridge no longer runs."
                    problems.append((Problem(code="schedule-changed", message=text, hint=hint), ExitCode.FAILURE))
                case Condition.MISSING | Condition.OTHER:
                    pass
        except BridgeError as error:
            problems += [(problem, error.exit_code) for problem in Problem.of(error)]
    if problems or len(done) > before or not (status.running and status.schedule in SCHEDULERS):
        return problems, ()
    runner = SCHEDULERS[status.schedule]
    text = f"closte-bridge is still scheduled by {runner}."
    return problems, (Problem(code="still-scheduled", message=text, hint="Stop that schedule, too."),)


def _forget(engine: Engine, way: Way) -> None:
    """Let `status` and a further run no longer count on the schedule."""
    with engine.opened():
        if engine.ledger:
            with engine.ledger.transaction():
                forget_schedule(engine.ledger, way.recorded)


def _leave_wordpress(engine: Engine, done: list[str]) -> list[tuple[Problem, ExitCode]]:
    """Remove everything from WordPress; return errors with their exit codes."""
    try:
        with engine.waiting("WordPress"):
            left = left_problems(manage.uninstall(engine, keep_owner=False))
    except BridgeError as error:
        problems = [(problem, error.exit_code) for problem in Problem.of(error)]
        text = "The shim and its data are still in WordPress, and this installation is still the owner."
        hint = (
            "Run `closte-bridge uninstall` again once this is fixed. Or, where WordPress is, run "
            "`wp closte-bridge shim uninstall`."
        )
        return [*problems, (Problem(code="shim-not-removed", message=text, hint=hint), error.exit_code)]
    if not left:
        done.append("the shim and its data from WordPress")
    return [(problem, ExitCode.FAILURE) for problem in left]
