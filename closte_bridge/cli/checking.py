"""`domain check` and `domain revive`: what DNS and certificates say, and bringing back what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.checks.fields import FIELDS
from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import FIELDS as PLAN_FIELDS
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.errors import BridgeError, ConfigError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.checks.model import Checked
    from closte_bridge.engine.engine import Engine
    from closte_bridge.wordpress.snapshot import Snapshot

_CHECK = """
$ closte-bridge domain check shop.customer.com
"shop.customer.com" points elsewhere.
The resolver 1.1.1.1 answers: 203.0.113.9.
It should lead to 192.0.2.10.
Next step: Point A of shop.customer.com at 192.0.2.10; it now answers 203.0.113.9.

$ closte-bridge domain check shop.customer.com --field=dns
points-elsewhere
"""
_REVIVE = """
$ closte-bridge domain revive old.customer.com
"old.customer.com" would move from "failed" to "done", and may become the primary domain of site 7.
Revive it? [y/n] y

$ closte-bridge domain revive old.customer.com --yes --quiet
"""


def _names(raw: tuple[str, ...]) -> list[str]:
    from closte_bridge.engine.wishes import parse_names  # noqa: PLC0415 - loaded when it is needed

    if not raw:
        raise ConfigError("Name at least one domain.", code="usage", hint="See `closte-bridge domain --help`.")
    return parse_names(raw)


def _look(engine: Engine, names: list[str]) -> tuple[list[Checked], Snapshot]:
    from closte_bridge.checks.pool import Pool  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.snapshots import start_snapshot  # noqa: PLC0415 - likewise

    snapshot = start_snapshot(engine, ask_key=False, acknowledge=False).snapshot()
    pool = Pool(
        main_domain=snapshot.network.domain,
        dns=engine.settings.dns,
        tls=engine.settings.tls,
        edges=engine.edges,
        now=engine.clock.now,
    )
    return pool.check(names), snapshot


@click.command("check", cls=BridgeCommand, short_help="Look at DNS and certificate now.", epilog=_CHECK)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=FIELDS)
@global_options
@pass_app
def check(app: App, domains: tuple[str, ...]) -> Result:
    """Look at DNS and the certificate of domains now, mapped or not: what is there, and what the customer does next.

    DNS is right when the name leads where the network's own domain leads, or to `dns.targets`. Changes nothing and
    remembers nothing. Exits with 4 when one of them has no padlock.
    """
    from closte_bridge.checks import report  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    checked, _ = _look(engine, _names(domains))
    bad = [c for c in checked if not c.padlock]
    return Result(
        exit_code=ExitCode.SOME_FAILED if bad else ExitCode.OK,
        data=[report.document(c) for c in checked]
        if app.output.format is Format.JSON and not app.output.fields and app.output.field is None
        else [report.row(c) for c in checked],
        fields=FIELDS,
        rendered={Format.TABLE: "\n\n".join("\n".join(report.sentences(c)) for c in checked)},
        cost=engine.cost.as_data(),
    )


@click.command("revive", cls=BridgeCommand, short_help="Bring back what was given up before.", epilog=_REVIVE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS)
@global_options
@pass_app
def revive(app: App, domains: tuple[str, ...]) -> Result:
    """Bring back mappings that Ultimate Multisite had given up before this engine took charge.

    It moves one as well whose CDN lets no test request through. Looks at DNS and certificate first, says what would
    change, and asks: reaching "done" can make a domain the primary one of its site, to which visitors are then
    redirected.
    """
    from closte_bridge.checks.life import StageHold, begin, learn, next_stage  # noqa: PLC0415 - loaded when needed
    from closte_bridge.engine.sync import Request  # noqa: PLC0415 - likewise

    names = _names(domains)
    checked, snapshot = _look(engine_of(app, app.network()), names)
    mappings = {mapping.domain: mapping for mapping in snapshot.mappings}
    moving: list[str] = []
    problems: list[Problem] = []
    for one in checked:
        mapping = mappings.get(one.name)
        if mapping is None:
            raise BridgeError(
                f'"{one.name}" is not mapped in WordPress.',
                code="not-mapped",
                hint="`closte-bridge domain list` shows what is.",
                domain=one.name,
            )
        history = learn(begin(one.at), one, interval=snapshot.settings.dns_check_interval)
        move = next_stage(mapping, history, adopted=0.0, revive=True)
        if move is None or isinstance(move, StageHold):
            reason = move.reason if move else f'its stage "{mapping.stage}" stays: {one.dns.code.value}'
            hint = f"`closte-bridge domain check {one.name}` says what is missing."
            problems.append(Problem(code="not-revived", message=f'"{one.name}": {reason}.', domain=one.name, hint=hint))
            continue
        primary = f", and may become the primary domain of site {mapping.blog_id}" if move.stage == "done" else ""
        app.console.log(f'"{one.name}" would move from "{mapping.stage}" to "{move.stage}"{primary}.')
        moving.append(one.name)
    if not moving:
        return Result(exit_code=ExitCode.SOME_FAILED, errors=tuple(problems), fields=PLAN_FIELDS, data=[])
    app.console.confirm("Revive it?" if len(moving) == 1 else f"Revive these {len(moving)}?")
    said = tuple(Message("log", problem.message) for problem in problems)
    return run_sync(app, Request(only=frozenset(moving), revive=frozenset(moving)), said=said)
