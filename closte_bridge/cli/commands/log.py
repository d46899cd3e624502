"""`closte-bridge log`: show the change history."""

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
from closte_bridge.cli.result import Problem, Result
from closte_bridge.cli.text import when
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


@click.command(cls=BridgeCommand, short_help="Show the change history.", epilog=_EXAMPLES)
@click.argument("domain", required=False, metavar="[<domain>]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=None,
    metavar="<n>",
    help="Number of newest entries to show. Default: 100; all with --format=count.",
)
@click.option(
    "--since",
    default=None,
    metavar="<duration|date>",
    help="Start of the period: an age (1d, 24h) or a UTC date (2026-11-01). A plain number means hours.",
)
@format_options(fields=FIELDS, extra_fields=("run",))
@global_options
@pass_app
def log(app: App, domain: str | None, limit: int | None, since: str | None) -> Result:
    """Show the change history, oldest first, with cause and result."""
    from closte_bridge.ledger import log as ledger_log  # noqa: PLC0415 - lazy import

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
    text = f"{counted(total - shown, 'older entry is', 'older entries are')} not shown."
    return (Problem(code="limited", message=text, hint=f"Show all with `--limit={total}`."),)


def _start(since: str | None) -> Callable[[float], float]:
    """Return a function from the current time to the start of the period, both in epoch seconds.

    Raises ConfigError if `since` is neither a duration nor a date.
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
        text = f'Invalid value for "--since": "{since}" is neither a duration nor a date.'
        raise ConfigError(text, code="usage", hint="Use a form like 1d, 24h or 2026-11-01.") from None
    return lambda now: now - seconds
