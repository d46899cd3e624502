"""The last step of `setup`: keep closte-bridge running, by a systemd unit or the user's crontab."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.cli.commands.shim import options_of
from closte_bridge.cli.result import Problem
from closte_bridge.config.key_file import PASSWORD_VARIABLE
from closte_bridge.config.places import page
from closte_bridge.engine.status import read_status
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.runs import expect
from closte_bridge.schedule.cron import Crontab
from closte_bridge.schedule.job import CRON_MINUTES, Job
from closte_bridge.schedule.marks import Condition, difference
from closte_bridge.schedule.systemd import SystemdUnit
from closte_bridge.shim.files import environment, program
from closte_bridge.wordpress.ssh import Ssh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from closte_bridge.cli.context import App
    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.schedule.way import Way

WAYS = ("systemd", "cron", "none")
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
SCHEDULERS = {"watch": "`closte-bridge watch`", "timer": "a systemd unit", "cron": "cron or another scheduler"}
"""What runs closte-bridge, by the names of `status`."""


def ways(environ: Mapping[str, str]) -> tuple[Way, ...]:
    """Return all ways to keep closte-bridge running, the better ones first."""
    return SystemdUnit(environ), Crontab(environ)


def offer_schedule(app: App, engine: Engine, chosen: str | None, *, lasting: bool) -> tuple[Problem, ...]:
    """Ask how to keep closte-bridge running, unless something does; return warnings. A failure is a warning.

    `chosen` is the value of `--schedule`. `lasting`: a later run can log in as this one did.
    """
    try:
        return _offer(app, engine, chosen, lasting=lasting)
    except BridgeError as error:
        if error.code == "no-terminal":
            raise
        return Problem.of(error)


def job_for(app: App, settings: Settings) -> Job:
    """Return what a schedule runs for the network of this call."""
    kept = {**environment(app.environ), "PATH": _search_path(settings, app.environ)}
    if password := app.environ.get(PASSWORD_VARIABLE):
        kept[PASSWORD_VARIABLE] = password
    options = options_of(app)
    if settings.source and f"--network={settings.name}" not in options:
        # A second network in the config must not make the schedule ambiguous.
        options.append(f"--network={settings.name}")
    return Job(
        network=settings.name,
        program=tuple(program()),
        options=tuple(options),
        environment=kept,
        user=pwd.getpwuid(os.geteuid()).pw_name,
    )


def _search_path(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the folders of the programs that a run starts, before those of the system."""
    names = ("ssh",) if settings.wp.target else (settings.wp.command[0], "php", "ssh")
    found = [shutil.which(name, path=environ.get("PATH", os.defpath)) for name in names]
    folders = [str(Path(path).absolute().parent) for path in found if path]
    return ":".join(dict.fromkeys([*folders, *_SYSTEM_PATH]))


def _offer(app: App, engine: Engine, chosen: str | None, *, lasting: bool) -> tuple[Problem, ...]:
    job, every = job_for(app, engine.settings), ways(app.environ)
    for way in every:
        match way.condition(job):
            case Condition.CURRENT:
                app.console.log(f"Scheduled with {way.title(job.network)}.")
                return ()
            case Condition.CHANGED | Condition.OTHER as condition:
                return (_left_alone(app, way, job, condition),)
            case Condition.OUTDATED:
                return _replace(app, engine, way, job)
            case Condition.MISSING:
                pass
    status = read_status(engine)
    if status.running and status.schedule in SCHEDULERS:
        app.console.log(f"Scheduled by {SCHEDULERS[status.schedule]}.")
        return ()
    if app.overrides.ssh and engine.settings.source is None:
        return (_not_scheduled("The config lacks the network, so a schedule would not find it."),)
    if reason := _cannot_log_in(engine.settings, lasting=lasting):
        return (_not_scheduled(reason),)
    return _choose(app, engine, job, [way for way in every if chosen in (None, way.name)] if chosen != "none" else [])


def _cannot_log_in(settings: Settings, *, lasting: bool) -> str:
    """Return why scheduled runs cannot log in over SSH; empty if they can."""
    if not lasting:
        return "The password is not stored, so scheduled runs could not log in."
    if settings.wp.target and Ssh(settings.wp, settings.wp.target).needs_agent():
        return "Only your SSH agent has the key, so scheduled runs could not log in."
    return ""


def _choose(app: App, engine: Engine, job: Job, offered: Sequence[Way]) -> tuple[Problem, ...]:
    available = [way for way in offered if way.is_available()]
    for way in available:
        app.console.log(way.text(job).rstrip("\n"))
        if app.console.agrees(f"Schedule closte-bridge with {way.title(job.network)}?"):
            return _install(app, engine, way, job)
    if offered and not available:
        names = " and ".join(way.name for way in offered)
        return (_not_scheduled(f"This user cannot use {names} here."),)
    app.console.log(f"Not scheduled. Other ways, also for a container: {page('how-to/schedule-runs.md')}.")
    return ()


def _replace(app: App, engine: Engine, way: Way, job: Job) -> tuple[Problem, ...]:
    """Offer to bring the block of an earlier setup up to date, or to start its unit."""
    if changes := difference(way.present(job.network), job.network, way.text(job)):
        app.console.log(changes)
        question = f"Replace {way.title(job.network)}?"
    else:
        question = f"It does not run. Start {way.title(job.network)}?"
    if not app.console.agrees(question):
        app.console.log("The schedule stays as it is.")
        return ()
    return _install(app, engine, way, job)


def _install(app: App, engine: Engine, way: Way, job: Job) -> tuple[Problem, ...]:
    with engine.waiting("the schedule"):
        troubles = way.install(job)
    with engine.opened():
        if engine.ledger and way.recorded == "cron":
            # So that `status` names the schedule before its first run.
            with engine.ledger.transaction():
                expect(engine.ledger, way.recorded, engine.clock.now(), CRON_MINUTES * 60.0)
    app.console.log(f"Scheduled with {way.title(job.network)}.")
    return tuple(problem for trouble in troubles for problem in Problem.of(trouble))


def _left_alone(app: App, way: Way, job: Job, condition: Condition) -> Problem:
    app.console.log(difference(way.present(job.network), job.network, way.text(job)))
    reason = "was changed by hand" if condition is Condition.CHANGED else "belongs to another installation"
    return Problem(
        code="schedule-changed",
        message=f"Setup leaves this alone, because it {reason}: {way.title(job.network)}.",
        hint="To let setup write it, remove it and run `closte-bridge setup` again.",
    )


def _not_scheduled(reason: str) -> Problem:
    return Problem(
        code="not-scheduled",
        message=f"closte-bridge is not scheduled. {reason}",
        hint=f"See {page('how-to/schedule-runs.md')}, then check it with `closte-bridge status`.",
    )
