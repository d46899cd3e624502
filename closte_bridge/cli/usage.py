"""Convert click's usage errors to closte-bridge's own."""

from __future__ import annotations

import re

import click

from closte_bridge.cli.command import closest, see_help
from closte_bridge.errors import ConfigError


def usage_error(error: click.ClickException) -> ConfigError:
    """Return `error` as an error with exit code 2."""
    ctx = getattr(error, "ctx", None)
    hint = see_help(ctx) if ctx is not None else "See `closte-bridge --help`."
    match error:
        case click.NoSuchOption():
            return _unknown_option(error, hint)
        case click.MissingParameter():
            return ConfigError(f"Missing {_name(error.param)}.", code="usage", hint=hint)
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
    suggestion = closest(error.option_name, [name for name in known if name.startswith("--")])
    return ConfigError(f'Unknown option "{error.option_name}".', code="usage", hint=suggestion or hint)


def _name(param: click.Parameter | None) -> str:
    if isinstance(param, click.Argument):
        return f'"{param.human_readable_name}"'
    return f'"{_option_name(param)}"'


def _option_name(param: click.Parameter | None) -> str:
    names = [*param.opts] if param is not None else []
    return max(names, key=len, default="parameter")


def _bad_value(error: click.BadParameter) -> str:
    param = error.param
    if param is not None and isinstance(param.type, click.Choice):
        return f"{_name(param)} must be one of: {', '.join(map(str, param.type.choices))}."
    text = re.sub(r"'([^']*)'", r'"\1"', error.message.rstrip("."))
    return f"Invalid value for {_name(param)}: {text}."


def _bad_use(error: click.BadOptionUsage) -> str:
    name, params = error.option_name, error.ctx.command.params if error.ctx else []
    option = next((param for param in params if name in (*param.opts, *param.secondary_opts)), None)
    if isinstance(option, click.Option) and option.is_flag:
        return f'"{name}" accepts no value.'
    return f'"{name}" needs a value.'
