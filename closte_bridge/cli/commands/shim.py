"""`closte-bridge shim`: manage the must-use plugin that triggers syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge import __version__
from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import Choice, format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.counts import counted
from closte_bridge.engine.triggered import last_run
from closte_bridge.errors import ExitCode
from closte_bridge.ledger.events import quarantined
from closte_bridge.shim import manage
from closte_bridge.shim.files import entry_for
from closte_bridge.shim.problems import of_all, of_triggering

if TYPE_CHECKING:
    from collections.abc import Iterable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.shim.manage import Uninstalled
    from closte_bridge.shim.problems import ShimProblem
    from closte_bridge.shim.status import ShimStatus

FIELDS = ("installed", "version", "folder", "active", "heartbeat", "trigger", "why", "events_waiting", "last_triggered")
_EXTRA = ("files", "table", "owner", "oldest_event", "quarantined", "engine", "trigger_file", "trigger_set",
          "wake_url")  # fmt: skip
_FORMATS = (Format.TABLE, Format.CSV, Format.JSON, Format.YAML)

_INSTALL = """
$ closte-bridge shim install
Success: Installed the shim {version} in /var/www/html/wp-content/mu-plugins.
It starts a sync whenever a domain changes.

$ closte-bridge --ssh=web@host.example.com/var/www/html shim install
Success: Installed the shim {version} in /var/www/html/wp-content/mu-plugins.
It queues events for the next `closte-bridge sync`. closte-bridge runs on another machine.
"""
_INSTALL = _INSTALL.replace("{version}", __version__)
_STATUS = """
$ closte-bridge shim status --field=trigger
process

$ closte-bridge shim status --fields=installed,active,trigger
Field	Value
installed	yes
active	true
trigger	file
"""
_UNINSTALL = """
$ closte-bridge shim uninstall
Remove the shim and its queued events, and give up ownership of this network? [y/n] y
Success: Removed the shim. Ultimate Multisite's built-in provider is active again.

