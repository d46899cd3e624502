"""Convert click's usage errors to closte-bridge's own."""

from __future__ import annotations

import re

import click

from closte_bridge.cli.command import closest, see_help
from closte_bridge.cli.options import quoted_name
from closte_bridge.errors import ConfigError


def usage_error(error: click.ClickException) -> ConfigError:
    """Return `error` as an error with exit code 2."""
    ctx = getattr(error, "ctx", None)
    hint = see_help(ctx) if ctx is not None else "See `closte-bridge --help`."
    match error:
        case click.NoSuchOption():
            return _unknown_option(error, hint)
        case click.MissingParameter():
            return ConfigError(f"Missing {quoted_name(error.param)}.", code="usage", hint=hint)
        case click.BadParameter():
            return ConfigError(_bad_value(error), code="usage", hint=hint)
        case click.BadOptionUsage():
            return ConfigError(_bad_use(error), code="usage", hint=hint)
        case click.UsageError() if ctx is not None and isinstance(ctx.command, click.Group):
            verbs = ", ".join(ctx.command.list_commands(ctx))
            return ConfigError("Missing command.", code="usage", hint=f"Commands: {verbs}.")
    return ConfigError(error.format_message(), code="usage", hint=hint)


def _unknown_option(error: click.NoSuchOption, hint: str) -> ConfigError:
    known: list[str] = []
    if error.ctx is not None:
        known = [name for param in error.ctx.command.get_params(error.ctx) for name in param.opts]
    near = closest(error.option_name, [name for name in known if name.startswith("--")])
    suggestion = f'Did you mean "{near}"?' if near else hint
    return ConfigError(f'Unknown option "{error.option_name}".', code="usage", hint=suggestion)


def _bad_value(error: click.BadParameter) -> str:
    text = re.sub(r"'([^']*)'", r'"\1"', error.message)
    return f"Invalid value for {quoted_name(error.param)}: {text}"


def _bad_use(error: click.BadOptionUsage) -> str:
    name, params = error.option_name, error.ctx.command.params if error.ctx else []
    option = next((param for param in params if name in (*param.opts, *param.secondary_opts)), None)
    if isinstance(option, click.Option) and option.is_flag:
        return f'"{name}" accepts no value.'
    return f'"{name}" needs a value.'
