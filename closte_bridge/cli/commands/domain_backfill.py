"""`domain backfill`: create missing domain records for existing sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.messages import refusal
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options
from closte_bridge.cli.render import record_row
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.engine.backfill import backfill as fill
from closte_bridge.engine.backfill import find_candidates
from closte_bridge.errors import ExitCode
from closte_bridge.planning.model import Mode
from closte_bridge.wordpress.results import RecordOutcome

if TYPE_CHECKING:
    from closte_bridge.engine.backfill import BackfillCandidates
    from closte_bridge.planning.records import MissingRecord
    from closte_bridge.wordpress.results import WriteResult

FIELDS = ("domain", "site", "status", "reason", "network")
_SHOWN = 20

_EXAMPLES = """
$ closte-bridge domain backfill --dry-run
domain	site	status	reason	network
old.network.example.com	2	planned	site 2 has no domain record	network.example.com

$ closte-bridge domain backfill
"old.network.example.com" for site 2.
Create this domain record? [y/n] y
Success: Created 1 of 1 domain record.
Run `closte-bridge sync` to add the domain to Closte.
Cost: 3 wp calls (1.52 s), 1 API call (0.12 s), planning 0.001 s.
"""


@click.command("backfill", cls=BridgeCommand, short_help="Create missing domain records.", epilog=_EXAMPLES)
@click.argument("domains", nargs=-1, metavar="[<domain>...]")
@click.option("--dry-run", is_flag=True, help="Preview only; change nothing.")
@format_options(fields=FIELDS, porcelain=True)
@global_options
@pass_app
def backfill(app: App, domains: tuple[str, ...], dry_run: bool) -> Result:
    """Create missing domain records for existing sites. Lists them first and asks.

    Given domains, processes only their sites. For sites created after adoption, sync does this automatically.
    Skips shared domains, subdirectory sites and sites excluded by a filter. Exits with code 4 if some records could
    not be created.
    """
    engine = engine_of(app, app.network())
    only = frozenset(domain_names(app, domains))
    found = find_candidates(engine, only)
    problems = tuple(_not_missing(found, only))
    if found.authority.mode is Mode.INACTIVE and not dry_run:
        authority = found.authority
        text = f"closte-bridge changes nothing: {authority.reason}."
        note = Problem(code=authority.code, message=text, hint=authority.hint)
        return Result(
            data=[],
            fields=FIELDS,
            rendered={"table": ""},
            messages=(Message("warning", text, note),),
            cost=engine.cost.as_data(),
        )
    if dry_run or not found.missing_records:
        nothing = (Message("success", "Nothing to do: no domain records are missing."),)
        return Result(
            exit_code=ExitCode.SOME_FAILED if problems else ExitCode.OK,
            data=_rows(found, {}),
            fields=FIELDS,
            rendered={} if found.missing_records else {"table": ""},
            messages=() if problems or found.missing_records else nothing,
            errors=problems,
            cost=engine.cost.as_data(),
        )
    if found.authority.mode is not Mode.READ_ONLY:
        _ask(app, found.missing_records)
    with app.console.progress(len(found.missing_records), "WordPress") as bar:
        results = fill(engine, found, app.command, on_step=lambda: bar.update(1))
    return _result(found, results, problems, engine.cost.as_data(), engine.cost.sentence())


def _not_missing(found: BackfillCandidates, only: frozenset[str]) -> list[Problem]:
    return [
        Problem(
            code="record-not-needed",
            message=f'No missing domain record found for "{name}".',
            hint="Run `closte-bridge domain backfill --dry-run` to list sites without a record.",
            domain=name,
        )
        for name in sorted(only - {missing_record.domain for missing_record in found.missing_records})
    ]


def _rows(found: BackfillCandidates, results: dict[int, WriteResult[RecordOutcome]]) -> list[dict[str, object]]:
    rows = [(missing.site, record_row(missing, results.get(missing.site))) for missing in found.missing_records]
    return [
        {"domain": row.domain, "site": site, "status": row.status, "reason": row.reason, "network": found.network}
        for site, row in rows
    ]


def _ask(app: App, missing_records: tuple[MissingRecord, ...]) -> None:
    for missing_record in missing_records[:_SHOWN]:
        app.console.log(f'"{shown(missing_record.domain)}" for site {missing_record.site}.')
    if len(missing_records) > _SHOWN:
        app.console.log(f"And {len(missing_records) - _SHOWN} more. List all with `--dry-run`.")
    these = (
        "this domain record" if len(missing_records) == 1 else f"these {counted(len(missing_records), 'domain record')}"
    )
    app.console.confirm(f"Create {these}?")


def _result(
    found: BackfillCandidates,
    results: dict[int, WriteResult[RecordOutcome]],
    problems: tuple[Problem, ...],
    cost: dict[str, float],
    sentence: str,
) -> Result:
    made = sum(result.outcome is RecordOutcome.MADE for result in results.values())
    refused = [
        refusal(missing_record.site, missing_record.domain, results[missing_record.site])
        for missing_record in found.missing_records
        if results[missing_record.site].outcome in {RecordOutcome.REFUSED, RecordOutcome.INACTIVE}
    ]
    text = f"Created {made} of {counted(len(found.missing_records), 'domain record')}."
    closing = [Message("success" if made else "log", text)]
    if made:
        which = "domain" if made == 1 else "domains"
        closing.append(Message("log", f"Run `closte-bridge sync` to add the {which} to Closte."))
    return Result(
        exit_code=ExitCode.SOME_FAILED if refused or problems else ExitCode.OK,
        data=_rows(found, results),
        fields=FIELDS,
        rendered={"table": ""},
        messages=(*closing, Message("log", sentence)),
        errors=(*problems, *refused),
        cost=cost,
    )
