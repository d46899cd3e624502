"""The root of all commands: which there are, what each is for, and which module has it.

A module is imported when its command is called, and not before: `plan` does not pay for `sandbox`.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

from closte_bridge import __version__
from closte_bridge.cli.command import BridgeGroup, show_help
from closte_bridge.cli.context import App
from closte_bridge.cli.options import global_options
from closte_bridge.config.model import ALIAS
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class CommandEntry(NamedTuple):
    """A command: its line in the help (at most 50 characters), the help's section, and where it is."""

    section: str
    short_help: str
    module: str
    attribute: str


def _entry(section: str, short_help: str, name: str) -> CommandEntry:
    return CommandEntry(section, short_help, f"closte_bridge.cli.commands.{name}", name)


COMMANDS: dict[str, CommandEntry] = {
    "setup": _entry("Start", "Set everything up, asking at each step.", "setup"),
    "adopt": _entry("Start", "Put this engine in charge of a network.", "adopt"),
    "integration": _entry("Start", "Switch the integration, test the connection.", "integration"),
    "shim": _entry("Start", "Let WordPress wake this engine.", "shim"),
    "plan": _entry("Work", "Show what would change, and why.", "plan"),
    "sync": _entry("Work", "Bring the domains at Closte into step.", "sync"),
    "apply": _entry("Work", "Apply a plan that was reviewed.", "apply"),
    "watch": _entry("Work", "Keep working: events at once, the rest when due.", "watch"),
    "domain": _entry("Look and mend", "List, explain, add and remove domains.", "domain"),
    "doctor": _entry("Look and mend", "Check everything, with the remedy for each.", "doctor"),
    "health": _entry("Look and mend", "Say whether all is well, for a monitor.", "health"),
    "log": _entry("Look and mend", "Show what was done, and when.", "log"),
    "config": _entry("Look and mend", "Show or validate the config.", "config"),
    "sandbox": _entry("Learn", "Serve a stand-in for Closte on this machine.", "sandbox"),
    "completion": _entry("Learn", "Print a shell completion script.", "completion"),
    "man": _entry("Learn", "Print the man page.", "man"),
}

_EXAMPLES = """
$ closte-bridge config validate
Success: No config file found; using defaults.

$ closte-bridge --version
closte-bridge {version}
"""


class RootGroup(BridgeGroup):
    """The group of all commands: lazy, with `@alias` and `help` in the manner of WP-CLI."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        del ctx
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command `cmd_name`, if there is one."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table's promise
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what may stand before a command, then find it."""
        if args[0].startswith("@") and not ctx.resilient_parsing:
            self._take_alias(ctx, args[0])
            args = args[1:]
        if args[:1] == ["help"]:
            # `help config show` is `config show --help`.
            args = [*args[1:], "--help"]
        if not args:
            ctx.fail("Missing command.")
        if args[0] == "--help":
            show_help(ctx)
        return super().resolve_command(ctx, args)

    @staticmethod
    def _take_alias(ctx: click.Context, alias: str) -> None:
        if not re.fullmatch(ALIAS, alias) or alias == "@all":
            raise ConfigError(
                f'"{alias}" cannot be used as an alias: it must stand for one network.',
                code="usage",
                hint="For all networks of the configuration there is --all.",
            )
        if app := ctx.find_object(App):
            app.overrides.alias = alias

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing them."""
        del ctx
        width = max(map(len, COMMANDS))
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            rows = [(f"{n:{width}}", e.short_help) for n, e in COMMANDS.items() if e.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names without importing the commands."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for completion

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        found = ((name, entry.short_help) for name, entry in COMMANDS.items() if name.startswith(incomplete))
        return [CompletionItem(name, help=text) for name, text in found]


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing and (app := ctx.find_object(App)):
        app.console.line(f"closte-bridge {__version__}")
        ctx.exit()


@click.command(cls=RootGroup, epilog=_EXAMPLES.replace("{version}", __version__))
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Print the version.",
    callback=_print_version,
)
@global_options
def root() -> None:
    """Keep the domains of an Ultimate Multisite network and of a Closte application in step.

    An @alias of WP-CLI may stand before the command.
    """
