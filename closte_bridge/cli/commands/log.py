"""`closte-bridge log`: show the change history."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format, check_fields, render_rows
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, duration, format_options, global_options
from closte_bridge.cli.result import Problem, Result
from closte_bridge.cli.text import when
from closte_bridge.counts import counted
from closte_bridge.errors import ConfigError
from closte_bridge.ledger import log as ledger_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.log import LogEntry, Period

_SHOWN = 100
# Maximum number of new entries that `--follow` prints together.
_MOST = 1_000_000
# Seconds between two reads of the ledger.
_POLL = 1.0
_DAY = 86_400
_DAYS_AGO = {"today": 0, "yesterday": 1}
FIELDS = ("time", "action", "domain", "cause", "outcome", "detail")

_EXAMPLES = """
$ closte-bridge log shop.customer.com --fields=action,domain,outcome
action	domain	outcome
add	shop.customer.com	done

$ closte-bridge log shop.customer.com --since=yesterday --format=count
1
"""


@click.command(cls=BridgeCommand, short_help="Show the change history.", epilog=_EXAMPLES)
@click.argument("domain", required=False, metavar="[<domain>]")
@click.option("--domain", "named", metavar="<domain>", help="Domain to show, as the argument.")
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
    help="Start of the period: an age (1d; a plain number means hours), yesterday, today or a UTC date (2026-11-01).",
)
@click.option(
    "--until",
    default=None,
    metavar="<duration|date>",
    help="End of the period, in the same forms.",
)
@click.option("--follow", is_flag=True, help="Also print new entries, until Ctrl-C.")
@format_options(fields=FIELDS, extra_fields=("run",))
@global_options
@pass_app
def log(
    app: App,
    domain: str | None,
    named: str | None,
    limit: int | None,
    since: str | None,
    until: str | None,
    follow: bool,
) -> Result | int:
    """Show the change history, oldest first, with cause and result.

    Also shows when this network was adopted, when changes were paused and allowed again, and runs that were refused.
    """
    if follow and (until is not None or app.output.format not in {Format.TABLE, Format.CSV}):
        text = '"--follow" cannot be combined with "--until", and works with the formats table and csv.'
        raise ConfigError(text, code="usage", hint="Remove the other options.")
    start_at, end_at = _moment("--since", since), _moment("--until", until)
    engine = engine_of(app, app.network())
    wanted = domain or named
    name = domain_names(app, [wanted])[0] if wanted else None
    with engine.opened():
        now = engine.clock.now()
        if engine.ledger is None:
            return Result(data=[], fields=FIELDS)
        period = ledger_log.Period(
            since=start_at(now) if start_at else 0.0,
            until=end_at(now) if end_at else ledger_log.LATEST,
            through=ledger_log.newest(engine.ledger),
        )
        total = ledger_log.count(engine.ledger, name=name, period=period)
        if limit is None and not app.output.wants_rows((Format.COUNT,)):
            return Result(rendered={Format.COUNT: str(total)})
        entries = ledger_log.read(engine.ledger, name=name, period=period, limit=limit or _SHOWN)
    if follow:
        return _follow(app, engine, name, period, entries)
    return Result(data=[*map(_row, entries)], fields=FIELDS, warnings=_left_out(total, len(entries)))


def _row(entry: LogEntry) -> dict[str, object]:
    return {
        "time": when(entry.at),
        "action": entry.action,
        "domain": entry.name,
        "cause": entry.cause,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "run": entry.run,
    }


def _follow(app: App, engine: Engine, name: str | None, period: Period, entries: list[LogEntry]) -> int:
    """Print the entries, then new ones as they are written, until Ctrl-C."""
    fields, head = app.output.fields or FIELDS, 0
    check_fields(fields, (*FIELDS, "run"))
    with suppress(KeyboardInterrupt):
        while True:
            text = render_rows([*map(_row, entries)], fields, app.output.format)
            # The names of the columns come once.
            for line in text.splitlines()[head:]:
                app.console.line(line)
            head = 1
            app.console.stdout.flush()
            time.sleep(_POLL)
            with engine.opened():
                if engine.ledger is None:
                    continue
                period = period._replace(after=period.through, through=ledger_log.newest(engine.ledger))
                entries = ledger_log.read(engine.ledger, name=name, period=period, limit=_MOST)
    return 0


def _left_out(total: int, shown: int) -> tuple[Problem, ...]:
    if shown == total:
        return ()
    text = f"{counted(total - shown, 'older entry is', 'older entries are')} not shown."
    return (Problem(code="limited", message=text, hint=f"Show all with `--limit={total}`."),)


def _moment(option: str, text: str | None) -> Callable[[float], float] | None:
    """Return a function from the current time to a moment of the period, both in epoch seconds; None without `text`.

    Raises ConfigError if `text` is neither a duration nor a date.
    """
    if text is None:
        return None
    if text in _DAYS_AGO:
        return lambda now: (now // _DAY - _DAYS_AGO[text]) * _DAY
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return lambda now: now - float(text) * 3600
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return lambda _: (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = duration(text)
    except ConfigError:
        message = f'Invalid value for "{option}": "{text}" is neither a duration nor a date.'
        raise ConfigError(message, code="usage", hint="Use a form like 1d, 24h, yesterday or 2026-11-01.") from None
    return lambda now: now - seconds
