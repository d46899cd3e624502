"""Decorators for the global options and the output options.

Their values are stored in the App and not passed to the command. Global options can be anywhere; the last one wins.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from closte_bridge.cli.console import EVERYTHING
from closte_bridge.cli.context import App
from closte_bridge.cli.formats import Format, check_fields
from closte_bridge.config.durations import parse_duration
from closte_bridge.domains import normalise, pasted_domain
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")

OPTIONAL_VALUE = ("--debug", "--listen", "--skip-plugins", "--wait")
"""Options with an optional value, which must follow `=`."""


class GlobalOption(click.Option):
    """An option of every command; the help shows it as `written`."""

    def __init__(self, declarations: Sequence[str], *, written: str, **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(declarations, expose_value=False, **attributes)
        self.written = written


class OutputOption(click.Option):
    """An option about the output. `--fields` has the fields `shown` by default, and more `on_demand`."""

    shown: tuple[str, ...] = ()
    on_demand: tuple[str, ...] = ()


def _into_app(keep: Callable[[App, Any], None]) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that passes a value given in argv to `keep`."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401 - any option's
        app = ctx.find_object(App)
        given = param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        if app is not None and given:
            keep(app, value)

    return callback


def _into_overrides(name: str) -> Callable[[App, Any], None]:
    return lambda app, value: setattr(app.overrides, name, value)


def _into_console(name: str) -> Callable[[App, Any], None]:
    return lambda app, value: setattr(app.console, name, value)


def _debug(app: App, value: str) -> None:
    app.console.debug_group = value or EVERYTHING


def _global(*names: str, written: str, text: str, keep: Callable[[App, Any], None], **more: Any) -> GlobalOption:  # noqa: ANN401 - click's own
    return GlobalOption(names, written=written, help=text, callback=_into_app(keep), **more)


def _all_global_options() -> list[GlobalOption]:
    flag: dict[str, Any] = {"is_flag": True}
    over = _into_overrides
    return [
        _global("g_config", "--config", written="--config=<file>", text="Config file.", keep=over("config")),
        _global(
            "g_network", "--network", written="--network=<name>", text="Network to use, if the config defines several.",
            keep=over("network"),
        ),
        _global("g_all", "--all", written="--all", text="All networks.", keep=over("all_networks"), **flag),
        _global("g_path", "--path", written="--path=<path>", text="WordPress folder.", keep=over("path")),
        _global("g_url", "--url", written="--url=<url>", text="URL of a site in the network.", keep=over("url")),
        _global(
            "g_ssh", "--ssh", written="--ssh=<user@host:port/path>", text="Remote host for WP-CLI.",
            keep=over("ssh"),
        ),
        _global(
            "g_skip", "--skip-plugins", written="--skip-plugins[=<plugins>]", keep=lambda app, value: None,  # noqa: ARG005 - nothing to keep
            text="Ignored; accepted for WP-CLI compatibility.",
        ),
        _global(
            "g_root", "--allow-root", written="--allow-root", text="Allow WP-CLI to run as root.",
            keep=over("allow_root"), **flag,
        ),
        _global(
            "g_colour", "--color/--no-color", written="--[no-]color", text="Force or disable colored output.",
            keep=_into_console("colour"), default=None,
        ),
        _global(
            "g_debug", "--debug", written="--debug[=<group>]", text="Print debug output to stderr.", keep=_debug
        ),
        _global(
            "g_quiet", "--quiet", written="--quiet", text="Print only data and errors.",
            keep=_into_console("quiet"), **flag,
        ),
        _global(
            "g_yes", "--yes", written="--yes", text="Answer yes to all prompts.",
            keep=_into_console("assume_yes"), **flag,
        ),
    ]  # fmt: skip


def global_options(target: Decorated) -> Decorated:
    """Add the global options to a command or group."""
    for option in reversed(_all_global_options()):
        _attach(target, option)
    return target


def format_options(
    *,
    fields: Sequence[str] = (),
    extra_fields: Sequence[str] = (),
    formats: Sequence[Format] = tuple(Format),
    default: Format = Format.TABLE,
    porcelain: bool = False,
) -> Callable[[Decorated], Decorated]:
    """Add `--format`, `--fields`, `--field` and, if `porcelain`, `--porcelain` to a command.

    `fields` are shown by default, `extra_fields` on demand. Without fields, only `--format` is added.
    """
    options = [
        click.Option(
            ["o_format", "--format"],
            type=Choice([str(one) for one in formats]),
            default=str(default),
            metavar=f"<{'|'.join(formats)}>",
            help=f"Output format. Default: {default}.",
            callback=_set_format,
            expose_value=False,
        )
    ]
    if fields:
        options += _field_options(tuple(fields), tuple(extra_fields))
    if porcelain:
        text = f'Print only the "{fields[0]}" of each change, one per line.'
        options.append(_output_option("--porcelain", None, text, lambda app, on: _set_output(app, "porcelain", on)))

    def decorate(target: Decorated) -> Decorated:
        for option in reversed(options):
            _attach(target, option)
        return target

    return decorate


def _field_options(shown: tuple[str, ...], on_demand: tuple[str, ...]) -> list[click.Option]:
    available = shown + on_demand

    def set_fields(app: App, value: str | None) -> None:
        names = tuple(name.strip() for name in (value or "").split(","))
        _check_named("--fields", names, available)
        _set_output(app, "fields", names)

    def set_field(app: App, value: str | None) -> None:
        _check_named("--field", (value or "",), available)
        _set_output(app, "field", value)

    named = f"Available: {', '.join(available)}."
    several = _output_option("--fields", "<a,b>", f"Fields to print. {named}", set_fields)
    several.shown, several.on_demand = shown, on_demand
    return [
        several,
        _output_option("--field", "<field>", "Single field to print, one value per line.", set_field),
    ]


def _check_named(option: str, names: tuple[str, ...], available: tuple[str, ...]) -> None:
    if not all(names):
        hint = f"Available fields: {', '.join(available)}."
        raise ConfigError(f'"{option}" needs a field.', code="usage", hint=hint)
    check_fields(names, available)


def _set_format(ctx: click.Context, param: click.Parameter, value: str) -> None:
    del param
    if app := ctx.find_object(App):
        _set_output(app, "format", Format(value))


def _set_output(app: App, name: str, value: object) -> None:
    setattr(app.output, name, value)
    app.console.data_only = app.output.is_data


def _output_option(name: str, metavar: str | None, text: str, keep: Callable[[App, Any], None]) -> OutputOption:
    return OutputOption(
        ["o_" + name.strip("-"), name],
        metavar=metavar,
        is_flag=metavar is None,
        help=text,
        callback=_into_app(keep),
        expose_value=False,
    )


def _attach(target: Callable[..., Any] | click.Command, option: click.Option) -> None:
    if isinstance(target, click.Command):
        target.params.insert(0, option)
        return
    # click's decorators store the parameters of a future command here.
    parameters = target.__dict__.setdefault("__click_params__", [])
    parameters.append(option)


def quoted_name(param: click.Parameter | None) -> str:
    """Return the name of an option or argument as people write it, in quotation marks."""
    if isinstance(param, click.Argument):
        return f'"{param.human_readable_name}"'
    return f'"{max(param.opts if param else (), key=len, default="parameter")}"'


class Choice(click.Choice[str]):
    """One of several words. The error for another word quotes it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, D102 - as in the base class
        del ctx
        if value in self.choices:
            return str(value)
        message = f'{quoted_name(param)} does not accept "{str(value)[:40]}".'
        raise ConfigError(message, code="usage", hint=f"Use one of: {', '.join(self.choices)}.")


