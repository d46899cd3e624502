"""`domain check` and `domain revive`: what DNS and certificates say, and bringing back what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.checks.fields import FIELDS
from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options, some_domain_names
from closte_bridge.cli.plans import FIELDS as PLAN_FIELDS
from closte_bridge.cli.result import Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.checks.pool import CheckPool
    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.stages import StageChange
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot

_CHECK = """
$ closte-bridge domain check shop.customer.com
"shop.customer.com" points elsewhere.
Resolver 1.1.1.1: 203.0.113.9.
Expected: 192.0.2.10.
Next step: Change the A record of shop.customer.com to 192.0.2.10. It currently points to 203.0.113.9.

$ closte-bridge domain check shop.customer.com --field=dns
points-elsewhere
"""
_REVIVE = """
$ closte-bridge domain revive old.customer.com
"old.customer.com" would move from "failed" to "done", and may become the primary domain of site 7.
Revive it? [y/n] y

$ closte-bridge domain revive old.customer.com --yes --quiet
"""


def _pool(engine: Engine, snapshot: Snapshot) -> CheckPool:
    from closte_bridge.checks.pool import CheckPool  # noqa: PLC0415 - loaded when it is needed

    return CheckPool(
        main_domain=snapshot.network.domain,
        dns=engine.settings.dns,
        tls=engine.settings.tls,
        edges=engine.edges,
        now=engine.clock.now,
    )


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
    from closte_bridge.engine.snapshots import start_snapshot  # noqa: PLC0415 - likewise

    engine = engine_of(app, app.network())
    names = some_domain_names(app, domains)
    checked = _pool(engine, start_snapshot(engine, ask_key=False, acknowledge=False).snapshot()).check(names)
    bad = [c for c in checked if not c.has_https]
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
    redirected. Exits with 4 when one of them did not move.
    """
    from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - likewise
    from closte_bridge.wordpress.stage import Stage  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())
    moving, problems = _preview(engine, some_domain_names(app, domains))
    for change in moving:
        primary = change.stage == Stage.DONE and not change.back
        words = f", and may become the primary domain of site {change.mapping.blog_id}" if primary else ""
        app.console.log(f'"{change.name}" would move from "{change.mapping.stage}" to "{change.stage}"{words}.')
    if not moving:
        return Result(exit_code=ExitCode.SOME_FAILED, errors=tuple(problems), fields=PLAN_FIELDS, data=[])
    names = frozenset(change.name for change in moving)
    app.console.confirm("Revive it?" if len(names) == 1 else f"Revive these {len(names)}?")
    return run_sync(app, RunRequest(only=names, revive=names), failed=tuple(problems), spent=engine.cost)


def _preview(engine: Engine, names: list[str]) -> tuple[list[StageChange], list[Problem]]:
    """Look at the names; return what would move, by the rules that a sync moves by, and an error for each that stays.

    Raises BridgeError where nothing may be changed, and for a name that this network does not map.
    """
    from closte_bridge.checks.domain_state import begin, learn  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.observe import observe  # noqa: PLC0415 - likewise
    from closte_bridge.engine.pins import bound, refuse_read_only  # noqa: PLC0415 - likewise
    from closte_bridge.engine.verify import stages_from  # noqa: PLC0415 - likewise

    with engine.opened():
        ledger = bound(engine)
        with observe(engine) as view:
            refuse_read_only(view)
            rows = _rows(view.snapshot, names)
            checked = _pool(engine, view.snapshot).check(names)
            interval = view.snapshot.settings.dns_check_interval
            known = {one.name: learn(begin(one.at), one, interval=interval) for one in checked}
            own = [row for of_name in rows.values() for row in of_name]
            plan = stages_from(ledger, own, known, view.desire(engine), engine.clock.now(), names)
    moving = {change.name for change in plan.changes}
    held = {hold.name: hold.reason for hold in plan.holds}
    return [*plan.changes], [
        _stays(one, rows[one.name][0].stage, held.get(one.name)) for one in checked if one.name not in moving
    ]


def _rows(snapshot: Snapshot, names: list[str]) -> dict[str, list[Mapping]]:
    """Return this network's mappings of each of the names. Raises BridgeError for one without any."""
    from closte_bridge.engine.verify import own_mappings  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.planning.stages import name_of  # noqa: PLC0415 - likewise

    found: dict[str, list[Mapping]] = {name: [] for name in names}
    for mapping in own_mappings(snapshot):
        if (name := name_of(mapping)) in found:
            found[name].append(mapping)
    for name, rows in found.items():
        if not rows:
            elsewhere = any(name_of(mapping) == name for mapping in snapshot.mappings)
            raise BridgeError(
                f'"{name}" is {"mapped to no site of this network" if elsewhere else "not mapped in WordPress"}.',
                code="not-mapped",
                hint="`closte-bridge domain list` shows what is.",
                domain=name,
            )
    return found


def _stays(checked: DomainCheck, stage: str, held: str | None) -> Problem:
    reason = held or f'its stage "{stage}" stays: {checked.dns.code.value}'
    hint = (
        f"`closte-bridge domain explain {checked.name}` says more."
        if held
        else f"`closte-bridge domain check {checked.name}` says what is missing."
    )
    return Problem(code="not-revived", message=f'"{checked.name}": {reason}.', domain=checked.name, hint=hint)
