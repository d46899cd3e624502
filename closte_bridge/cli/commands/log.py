"""`closte-bridge log`: what was done, when, why, and what came of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, duration, format_options, global_options
from closte_bridge.cli.plans import when
from closte_bridge.cli.result import Problem, Result
from closte_bridge.counts import counted
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 100
FIELDS = ("time", "action", "domain", "cause", "outcome", "detail")

_EXAMPLES = """
$ closte-bridge log shop.customer.com --fields=action,domain,outcome
action	domain	outcome
add	shop.customer.com	done

$ closte-bridge log shop.customer.com --since=1d --format=count
1
"""


@click.command(cls=BridgeCommand, short_help="Show what was done, and when.", epilog=_EXAMPLES)
@click.argument("domain", required=False, metavar="[<domain>]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=None,
    metavar="<n>",
    help="The newest n. Default: 100, and all for --format=count.",
)
@click.option(
    "--since",
    default=None,
    metavar="<duration|date>",
    help="Only of this time (1d, 24h), or from this date on (2026-11-01, in UTC). A number alone is hours.",
)
@format_options(fields=FIELDS, extra_fields=("run",))
@global_options
@pass_app
def log(app: App, domain: str | None, limit: int | None, since: str | None) -> Result:
    """Show the changes of this engine, oldest first: what caused each, and what came of it.

    The log is append-only and part of the ledger.
    """
    from closte_bridge.ledger import log as ledger_log  # noqa: PLC0415 - loaded when it is needed

    start_at = _start(since)
    engine = engine_of(app, app.network())
    name = domain_names(app, [domain])[0] if domain else None
    with engine.opened():
        start = start_at(engine.clock.now())
        if engine.ledger is None:
            return Result(data=[], fields=FIELDS)
        total = ledger_log.count(engine.ledger, name=name, since=start)
        if limit is None and not app.output.wants_rows((Format.COUNT,)):
            return Result(rendered={Format.COUNT: str(total)})
        entries = ledger_log.read(engine.ledger, name=name, since=start, limit=limit or _SHOWN)
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
    return Result(data=rows, fields=FIELDS, warnings=_left_out(total, len(rows)))


def _left_out(total: int, shown: int) -> tuple[Problem, ...]:
    if shown == total:
        return ()
    text = f"{counted(total - shown, 'older entry', 'older entries')} not shown."
    return (Problem(code="limited", message=text, hint=f"Show all with `--limit={total}`."),)


def _start(since: str | None) -> Callable[[float], float]:
    """Return what tells, for a time in seconds since the epoch, the moment that `since` stands for then.

    Raises ConfigError if it is no time.
    """
    if since is None:
        return lambda _: 0.0
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", since, re.ASCII):
        return lambda now: now - float(since) * 3600
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        pass
    else:
        return lambda _: (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = duration(since)
    except ConfigError:
        hint = "Write it like 1d, 24h or 2026-11-01."
        raise ConfigError(f'"{since}" is neither a duration nor a date.', code="usage", hint=hint) from None
    return lambda now: now - seconds
