"""`closte-bridge plan`: preview the next sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.messages import approval_problems, side_problems
from closte_bridge.cli.networks import cost_messages, exit_code, on_each, problems, total_cost
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.render import FIELDS, rendered, rows_shown
from closte_bridge.cli.result import Message, Result
from closte_bridge.engine import planfile
from closte_bridge.engine.observe import observe
from closte_bridge.engine.records import records_of
from closte_bridge.engine.run import RunReport, RunRequest, plan_of, stages_ahead
from closte_bridge.errors import ConfigError, ExitCode, first_that_applies

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine

_EXAMPLES = """
$ closte-bridge plan
Network "network.example.com": 1 to add, 0 to remove, 2 in sync, 1 on hold.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
Cost: 1 wp call (0.41 s), 1 API call (0.12 s), planning 0.001 s.

$ closte-bridge plan --quiet --format=ids --detailed-exitcode; echo $?
shop.customer.com
6
"""


def plan_one(engine: Engine, out: Path | None = None, *, retry: bool = False) -> RunReport:
    """Read one network and return its plan; with `out`, also save it to that file."""
    with engine.opened(), observe(engine) as view:
        request = RunRequest(retry=retry, dry_run=True)
        plan = plan_of(engine, view, request)
        if out is not None:
            planfile.write(out, plan, view)
        stages = stages_ahead(engine, view, request)
        records = records_of(engine.ledger, view)
        return RunReport(engine.settings.name, view, plan, None, stages=stages, records=records)


def _code(report: RunReport, *, detailed: bool) -> ExitCode:
    codes = {report.exit_code} - {ExitCode.READ_ONLY}
    moving = report.stages and report.stages.changes
    if detailed and (report.plan.changes or moving or (report.records and report.records.due)):
        codes.add(ExitCode.CHANGES_PENDING)
    return first_that_applies(codes)


@click.command(cls=BridgeCommand, short_help="Preview changes (dry run).", epilog=_EXAMPLES)
@click.option("--out", metavar="<file>", help="File to save the plan to, for review and `closte-bridge apply`.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with code 6 if changes are pending.")
@click.option("--retry", is_flag=True, help="Include failed changes that are waiting to be retried.")
@format_options(fields=FIELDS)
@global_options
@pass_app
def plan(app: App, out: str | None, detailed_exitcode: bool, retry: bool) -> Result:
    """Show what the next sync would change, and why. Changes nothing.

    Symbols: "+" add, "-" remove, "~" on hold, "!" needs approval, "?" unmanaged, ">" stage change, "*" domain record
    to create. The formats ids and count list only pending changes. Exits with code 3 if removals need your approval.
    """
    target = None if out is None else Path(out)
    if target is not None and not target.name:
        text = f'Invalid value for "--out": "{out}" is not a file name.'
        raise ConfigError(text, code="usage", hint="Name a file, such as `--out=plan.json`.")
    if target is not None and len(app.settings()) > 1:
        text = '"--out" works on one network at a time.'
        raise ConfigError(text, code="usage", hint="Select one with `--network=<name>`.")
    outcomes = on_each(app, lambda engine: plan_one(engine, target, retry=retry))
    reports = [o.value for o in outcomes if o.value]
    errors, warnings, remarks = [*problems(outcomes)], [], []
    for report in reports:
        found = side_problems(report)
        errors += [*found[0], *approval_problems(report.plan)]
        warnings += found[1]
        remarks += found[2]
    if target is not None:
        remarks.append(Message("success", f'Saved the plan to "{target}".'))
    return Result(
        exit_code=exit_code(outcomes, lambda report: _code(report, detailed=detailed_exitcode)),
        data=rows_shown(reports, app.output),
        fields=FIELDS,
        rendered=rendered(reports),
        messages=(*remarks, *cost_messages(outcomes)),
        errors=tuple(errors),
        warnings=tuple(warnings),
        cost=total_cost(outcomes),
    )