$ closte-bridge shim uninstall --keep-owner --yes
Success: Removed the shim. closte-bridge still owns the network.
"""


@click.group(cls=BridgeGroup, short_help="Manage the plugin that triggers syncs.", epilog=_STATUS)
@global_options
def shim() -> None:
    """Manage the must-use plugin that triggers a sync when domains change."""


def options_of(app: App) -> list[str]:
    """Return the global options of this call, for the calls that the shim and a schedule make."""
    given = app.overrides
    options = []
    if app.config().source:
        options.append(f"--config={app.config().source.absolute()}")  # type: ignore[union-attr]
    name = app.network().name
    # Always pass --network, so that adding a second network later stays unambiguous.
    if name != DEFAULT_NETWORK or len(app.config().networks) > 1:
        options.append(f"--network={name}")
    path = app.network().wp.path if given.path is not None else None
    options += [f"--{name}={value}" for name, value in (("path", path), ("url", given.url)) if value]
    if given.allow_root:
        options.append("--allow-root")
    return options


def _problems(found: Iterable[ShimProblem]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem._asdict()) for problem in found)


def trigger_sentence(found: ShimStatus) -> str:
    """Return how the shim triggers a sync, as one or two sentences."""
    sentences = {
        "file": "It updates the trigger file that `closte-bridge watch` or a path unit monitors.",
        "url": "It wakes `closte-bridge watch --listen` at `wake_url` whenever a domain changes.",
        "process": "It starts a sync whenever a domain changes.",
    }
    method, why = found.trigger
    return sentences.get(method) or f"It queues events for the next `closte-bridge sync`. {why}"


def run_install(app: App, engine: Engine, wake: str = "auto", *, rotate: bool = False) -> ShimStatus:
    """Install the shim and return its status. Raises BridgeError if it cannot be installed."""
    manage.install(engine, entry_for(engine.settings, app.environ, options_of(app), wake), rotate=rotate)
    # Query again: the new shim is only loaded in a new process.
    return manage.status(engine)


def installed_sentence(found: ShimStatus) -> str:
    """Return the version and folder of the installed shim as a sentence."""
    return f"Installed the shim {found.version} in {found.folder}."


def is_installed(engine: Engine) -> bool:
    """Return whether the shim is installed, complete and up to date."""
    return manage.status(engine).installed == "yes"


@shim.command("install", cls=BridgeCommand, short_help="Install or update the shim.", epilog=_INSTALL)
@click.option(
    "--wake",
    type=Choice(["auto", "file", "url", "process", "none"]),
    default="auto",
    metavar="<auto|file|url|process|none>",
    help="Method to trigger a sync. Default: auto, the first one that works.",
)
@click.option("--rotate", is_flag=True, help="Replace the secret that signs requests to WordPress.")
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def install(app: App, wake: str, rotate: bool) -> Result:
    """Install or update the shim in WordPress' mu-plugins folder.

    The shim stores the paths of closte-bridge, its config and its state folder: reinstall it if they change. Never
    overwrites files that closte-bridge did not create. With --ssh, the shim calls `wake_url`, or queues events for the
    next sync.
    """
    engine = engine_of(app, app.network())
    found = run_install(app, engine, wake, rotate=rotate)
    messages = [Message("success", installed_sentence(found)), Message("log", trigger_sentence(found))]
    if not found.owner:
        messages.append(Message("log", "It stays inactive until you run `closte-bridge adopt`."))
    return Result(
        data=_data(engine, found),
        rendered={Format.TABLE: ""},
        messages=tuple(messages),
        warnings=_problems(of_all(found, app.environ)),
        cost=engine.cost.as_data(),
    )


def _data(engine: Engine, found: ShimStatus) -> dict[str, object]:
    with engine.opened():
        ignored = quarantined(engine.ledger) if engine.ledger else 0
    last, entry = last_run(engine.settings.state_dir), found.entry
    return {
        "installed": found.installed,
        "version": found.version,
        "folder": found.folder,
        "active": found.active,
        "heartbeat": when(None if found.silence is None else engine.clock.now() - found.silence),
        "trigger": found.trigger.method,
        "why": found.trigger.why,
        "events_waiting": found.events,
        "last_triggered": f"{when(last.at)}, exit code {last.exit_code}" if last else None,
        "files": found.files,
        "table": found.table,
        "owner": found.owner,
        "oldest_event": found.oldest,
        "quarantined": ignored,
        "engine": entry and entry.engine,
        "trigger_file": entry and entry.trigger_file,
        "trigger_set": entry and entry.wake,
        "wake_url": entry and entry.url,
    }


@shim.command("status", cls=BridgeCommand, short_help="Show the shim's status.", epilog=_STATUS)
@format_options(fields=FIELDS, extra_fields=_EXTRA, formats=_FORMATS)
@global_options
@pass_app
def status(app: App) -> Result:
    """Show whether the shim is installed and active, how it triggers a sync, and how many events wait.

    Also tests whether WordPress can start closte-bridge or wake it, and store events. The test runs through `wp`: the
    web server's PHP settings may differ. Exits with code 1 if there is a problem.
    """
    engine = engine_of(app, app.network())
    found = manage.status(engine, probe=True, wake=True)
    data = _data(engine, found)
    problems = _problems([*of_all(found, app.environ), *of_triggering(engine.settings.state_dir)])
    if data["quarantined"]:
        problems += (
            Problem(
                code="shim-quarantined",
                message=f"Ignored {counted(int(str(data['quarantined'])), 'event')} that could not be parsed.",
                hint="Update the shim with `closte-bridge shim install`: another version may have written them.",
            ),
        )
    return Result(
        exit_code=ExitCode.FAILURE if problems else ExitCode.OK,
        data=data,
        fields=FIELDS,
        errors=problems,
        cost=engine.cost.as_data(),
    )


@shim.command("uninstall", cls=BridgeCommand, short_help="Uninstall the shim and its data.", epilog=_UNINSTALL)
@click.option("--keep-owner", is_flag=True, help="Keep ownership and continue with scheduled syncs only.")
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def uninstall(app: App, keep_owner: bool) -> Result:
    """Remove the shim, its event table and its options, and re-enable Ultimate Multisite's built-in Closte provider.

    Also gives up ownership of the network. To take it back, run `closte-bridge adopt`. With --keep-owner, closte-bridge
    and the built-in provider are both active. The ledger stays.
    """
    engine = engine_of(app, app.network())
    ownership = "" if keep_owner else ", and give up ownership of this network"
    app.console.confirm(f"Remove the shim and its queued events{ownership}?")
    done = manage.uninstall(engine, keep_owner=keep_owner)
    if problems := left_problems(done):
        return Result(exit_code=ExitCode.FAILURE, data=done._asdict(), rendered={Format.TABLE: ""}, errors=problems)
    effect = (
        "closte-bridge still owns the network."
        if keep_owner
        else "Ultimate Multisite's built-in provider is active again."
    )
    return Result(
        data=done._asdict(),
        rendered={Format.TABLE: ""},
        messages=(Message("success", f"Removed the shim. {effect}"),),
        cost=engine.cost.as_data(),
    )


def left_problems(done: Uninstalled) -> tuple[Problem, ...]:
    """Return an error for the files and one for the database entries that could not be removed."""
    problems = []
    if done.left:
        names = ", ".join(f'"{name}"' for name in done.left)
        message = f"Could not remove these files in {done.folder}: {names}."
        hint = "Check their owner and mode. closte-bridge did not create them, or the user of `wp` may not remove them."
        problems.append(Problem(code="shim-left", message=message, hint=hint))
    if done.left_in_database:
        message = f"Could not remove from the database: {', '.join(done.left_in_database)}."
        hint = "Check that the database is writable and has free space, then run `closte-bridge shim uninstall` again."
        problems.append(Problem(code="shim-left-in-database", message=message, hint=hint))
    return tuple(problems)
