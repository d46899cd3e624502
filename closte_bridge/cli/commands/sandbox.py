"""`closte-bridge sandbox`: run a local mock of Closte's API."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format, to_json
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.errors import ConfigError
from closte_bridge.flag import Flag
from closte_bridge.sandbox.server import Sandbox
from closte_bridge.secret import Secret

_EXAMPLES = """
$ closte-bridge sandbox --port=8099 --state=aliases.json
http://127.0.0.1:8099/api/client

$ closte-bridge sandbox --port=8099 --app-domain=network.example.org --key-file=key
http://127.0.0.1:8099/api/client
"""


@click.command(cls=BridgeCommand, short_help="Run a local mock of Closte's API.", epilog=_EXAMPLES)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1. Default: 0, a free port.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="File to keep the aliases in.")
@click.option(
    "--app-domain",
    default="network.example.com",
    help="The application's own domain, always part of the list. Default: network.example.com.",
)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the accepted API key. Default: any key.",
)
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def sandbox(app: App, port: int, state: Path | None, app_domain: str, key_file: Path | None) -> None:
    """Run a local mock of Closte's API until SIGTERM or Ctrl-C.

    Prints the URL to use as `api_url`. Sends nothing to Closte. Without --state, it forgets the aliases at the end.
    """
    end = Flag()
    before = {number: signal.signal(number, lambda *_: end.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with Sandbox(app_domain, state=state, key=_key(key_file), port=port) as server:
            # A program can wait for the URL: it is one line in both formats.
            app.console.line(to_json({"url": server.url}) if app.output.format is Format.JSON else server.url)
            while not end.wait(60):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _key(path: Path | None) -> Secret | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise ConfigError(
            f'Could not read a key from "{path}": the file is empty or unreadable.',
            code="key-file",
            hint="Write only the key into the file.",
        )
    return Secret(text)
