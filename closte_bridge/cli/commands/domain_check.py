"""`domain check` and `domain revive`: check DNS and HTTPS, and reactivate failed mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.checks import report
from closte_bridge.checks.domain_state import begin, learn
from closte_bridge.checks.fields import FIELDS
from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options, some_domain_names
from closte_bridge.cli.render import FIELDS as PLAN_FIELDS
from closte_bridge.cli.result import Problem, Result
from closte_bridge.cli.syncing import run_sync
from closte_bridge.counts import counted
from closte_bridge.domains import similar
from closte_bridge.engine.checking import check_pool, diagnosed
from closte_bridge.engine.observe import observe
from closte_bridge.engine.pins import bound, refuse_read_only
from closte_bridge.engine.run import RunRequest
from closte_bridge.engine.snapshots import start_snapshot
from closte_bridge.engine.targets import Targets
from closte_bridge.engine.verify import own_mappings, stages_from
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger.state import LedgerState
from closte_bridge.planning.desired import desired
from closte_bridge.planning.stages import name_of
from closte_bridge.wordpress.stage import Stage

if TYPE_CHECKING:
    from closte_bridge.checks.model import DomainCheck
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
The stage of "old.customer.com" will change from "failed" to "done". It may become the primary domain of site 7.
Revive this mapping? [y/n] y

$ closte-bridge domain revive old.customer.com --yes --quiet
"""


def _check_all(engine: Engine, snapshot: Snapshot, names: list[str]) -> list[DomainCheck]:
    targets = Targets(snapshot, desired(snapshot, engine.policy(), LedgerState()))
    results = check_pool(engine, snapshot, targets).check(names)
    changed = {one.name: one for one in diagnosed(engine, targets, results)}
    return [changed.get(one.name, one) for one in results]


@click.command("check", cls=BridgeCommand, short_help="Check DNS and HTTPS now.", epilog=_CHECK)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=FIELDS)
@global_options
@pass_app
def check(app: App, domains: tuple[str, ...]) -> Result:
    """Check the DNS and certificate of any domain, mapped or not, and show what its owner needs to do next.

    DNS is correct if the domain resolves to the same address as the network's main domain, or to `dns.targets`. If
    WordPress serves the domain, also checks whether visitors get the right site. Warns about a domain that this network
    does not use. Changes and records nothing. Exits with code 4 if any domain does not serve valid HTTPS, or not the
    right site.
    """
    engine = engine_of(app, app.network())
    names = some_domain_names(app, domains)
    snapshot = start_snapshot(engine, ask_key=False, acknowledge=False).snapshot()
    checked = _check_all(engine, snapshot, names)
    bad = [c for c in checked if not (c.is_live if c.http else c.has_https)]
    return Result(
        exit_code=ExitCode.SOME_FAILED if bad else ExitCode.OK,
        data=[report.document(c) for c in checked]
        if app.output.format is Format.JSON and not app.output.fields and app.output.field is None
        else [report.row(c) for c in checked],
        fields=FIELDS,
        rendered={Format.TABLE: "\n\n".join("\n".join(report.sentences(c)) for c in checked)},
        warnings=_not_in_use(engine, snapshot, names),
        cost=engine.cost.as_data(),
    )


def _not_in_use(engine: Engine, snapshot: Snapshot, names: list[str]) -> tuple[Problem, ...]:
    """Return a warning for each domain that this network does not use: it may be misspelled."""
    with engine.opened():
        ledger = engine.ledger.state(engine.clock.now()) if engine.ledger else LedgerState()
    desire = desired(snapshot, engine.policy(), ledger)
    known = {*desire.names(), *ledger.managed, *ledger.unsettled, snapshot.network.domain}
    hint = "Check its spelling with `closte-bridge domain list`, or map it in WordPress."
    return tuple(
        Problem(
            code="unknown-domain",
            message=f'This network does not use "{name}".',
            hint=f'Did you mean "{near}"?' if (near := similar(name, known)) else hint,
            domain=name,
        )
        for name in names
        if name not in known and not desire.mention(name)
    )


