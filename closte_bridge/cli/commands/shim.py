"""`closte-bridge shim`: the must-use plugin that wakes this engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from closte_bridge import __version__
from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.config.model import DEFAULT_NETWORK
from closte_bridge.counts import counted
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.shim.problems import ShimProblem

FIELDS = ("installed", "version", "folder", "active", "heartbeat", "trigger", "why", "events_waiting", "last_triggered")
_EXTRA = ("files", "table", "owner", "oldest_event", "quarantined", "engine", "trigger_file", "trigger_set")
_FORMATS = (Format.TABLE, Format.CSV, Format.JSON, Format.YAML)

_INSTALL = """
$ closte-bridge shim install
Success: The shim {version} is installed in /var/www/html/wp-content/mu-plugins.
It starts this engine whenever something changes.

$ closte-bridge --ssh=web@host.example.com/var/www/html shim install
Success: The shim {version} is installed in /var/www/html/wp-content/mu-plugins.
It leaves its events to the next `closte-bridge sync`: The engine is on another machine.
"""
_INSTALL = _INSTALL.replace("{version}", __version__)
_STATUS = """
$ closte-bridge shim status --field=trigger
process

$ closte-bridge shim status --fields=installed,active,trigger
Field	Value
installed	yes
active	yes
trigger	file
"""
_UNINSTALL = """
$ closte-bridge shim uninstall
Remove the shim, its events, and this engine's charge of the network? [y/n] y
Success: The shim is gone; Ultimate Multisite's own provider is back.

