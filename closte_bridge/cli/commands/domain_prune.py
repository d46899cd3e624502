"""`domain prune`: delete mappings whose site does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.errors import ExitCode
from closte_bridge.wordpress.results import StageOutcome

if TYPE_CHECKING:
    from closte_bridge.engine.prune import Orphans
    from closte_bridge.wordpress.results import WriteResult

FIELDS = ("domain", "site", "id", "status", "network")
_SHOWN = 20
_STATUSES = {None: "planned", StageOutcome.DONE: "done", StageOutcome.CHANGED: "changed"}

_EXAMPLES = """
$ closte-bridge domain prune --dry-run
domain	site	id	status	network
gone.customer.com	9	10	planned	network.example.com

$ closte-bridge domain prune
"gone.customer.com", mapped to site 9, which does not exist.
Delete this mapping in WordPress? [y/n] y
Success: Deleted 1 of 1 mapping.
Cost: 2 wp calls (1.12 s), 1 API call (0.12 s), planning 0.001 s.
"""


@click.command("prune", cls=BridgeCommand, short_help="Delete mappings without a site.", epilog=_EXAMPLES)
@click.argument("domains", nargs=-1, metavar="[<domain>...]")
@click.option("--dry-run", is_flag=True, help="Preview only; change nothing.")
@format_options(fields=FIELDS, porcelain=True)
@global_options
@pass_app
def prune(app: App, domains: tuple[str, ...], dry_run: bool) -> Result:
    """Delete mappings whose site no longer exists, through Ultimate Multisite. Lists them first and asks.

    Given domains, deletes only their mappings. Changes nothing on Closte: a sync removes the domains later, by the
    rules for removals. Exits with code 4 if some mappings could not be deleted.
    """
    from closte_bridge.engine.prune import find_orphans  # noqa: PLC0415 - lazy import
    from closte_bridge.engine.prune import prune as delete  # noqa: PLC0415 - lazy import

    engine = engine_of(app, app.network())
    found = find_orphans(engine, frozenset(domain_names(app, domains)))
    if dry_run or not found.rows:
        nothing = (Message("success", "Nothing to do: every mapping has a site."),)
        return Result(
            data=_rows(found, {}),
            fields=FIELDS,
            rendered={} if found.rows else {"table": ""},
            messages=() if found.rows else nothing,
            cost=engine.cost.as_data(),
        )
    _ask(app, found)
    with app.console.progress(len(found.rows), "WordPress") as bar:
        results = delete(engine, found, app.command, on_step=lambda: bar.update(1))
    done = sum(result.outcome is StageOutcome.DONE for result in results.values())
    refused = tuple(_refused(found, number, result) for number, result in results.items() if result.refused)
    text = f"Deleted {done} of {counted(len(found.rows), 'mapping')}."
    return Result(
        exit_code=ExitCode.SOME_FAILED if refused else ExitCode.OK,
        data=_rows(found, results),
        fields=FIELDS,
        rendered={"table": ""},
        messages=(Message("success" if done else "log", text), Message("log", engine.cost.sentence())),
        errors=refused,
        cost=engine.cost.as_data(),
    )


def _ask(app: App, found: Orphans) -> None:
    for row in found.rows[:_SHOWN]:
        app.console.log(f'"{shown(row.domain)}", mapped to site {row.blog_id}, which does not exist.')
    if len(found.rows) > _SHOWN:
        app.console.log(f"And {len(found.rows) - _SHOWN} more. List all with `--dry-run`.")
    these = "this mapping" if len(found.rows) == 1 else f"these {counted(len(found.rows), 'mapping')}"
    app.console.confirm(f"Delete {these} in WordPress?")


def _rows(found: Orphans, results: dict[int, WriteResult[StageOutcome]]) -> list[dict[str, object]]:
    return [
        {
            "domain": row.domain,
            "site": row.blog_id,
            "id": row.id,
            "status": _STATUSES.get(results[row.id].outcome if row.id in results else None, "failed"),
            "network": found.network,
        }
        for row in found.rows
    ]


def _refused(found: Orphans, number: int, result: WriteResult[StageOutcome]) -> Problem:
    (row,) = [row for row in found.rows if row.id == number]
    return Problem(
        code="prune-refused",
        message=f'Could not delete the mapping of "{shown(row.domain)}" (id {number}): '
        f"Ultimate Multisite refused ({result.error or 'no reason'}).",
        hint="Delete it in the network admin, under Ultimate Multisite > Domains.",
        domain=row.domain,
    )