@click.command("revive", cls=BridgeCommand, short_help="Revive failed mappings.", epilog=_REVIVE)
@click.argument("domains", nargs=-1, metavar="<domain>...")
@format_options(fields=PLAN_FIELDS)
@global_options
@pass_app
def revive(app: App, domains: tuple[str, ...]) -> Result:
    """Revive mappings that Ultimate Multisite marked as failed before adoption.

    Also works for domains behind a CDN that blocks the test request. Checks DNS and certificate first, shows what
    will change, and asks. Stage "done" can make a domain the primary domain of its site, which redirects visitors to
    it. Exits with code 4 if any mapping was not revived.
    """
    engine = engine_of(app, app.network())
    moving, problems = _preview(engine, some_domain_names(app, domains))
    for change in moving:
        primary = change.stage == Stage.DONE and not change.back
        text = f'The stage of "{change.name}" will change from "{change.mapping.stage}" to "{change.stage}".'
        effect = f" It may become the primary domain of site {change.mapping.blog_id}." if primary else ""
        app.console.log(f"{text}{effect}")
    if not moving:
        return Result(exit_code=ExitCode.SOME_FAILED, errors=tuple(problems), fields=PLAN_FIELDS, data=[])
    names = frozenset(change.name for change in moving)
    these = "this mapping" if len(names) == 1 else f"these {counted(len(names), 'mapping')}"
    app.console.confirm(f"Revive {these}?")
    return run_sync(app, RunRequest(only=names, revive=names), failed=tuple(problems), spent=engine.cost)


def _preview(engine: Engine, names: list[str]) -> tuple[list[StageChange], list[Problem]]:
    """Check domains; return the stage changes by the rules of a sync, and an error for each domain without one.

    Raises BridgeError if nothing may be changed, and for a domain that this network does not map.
    """
    with engine.opened():
        ledger = bound(engine)
        with observe(engine) as view:
            refuse_read_only(view)
            rows = _rows(view.snapshot, names)
            checked = check_pool(engine, view.snapshot).check(names)
            interval = view.snapshot.settings.dns_check_interval
            known = {one.name: learn(begin(one.at), one, interval=interval) for one in checked}
            own = [row for of_name in rows.values() for row in of_name]
            plan = stages_from(ledger, own, known, view.desire, engine.clock.now(), names)
    moving = {change.name for change in plan.changes}
    held = {hold.name: hold.reason for hold in plan.holds}
    return [*plan.changes], [
        _stays(one, rows[one.name][0].stage, held.get(one.name)) for one in checked if one.name not in moving
    ]


def _rows(snapshot: Snapshot, names: list[str]) -> dict[str, list[Mapping]]:
    """Return this network's mappings of each domain. Raises BridgeError for a domain without a mapping."""
    found: dict[str, list[Mapping]] = {name: [] for name in names}
    for mapping in own_mappings(snapshot):
        if (name := name_of(mapping)) in found:
            found[name].append(mapping)
    for name, rows in found.items():
        if not rows:
            elsewhere = any(name_of(mapping) == name for mapping in snapshot.mappings)
            raise BridgeError(
                f'Could not revive "{name}": it is not mapped '
                f"{'to a site in this network' if elsewhere else 'in WordPress'}.",
                code="not-mapped",
                hint="Run `closte-bridge domain list` to see all mapped domains.",
                domain=name,
            )
    return found


def _stays(checked: DomainCheck, stage: str, held: str | None) -> Problem:
    tls = checked.tls.code.value if checked.tls else "not checked"
    reason = held or f'its stage stays "{stage}" (DNS: {checked.dns.code.value}, certificate: {tls})'
    hint = (
        f"Run `closte-bridge domain explain {checked.name}` for details."
        if held
        else f"Run `closte-bridge domain check {checked.name}` to see what is missing."
    )
    return Problem(
        code="not-revived",
        message=f'Could not revive "{checked.name}": {reason}.',
        domain=checked.name,
        hint=hint,
    )
