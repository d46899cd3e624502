"""Root command group: lists every command with its help section and module.

Commands are imported lazily, so `plan` does not load `sandbox`.
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
    """A command: its help section, short help of at most 45 characters, and location."""

    section: str
    short_help: str
    module: str
    attribute: str


def _entry(section: str, short_help: str, name: str) -> CommandEntry:
    return CommandEntry(section, short_help, f"closte_bridge.cli.commands.{name}", name)


COMMANDS: dict[str, CommandEntry] = {
    "setup": _entry("Start", "Set up closte-bridge interactively.", "setup"),
    "adopt": _entry("Start", "Take ownership of a network.", "adopt"),
    "integration": _entry("Start", "Enable, disable and test the integration.", "integration"),
    "shim": _entry("Start", "Manage the plugin that triggers syncs.", "shim"),
    "uninstall": _entry("Start", "Remove closte-bridge from a network.", "uninstall"),
    "plan": _entry("Work", "Preview changes (dry run).", "plan"),
    "sync": _entry("Work", "Apply pending changes to Closte.", "sync"),
    "apply": _entry("Work", "Apply a reviewed plan file.", "apply"),
    "watch": _entry("Work", "Run as a service, syncing continuously.", "watch"),
    "status": _entry("Inspect and troubleshoot", "Show one screen about the network.", "status"),
    "domain": _entry("Inspect and troubleshoot", "Add, remove and inspect domains.", "domain"),
    "doctor": _entry("Inspect and troubleshoot", "Diagnose problems and suggest fixes.", "doctor"),
    "health": _entry("Inspect and troubleshoot", "Check health for monitoring.", "health"),
    "log": _entry("Inspect and troubleshoot", "Show the change history.", "log"),
    "report": _entry("Inspect and troubleshoot", "Collect a bug report without secrets.", "report"),
    "notify": _entry("Inspect and troubleshoot", "Test where notifications go.", "notify"),
    "config": _entry("Inspect and troubleshoot", "Show or validate the config.", "config"),
    "sandbox": _entry("Learn", "Run a local mock of Closte's API.", "sandbox"),
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
    """The group of all commands: lazy, with `@alias` and `help` like WP-CLI."""

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
        assert isinstance(command, click.Command)  # noqa: S101 - true for every entry of the table
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Handle `@alias` and `help` before a command, then find it."""
        if args[0].startswith("@") and not ctx.resilient_parsing:
            self._use_alias(ctx, args[0])
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
    def _use_alias(ctx: click.Context, alias: str) -> None:
        if not re.fullmatch(ALIAS, alias) or alias == "@all":
            raise ConfigError(
                f'"{alias}" is not supported: the alias must point to a single network.',
                code="usage",
                hint="Use --all to run for every network in the config.",
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
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - 10 ms, only for completion

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        found = ((name, entry.short_help) for name, entry in COMMANDS.items() if name.startswith(incomplete))
        return [CompletionItem(name, help=text) for name, text in found]


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing and (app := ctx.find_object(App)):
        app.console.line(f"closte-bridge {__version__}")
        ctx.exit()


SUMMARY = "Sync the mapped domains of an Ultimate Multisite network to Closte"
_HELP = f"{SUMMARY}.\n\nYou can put a WP-CLI @alias before the command."


@click.command(cls=RootGroup, help=_HELP, epilog=_EXAMPLES.replace("{version}", __version__))
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
    """Hold all commands."""
