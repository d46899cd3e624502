"""`closte-bridge report`: collect what a bug report needs, without secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import plain
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Result
from closte_bridge.counts import counted
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = ("file", "content", "bytes")

_EXAMPLES = """
$ closte-bridge report --out=report.tar.gz --fields=file
file
versions.json
default/config.json
default/doctor.json
default/status.json
default/ledger.json
default/log.json
default/answers.json
Success: Wrote "report.tar.gz" with 7 files. Nothing was sent. Read it before you share it.

$ closte-bridge report --out=report.tar.gz --format=count
7
Success: Wrote "report.tar.gz" with 7 files. Nothing was sent. Read it before you share it.

$ tar -xzOf report.tar.gz closte-bridge-report/default/answers.json
[]
"""


@click.command(cls=BridgeCommand, short_help="Collect a bug report without secrets.", epilog=_EXAMPLES)
@click.option(
    "--out",
    metavar="<file>",
    help="File to write. Default: closte-bridge-report-<time>.tar.gz in this folder.",
)
@click.option("--with-names", is_flag=True, help="Keep domains, addresses and hosts. Default: pseudonyms.")
@format_options(fields=FIELDS)
@global_options
@pass_app
def report(app: App, out: str | None, *, with_names: bool) -> Result:
    """Write a file for a bug report: versions, config, doctor, status, log, ledger statistics, shapes of answers.

    It never contains keys, passwords, URLs of `notify` or values of Closte's answers. Domains, addresses, hosts and
    users become pseudonyms, which are the same within one report. Sends nothing. To include the shapes of Closte's
    answers, run `integration test --record` before.
    """
    from closte_bridge.cli.bundle import files_of, known_names, packed, versions  # noqa: PLC0415 - doctor: 100 ms

    effective = app.effective(every=True)
    engines = [engine_of(app, settings) for settings, _ in effective]
    now = engines[0].clock.now()
    found = [versions()]
    for engine, (_, origins) in zip(engines, effective, strict=True):
        found += files_of(engine, origins, app.environ)
    rename = _kept if with_names else _pseudonyms(known_names(engines))
    texts = {rename(one.name): rename(_text(one.content)) for one in found}
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    path = Path(out or f"closte-bridge-report-{moment}.tar.gz")
    try:
        write_whole(path, packed(texts, now))
    except OSError as error:
        raise BridgeError(
            f'Could not write "{path}": {error.strerror}.',
            code="report-file",
            hint="Specify a file in a writable folder with `--out`.",
        ) from None
    rows = [
        {"file": name, "content": one.about, "bytes": len(text.encode())}
        for one, (name, text) in zip(found, texts.items(), strict=True)
    ]
    text = f'Wrote "{path}" with {counted(len(rows), "file")}. Nothing was sent. Read it before you share it.'
    return Result(data=rows, fields=FIELDS, messages=(Message("success", text),))


def _kept(text: str) -> str:
    return text


def _pseudonyms(known: set[str]) -> Callable[[str], str]:
    from closte_bridge.cli.pseudonyms import Pseudonyms  # noqa: PLC0415 - only for this option

    return Pseudonyms(known)


def _text(content: object) -> str:
    return json.dumps(plain(content), indent=1, ensure_ascii=False, default=str) + "\n"
