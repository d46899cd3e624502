"""`closte-bridge sandbox`: run a local mock of Closte's API."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format, to_json
from closte_bridge.cli.options import Number, format_options, global_options
from closte_bridge.errors import ConfigError
from closte_bridge.flag import Flag
from closte_bridge.secret import Secret

_EXAMPLES = """
$ closte-bridge sandbox --port=8099 --state=aliases.json
http://127.0.0.1:8099/api/client

$ closte-bridge sandbox --port=8099 --fault=error500:0.1 --fault=lost:1:3 --seed=7
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
@click.option(
    "--wrong-key-text", default="Invalid API key.", help="Error message for an invalid key. Default: Invalid API key."
)
@click.option("--wrong-key-status", default=200, help="HTTP status for an invalid key. Default: 200.")
@click.option(
    "--already-text",
    default="Domain already exists.",
    help="Error message for adding an existing alias; empty means success. Default: Domain already exists.",
)
@click.option(
    "--missing-text",
    default="Domain not found.",
    help="Error message for deleting a missing alias; empty means success. Default: Domain not found.",
)
@click.option("--latency", type=Number(0), default=0.0, help="Delay of each response in seconds. Default: 0.")
@click.option("--retry-after", default="1", help="Retry-After value of fault 429. Default: 1.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:PROBABILITY[:TIMES]][@DOMAIN]",
    help="Fault in responses, such as error500:0.1, lost:1:3, mixed:0.2 or 429@shop.example.com. Repeatable.",
)
@click.option("--seed", type=int, help="Random seed, for reproducible faults.")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def sandbox(  # noqa: PLR0913, PLR0917 - click passes one parameter for each option
    app: App,
    port: int,
    state: Path | None,
    app_domain: str,
    key_file: Path | None,
    wrong_key_text: str,
    wrong_key_status: int,
    already_text: str,
    missing_text: str,
    latency: float,
    retry_after: str,
    faults: tuple[str, ...],
    seed: int | None,
) -> None:
    """Run a local mock of Closte's API until SIGTERM or Ctrl-C.

    Prints the URL to use as `api_url`. Sends nothing to Closte. While it runs, you can read and change faults, aliases
    and recorded requests under `/_sandbox/`.
    """
    # Imported here: only this command needs a web server.
    from closte_bridge.sandbox.api import ApiTexts  # noqa: PLC0415 - lazy import
    from closte_bridge.sandbox.server import Sandbox, SandboxOptions  # noqa: PLC0415 - lazy import

    end = Flag()
    before = {number: signal.signal(number, lambda *_: end.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with Sandbox(
            app_domain,
            state=state,
            key=_key(key_file),
            port=port,
            texts=ApiTexts(wrong_key_text, wrong_key_status, already_text, missing_text),
            behaviour=SandboxOptions(latency=latency, retry_after=retry_after),
            faults=faults,
            seed=seed,
        ) as server:
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
