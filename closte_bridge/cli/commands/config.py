"""`closte-bridge config`: show or validate the config."""

from __future__ import annotations

import click

from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.commands.config_show import settings_rows, settings_yaml
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Result
from closte_bridge.counts import counted

FIELDS = ("network", "key", "value", "origin")

_SHOW = """
$ closte-bridge config show --path=/srv/wordpress | grep path:
  path: /srv/wordpress  # --path

$ closte-bridge config show --field=key | head -n 2
api_url
api_key_file
"""
_VALIDATE = """
$ closte-bridge config validate
Success: No config file found; using defaults.

$ closte-bridge config validate config.yaml
Error: config.yaml:2: Unknown key "remvoal_delay"; did you mean "removal_delay"?
Fix the file, then run `closte-bridge config validate config.yaml`.
"""


@click.group(cls=BridgeGroup, short_help="Show or validate the config.", epilog=_VALIDATE)
@global_options
def config() -> None:
    """Show or validate the config.

    The file is looked up in this order: --config, CLOSTE_BRIDGE_CONFIG, /etc/closte-bridge/config.yaml,
    ~/.config/closte-bridge/config.yaml. Without a file, defaults apply.
    """


@config.command("show", cls=BridgeCommand, short_help="Show effective settings and their source.", epilog=_SHOW)
@format_options(fields=FIELDS, default=Format.YAML)
@global_options
@pass_app
def show(app: App) -> Result:
    """Show all effective settings and their source: default, config file line, option or environment.

    The YAML output is itself a valid config file. It shows the path of the key file, never the API key.
    """
    effective = app.effective(every=True)
    rows = [row for settings, origins in effective for row in settings_rows(settings, origins, app.environ)]
    return Result(data=rows, fields=FIELDS, rendered={Format.YAML: settings_yaml(rows, app.config().source)})


@config.command("validate", cls=BridgeCommand, short_help="Validate a config file.", epilog=_VALIDATE)
@click.argument("file", required=False, metavar="[<file>]")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def validate(app: App, file: str | None) -> Result:
    """Validate a config file. Default: the one in use.

    Reports all errors at once, with line numbers. Exits with code 2 if there are any.
    """
    if file is not None:
        app.overrides.config = file
    found = app.config()
    names = [*found.networks]
    source = None if found.source is None else str(found.source)
    if source is None:
        text = "No config file found; using defaults."
    else:
        listed = ", ".join(f'"{name}"' for name in names)
        text = f'"{source}" is valid: {counted(len(names), "network")}, {listed}.'
    data = {"file": source, "networks": names}
    return Result(data=data, rendered={Format.TABLE: ""}, messages=(Message("success", text),))
