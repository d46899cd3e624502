"""`closte-bridge shim`: the must-use plugin that wakes this engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.view import Engine

FIELDS = ("installed", "version", "folder", "in_charge", "heartbeat", "wake", "why", "events_waiting", "last_woken")
_EXTRA = ("files", "table", "owner", "oldest_event", "set_aside", "engine", "wake_file")
_FORMATS = (Format.TABLE, Format.CSV, Format.JSON, Format.YAML)
# An event that waits for longer than this, in seconds, was missed by whoever should have fetched it.
_OVERDUE = 1800

_INSTALL = """
$ closte-bridge shim install
Success: The shim 1.0.0 is installed in /var/www/html/wp-content/mu-plugins.
It starts this engine whenever something changes.

$ closte-bridge --ssh=web@host.example.com/var/www/html shim install
Success: The shim 1.0.0 is installed in /var/www/html/wp-content/mu-plugins.
It leaves its events to the next `closte-bridge sync`: The engine is on another machine.
"""
_STATUS = """
$ closte-bridge shim status --field=wake
process

$ closte-bridge shim status --fields=installed,in_charge,wake
Field      Value
installed  yes
in_charge  yes
wake       file
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
    if len(app.config().networks) > 1:
        options.append(f"--network={app.network().name}")
    path = app.network().wp.path if given.path is not None else None
    options += [f"--{name}={value}" for name, value in (("path", path), ("url", given.url)) if value]
    if given.allow_root:
        options.append("--allow-root")
    return options


def _how(found: dict[str, Any]) -> str:
    way, why = _wake(found)
    words = {
        "file": "It touches a file that this engine watches.",
        "process": "It starts this engine whenever something changes.",
    }
    return words.get(way) or f"It leaves its events to the next `closte-bridge sync`: {why}"


def _wake(found: dict[str, Any]) -> tuple[str, str]:
    answer = found.get("wake")
    if isinstance(answer, list) and len(answer) == 2:  # noqa: PLR2004 - the method and the reason
        return str(answer[0]), str(answer[1])
    return "poll", "The shim is not loaded."


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
    from closte_bridge.shim import manage  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.shim.files import configuration  # noqa: PLC0415 - likewise

    engine = engine_of(app, app.network())
    told = configuration(engine.settings, app.environ, _options(app), wake)
    manage.install(engine, told)
    # Asked again: only the next process has the new shim loaded.
    found = manage.status(engine)
    messages = [
        Message("success", f"The shim {found['version']} is installed in {found['folder']}."),
        Message("log", _how(found)),
    ]
    if not found["owner"]:
        messages.append(Message("log", "It collects nothing until `closte-bridge adopt` puts an engine in charge."))
    return Result(
        data=_data(engine, found),
        rendered={Format.TABLE: ""},
        messages=tuple(messages),
        warnings=tuple(_problems(found)),
        cost=engine.cost.as_data(),
    )


def _data(engine: Engine, found: dict[str, Any]) -> dict[str, object]:
    from closte_bridge.engine.woken import last  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.ledger.inbox import set_aside  # noqa: PLC0415 - likewise

    with engine.opened():
        aside = set_aside(engine.ledger) if engine.ledger else 0
    woken = last(engine.settings.state_dir)
    way, why = _wake(found)
    config = found["config"] if isinstance(found["config"], dict) else {}
    now = engine.clock.now()
    silence = found["silence"]
    return {
        "installed": _installed(found),
        "version": found["version"],
        "folder": found["folder"],
        "in_charge": "yes" if found["in_charge"] else "no",
        "heartbeat": when(now - float(silence)) if silence is not None else None,
        "wake": way,
        "why": why,
        "events_waiting": found["events"],
        "last_woken": f"{when(float(str(woken['at'])))}, exit {woken['exit_code']}" if woken else None,
        "files": dict(found["files"]),
        "table": bool(found["table"]),
        "owner": found["owner"],
        "oldest_event": found["oldest"],
        "set_aside": aside,
        "engine": config.get("engine"),
        "wake_file": config.get("wake_file"),
    }