$ closte-bridge shim uninstall --keep-owner --yes
Success: The shim is gone; this engine stays in charge.
"""


@click.group(cls=BridgeGroup, short_help="Let WordPress wake this engine.", epilog=_STATUS)
@global_options
def shim() -> None:
    """Install, look at and remove the small must-use plugin that tells this engine when something changes."""


def _options(app: App) -> list[str]:
    """Return the global options of this call, for a later one that nobody types."""
    given = app.overrides
    options = []
    if app.config().source:
        options.append(f"--config={app.config().source.absolute()}")  # type: ignore[union-attr]
    name = app.network().name
    # Also when it is the only one: a config that gets a second one must not leave open which is meant.
    if name != DEFAULT_NETWORK or len(app.config().networks) > 1:
        options.append(f"--network={name}")
    path = app.network().wp.path if given.path is not None else None
    options += [f"--{name}={value}" for name, value in (("path", path), ("url", given.url)) if value]
    if given.allow_root:
        options.append("--allow-root")
    return options


def _problems(found: list[ShimProblem]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem._asdict()) for problem in found)


def trigger_words(found: dict[str, Any]) -> str:
    """Return the sentence that says how it wakes the engine."""
    from closte_bridge.shim.problems import trigger_method  # noqa: PLC0415 - loaded when it is needed

    way, why = trigger_method(found)
    words = {
        "file": "It touches a file that this engine watches.",
        "process": "It starts this engine whenever something changes.",
    }
    return words.get(way) or f"It leaves its events to the next `closte-bridge sync`: {why}"


def run_install(app: App, engine: Engine, wake: str = "auto") -> dict[str, Any]:
    """Install the shim and return what its status is then. Raises BridgeError when something is in the way."""
    from closte_bridge.shim import manage  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.shim.files import configuration  # noqa: PLC0415 - likewise

    manage.install(engine, configuration(engine.settings, app.environ, _options(app), wake))
    # Asked again: only the next process has the new shim loaded.
    return manage.status(engine)


def installed_words(found: dict[str, Any]) -> str:
    """Return the sentence that says where it is."""
    return f"The shim {found['version']} is installed in {found['folder']}."


def is_installed(engine: Engine) -> bool:
    """Tell whether the shim is there, whole and up to date."""
    from closte_bridge.shim import manage  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.shim.problems import installed_state  # noqa: PLC0415 - likewise

    return installed_state(manage.status(engine)) == "yes"


@shim.command("install", cls=BridgeCommand, short_help="Install the shim, or update it.", epilog=_INSTALL)
@click.option(
    "--wake",
    type=click.Choice(["auto", "file", "process", "none"]),
    default="auto",
    metavar="<auto|file|process|none>",
    help="How it wakes this engine. Default: auto, by whichever works.",
)
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def install(app: App, wake: str) -> Result:
    """Put the shim into the must-use folder of WordPress, or bring it up to date.

    The path of this program, its configuration and its state folder are fixed in it. Files of the same name that are
    not ours are never overwritten. Works over --ssh as well: then nobody is woken, and the next sync finds the events.
    """
    from closte_bridge.shim.problems import of_all  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    found = run_install(app, engine, wake)
    messages = [Message("success", installed_words(found)), Message("log", trigger_words(found))]
    if not found["owner"]:
        messages.append(Message("log", "It collects nothing until `closte-bridge adopt` puts an engine in charge."))
    return Result(
        data=_data(engine, found),
        rendered={Format.TABLE: ""},
        messages=tuple(messages),
        warnings=_problems(of_all(found, app.environ)),
        cost=engine.cost.as_data(),
    )


def _data(engine: Engine, found: dict[str, Any]) -> dict[str, object]:
    from closte_bridge.engine.triggered import last_run  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.ledger.events import quarantined  # noqa: PLC0415 - likewise
    from closte_bridge.shim.problems import installed_state, trigger_method  # noqa: PLC0415 - likewise

    with engine.opened():
        aside = quarantined(engine.ledger) if engine.ledger else 0
    woken = last_run(engine.settings.state_dir)
    way, why = trigger_method(found)
    config = found["config"] if isinstance(found["config"], dict) else {}
    now = engine.clock.now()
    silence = found["silence"]
    return {
        "installed": installed_state(found),
        "version": found["version"],
        "folder": found["folder"],
        "active": "yes" if found["active"] else "no",
        "heartbeat": when(now - float(silence)) if silence is not None else None,
        "trigger": way,
        "why": why,
        "events_waiting": found["events"],
        "last_triggered": f"{when(float(str(woken['at'])))}, exit {woken['exit_code']}" if woken else None,
        "files": dict(found["files"]),
        "table": bool(found["table"]),
        "owner": found["owner"],
        "oldest_event": found["oldest"],
        "quarantined": aside,
        "engine": config.get("engine"),
        "trigger_file": config.get("trigger_file"),
        "trigger_set": config.get("wake"),
    }


@shim.command("status", cls=BridgeCommand, short_help="Show whether it is there and works.", epilog=_STATUS)
@format_options(fields=FIELDS, extra_fields=_EXTRA, formats=_FORMATS)
@global_options
@pass_app
def status(app: App) -> Result:
    """Show whether the shim is installed and loaded, who is in charge, how this engine is woken, and what waits.

    Looks through `wp`: PHP's settings for the web server may be others. Tries whether this engine can be started, and
    whether an event can be written down. Exit 1 when something is wrong.
    """
    from closte_bridge.engine.triggered import last_run  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.shim import manage  # noqa: PLC0415 - likewise
    from closte_bridge.shim.problems import of_all, of_triggering  # noqa: PLC0415 - likewise

    engine = engine_of(app, app.network())
    found = manage.status(engine, probe=True)
    data = _data(engine, found)
    folder = engine.settings.state_dir
    problems = _problems([*of_all(found, app.environ), *of_triggering(folder, last_run(folder))])
    if data["quarantined"]:
        problems += (
            Problem(
                code="shim-quarantined",
                message=f"{counted(int(str(data['set_aside'])), 'event')} were not understood, and set aside.",
                hint="Another version of the shim, or a stranger, wrote them. Nothing was done because of them.",
            ),
        )
    return Result(
        exit_code=ExitCode.FAILURE if problems else ExitCode.OK,
        data=data,
        fields=FIELDS,
        errors=problems,
        cost=engine.cost.as_data(),
    )


@shim.command("uninstall", cls=BridgeCommand, short_help="Remove it with all it made.", epilog=_UNINSTALL)
@click.option("--keep-owner", is_flag=True, help="This engine stays in charge; it works by its own looks alone.")
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def uninstall(app: App, keep_owner: bool) -> Result:
    """Remove the shim's files, its table with the events, and our options; the built-in provider is back.

    With it goes this engine's charge of the network, as Ultimate Multisite's own provider works again: `closte-bridge
    adopt` takes it once more. With --keep-owner both work side by side. The ledger stays as it is.
    """
    from closte_bridge.shim import manage  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    charge = "" if keep_owner else ", and this engine's charge of the network"
    app.console.confirm(f"Remove the shim, its events{charge}?")
    done = manage.uninstall(engine, keep_owner=keep_owner)
    if problems := _left(done):
        return Result(exit_code=ExitCode.FAILURE, data=done, rendered={Format.TABLE: ""}, errors=problems)
    end = "this engine stays in charge" if keep_owner else "Ultimate Multisite's own provider is back"
    return Result(
        data=done,
        rendered={Format.TABLE: ""},
        messages=(Message("success", f"The shim is gone; {end}."),),
        cost=engine.cost.as_data(),
    )


def _left(done: dict[str, Any]) -> tuple[Problem, ...]:
    """Return what could not be removed."""
    problems = []
    if done["left"]:
        names = ", ".join(f'"{name}"' for name in done["left"])
        message = f"In {done['folder']} these files were left: {names}."
        hint = "They are not ours, or the user of `wp` may not remove them."
        problems.append(Problem(code="shim-left", message=message, hint=hint))
    if done["left_in_database"]:
        message = f"In the database these were left: {', '.join(done['left_in_database'])}."
        hint = "See that it is neither read-only nor full; then `closte-bridge shim uninstall` again."
        problems.append(Problem(code="shim-left-in-database", message=message, hint=hint))
    return tuple(problems)