class Number(click.FloatRange):
    """A finite number within bounds. `nan` passes every comparison with a bound, so it is rejected separately."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401, D102 - as in the base class
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def duration(text: str) -> float:
    """Return the duration `text` of an option in seconds. Raises ConfigError if it is not a duration."""
    try:
        return parse_duration(text)
    except ValueError:
        raise ConfigError(f'"{text}" is not a duration.', code="usage", hint="Use a form like 30m or 2h.") from None


def domain_names(app: App, raw: Sequence[str]) -> list[str]:
    """Return the given domains, normalised; say on stderr which domain stands for a pasted address.

    Raises ConfigError for the first argument that is not a domain.
    """
    names = []
    for given in raw:
        try:
            names.append(normalise(given))
        except ValueError as error:
            domain = pasted_domain(given)
            if domain is None:
                raise _not_a_domain(given, str(error)) from None
            app.console.note(f'Using "{domain}" for "{given}".')
            names.append(domain)
    return names


def _not_a_domain(text: str, why: str) -> ConfigError:
    hint = "Use a form like shop.example.com, or *.example.com for a wildcard."
    if re.search(r"[/:@?#,]", text):
        hint = "Enter only the domain, like shop.example.com: omit scheme, user, port, path and commas."
    return ConfigError(f'"{text[:80]}" is not a domain name: {why}.', code="bad-domain", hint=hint)


def some_domain_names(app: App, raw: Sequence[str]) -> list[str]:
    """Return `domain_names`. Raises ConfigError also for an empty list."""
    if not raw:
        raise ConfigError("No domain given.", code="usage", hint="See `closte-bridge domain --help`.")
    return domain_names(app, raw)
