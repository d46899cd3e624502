"""Commands and groups that parse arguments and show help like WP-CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from closte_bridge.cli.context import App
from closte_bridge.cli.options import OPTIONAL_VALUE, GlobalOption
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def name_of(ctx: click.Context) -> str:
    """Return the name of the context's command without the program: `config show`."""
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(reversed(names))


def see_help(ctx: click.Context) -> str:
    """Return a hint to the help of the context's command."""
    return f"See `{' '.join(filter(None, ('closte-bridge', name_of(ctx), '--help')))}`."


def closest(word: str, known: Sequence[str]) -> str:
    """Return the closest of `known`, or an empty string if none is close."""
    from difflib import get_close_matches  # noqa: PLC0415 - 7 ms, only for errors

    # Suggest only close matches: "setup" for "stop" could do harm.
    found = get_close_matches(word, known, n=1, cutoff=0.7)
    return found[0] if found else ""


def _with_optional_values(args: list[str]) -> list[str]:
    """Return `args` with `--debug` written as `--debug=`, so that click does not use the next word as its value."""
    end = args.index("--") if "--" in args else len(args)
    head = [f"{word}=" if word in OPTIONAL_VALUE else word for word in args[:end]]
    return head + args[end:]


class _WpCliStyle(click.Command):
    """Base class of commands and groups."""

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **attributes)
        # One object per command: click compares it by identity.
        self._own_help = click.Option(
            ["o_help", "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help="Show this help.",
            callback=_show_help,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if app := ctx.find_object(App):
            app.command = name_of(ctx)
        try:
            return super().parse_args(ctx, _with_optional_values(args))
        except click.UsageError as error:
            # click does not always set the context.
            error.ctx = error.ctx or ctx
            raise

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        del ctx
        return self._own_help

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        params = self.get_params(ctx)
        # Arguments are in the usage line. List only those with their own help.
        listed = [param for param in params if isinstance(param, click.Option) or getattr(param, "help", None)]
        own = [param.get_help_record(ctx) for param in listed if not isinstance(param, GlobalOption)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in own if record])
        everywhere = [param for param in params if isinstance(param, GlobalOption)]
        if not everywhere:
            return
        if ctx.parent is not None:
            formatter.write_paragraph()
            formatter.write_text('For global options (--path, --quiet, …), run "closte-bridge --help".')
            return
        with formatter.section("Global options"):
            formatter.write_dl([(param.written, param.help or "") for param in everywhere])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if not self.epilog:
            return
        # Print examples unchanged: they show real output.
        with formatter.section("Examples"):
            for line in self.epilog.strip("\n").split("\n"):
                formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")


def show_help(ctx: click.Context) -> NoReturn:
    """Print the help of the context's command, and exit with 0."""
    if app := ctx.find_object(App):
        app.console.line(ctx.get_help())
    ctx.exit()


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        show_help(ctx)


class BridgeCommand(_WpCliStyle):
    """A command whose function returns a Result or None."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse `args`. Raises ConfigError instead of click's error if there are too many."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise ConfigError(f"Too many arguments: {' '.join(rest)}.", code="usage", hint=see_help(ctx))
        return rest


class BridgeGroup(_WpCliStyle, click.Group):
    """A group of subcommands."""

    command_class = BridgeCommand

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **{"no_args_is_help": False, "subcommand_metavar": "<command>", **attributes})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command at the start of `args`. Raises ConfigError with the closest name."""
        if (app := ctx.find_object(App)) and args[0] in self.list_commands(ctx):
            app.command = " ".join(filter(None, (name_of(ctx), args[0])))
        if ctx.resilient_parsing or self.get_command(ctx, args[0]) is not None:
            return super().resolve_command(ctx, args)
        known, group = self.list_commands(ctx), name_of(ctx)
        name = " ".join(filter(None, (group, args[0])))
        near = closest(args[0], known)
        suggestion = f"Did you mean `{' '.join(filter(None, ('closte-bridge', group, near)))}`?"
        raise ConfigError(
            f'"{name}" is not a closte-bridge command.',
            code="unknown-command",
            hint=suggestion if near else f"Commands: {', '.join(known)}.",
        )