def _installed(found: dict[str, Any]) -> str:
    states = set(found["files"].values())
    if states == {"missing"}:
        return "no"
    if states == {"ours"} and found["table"] and found["config"]:
        return "disabled" if found["disabled"] else "yes"
    return "damaged"


def _problems(found: dict[str, Any]) -> list[Problem]:
    """Say what keeps the shim from doing its work."""
    problems = []
    again = "Run `closte-bridge shim install` again."
    words = {
        "missing": "is missing",
        "stranger": "is not ours",
        "changed": "was changed",
        "other-version": "is outdated",
    }
    for name, state in found["files"].items():
        if state in words and _installed(found) != "no":
            problems.append(Problem(code=f"shim-{state}", message=f'The file "{name}" {words[state]}.', hint=again))
    if _installed(found) == "no":
        return [
            Problem(code="shim-missing", message="The shim is not installed.", hint="`closte-bridge shim install`.")
        ]
    if not found["table"]:
        problems.append(Problem(code="shim-no-table", message="The table of the events is missing.", hint=again))
    if not found["config"]:
        problems.append(Problem(code="shim-no-config", message="This network is not in its config.", hint=again))
    if found["disabled"]:
        problems.append(
            Problem(
                code="shim-disabled",
                message="CLOSTE_BRIDGE_DISABLE switches the shim off.",
                hint="Take it out of wp-config.php.",
            )
        )
    elif not found["loaded"]:
        problems.append(Problem(code="shim-not-loaded", message="WordPress does not load the shim.", hint=again))
    config = found["config"] if isinstance(found["config"], dict) else {}
    if config.get("engine") and config.get("wake") != "none" and _wake(found)[0] == "poll" and found["loaded"]:
        problems.append(
            Problem(code="shim-cannot-wake", message=f"The shim cannot wake this engine: {_wake(found)[1]}", hint=again)
        )
    if found["oldest"] is not None and int(found["oldest"]) > _OVERDUE:
        problems.append(
            Problem(
                code="shim-events-overdue",
                message=f"{found['events']} events wait, the oldest for {int(found['oldest']) // 60} minutes.",
                hint="Run `closte-bridge sync` and look at what it says.",
            )
        )
    return problems


@shim.command("status", cls=BridgeCommand, short_help="Show whether it is there and works.", epilog=_STATUS)
@format_options(fields=FIELDS, extra_fields=_EXTRA, formats=_FORMATS)
@global_options
@pass_app
def status(app: App) -> Result:
    """Show whether the shim is installed and loaded, who is in charge, how this engine is woken, and what waits.

    Looks through `wp`: PHP's settings for the web server may be others. Exit 1 when something is wrong with it.
    """
    from closte_bridge.shim import manage  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    found = manage.status(engine)
    data = _data(engine, found)
    problems = _problems(found)
    if data["set_aside"]:
        problems.append(
            Problem(
                code="shim-set-aside",
                message=f"{data['set_aside']} events were not understood, and set aside.",
                hint="Another version of the shim, or a stranger, wrote them. Nothing was done because of them.",
            )
        )
    return Result(
        exit_code=ExitCode.FAILURE if problems else ExitCode.OK,
        data=data,
        fields=FIELDS,
        errors=tuple(problems),
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
    if done["left"]:
        names = ", ".join(f'"{name}"' for name in done["left"])
        problem = Problem(
            code="shim-left",
            message=f"In {done['folder']} these files were left: {names}.",
            hint="They are not ours, or the user of `wp` may not remove them.",
        )
        return Result(exit_code=ExitCode.FAILURE, data=done, rendered={Format.TABLE: ""}, errors=(problem,))
    end = "this engine stays in charge" if keep_owner else "Ultimate Multisite's own provider is back"
    return Result(
        data=done,
        rendered={Format.TABLE: ""},
        messages=(Message("success", f"The shim is gone; {end}."),),
        cost=engine.cost.as_data(),
    )
