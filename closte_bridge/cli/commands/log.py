"""`closte-bridge log`: what was done, when, why, and what came of it."""

from __future__ import annotations

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import Number, domain_names, format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Result

FIELDS = ("time", "action", "domain", "cause", "outcome", "detail")

_EXAMPLES = """
$ closte-bridge log --limit=1 --fields=action,domain,outcome
action	domain	outcome
add	shop.customer.com	done

$ closte-bridge log shop.customer.com --format=count
1
"""


@click.command(cls=BridgeCommand, short_help="Show what was done, and when.", epilog=_EXAMPLES)
@click.argument("domain", required=False, metavar="[<domain>]")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, metavar="<n>", help="The newest n. Default: 100."
)
@click.option("--since", type=Number(0), default=None, metavar="<hours>", help="Only of the last so many hours.")
@format_options(fields=FIELDS, extra_fields=("run",))
@global_options
@pass_app
def log(app: App, domain: str | None, limit: int, since: float | None) -> Result:
    """Show the changes of this engine, oldest first: what caused each, and what came of it.

    The log is append-only and part of the ledger.
    """
    from closte_bridge.ledger import journal  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    name = domain_names(app, [domain])[0] if domain else None
    with engine.opened():
        if engine.ledger is None:
            return Result(data=[], fields=FIELDS)
        start = engine.clock.now() - since * 3600 if since is not None else 0.0
        entries = journal.read(engine.ledger, name=name, since=start, limit=limit)
    rows = [
        {
            "time": when(entry.at),
            "action": entry.action,
            "domain": entry.name,
            "cause": entry.cause,
            "outcome": entry.outcome,
            "detail": entry.detail,
            "run": entry.run,
        }
        for entry in entries
    ]
    return Result(data=rows, fields=FIELDS)
