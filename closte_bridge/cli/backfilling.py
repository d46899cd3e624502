"""`domain backfill`: domain records for sites that were there before this engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import domain_names, format_options, global_options
from closte_bridge.cli.records import reason_of, refusal, status_of
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.errors import ExitCode
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from closte_bridge.engine.backfill import Survey
    from closte_bridge.planning.records import Lack

FIELDS = ("domain", "site", "status", "reason", "network")
_SHOWN = 20

_EXAMPLES = """
$ closte-bridge domain backfill --dry-run
domain	site	status	reason	network
old.network.example.com	2	planned	site 2 has no domain record	network.example.com

$ closte-bridge domain backfill
"old.network.example.com" for site 2.
Make this domain record? [y/n] y
Success: Made 1 of 1 domain record.
`closte-bridge sync` adds its domain at Closte.
Cost: 3 wp calls (1.52 s), 1 API call (0.12 s), planning 0.001 s.
"""


@click.command("backfill", cls=BridgeCommand, short_help="Make records that older sites lack.", epilog=_EXAMPLES)
@click.argument("domains", nargs=-1, metavar="[<domain>...]")
@click.option("--dry-run", is_flag=True, help="Show what would be made; change nothing.")
@format_options(fields=FIELDS, porcelain=True)
@global_options
@pass_app
def backfill(app: App, domains: tuple[str, ...], dry_run: bool) -> Result:
    """Make the domain records of sites that have none, however old: shows them first, and asks.

    With domains, of those sites only. A sync does this by itself, but only for sites that were created since this
    engine took charge. None is made for a shared domain, for a subdirectory site, or where a filter says no.
    """
    from closte_bridge.engine.backfill import backfill as fill  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.backfill import survey  # noqa: PLC0415 - likewise

    engine = engine_of(app, app.network())
    only = frozenset(domain_names(app, domains))
    found = survey(engine, only)
    problems = tuple(_not_lacking(found, only))
    if found.standing.mode is Mode.INACTIVE and not dry_run:
        text = f"Nothing is changed: {found.standing.reason}. {found.standing.hint}"
        return Result(
            data=[],
            fields=FIELDS,
            rendered={"table": ""},
            messages=(Message("log", text),),
            cost=engine.cost.as_data(),
        )
    if dry_run or not found.lacks:
        said = () if found.lacks else (Message("success", "Every site that can have a domain record has one."),)
        return Result(
            exit_code=ExitCode.SOME_FAILED if problems else ExitCode.OK,
            data=_rows(found, {}),
            fields=FIELDS,
            rendered={} if found.lacks else {"table": ""},
            messages=() if problems else said,
            errors=problems,
            cost=engine.cost.as_data(),
        )
    if found.standing.mode is not Mode.READ_ONLY:
        _ask(app, found.lacks)
    with app.console.progress(len(found.lacks), "WordPress") as bar:
        words = fill(engine, found, app.command, on_step=lambda: bar.update(1))
    return _result(found, words, problems, engine.cost.as_data(), engine.cost.sentence())


def _not_lacking(found: Survey, only: frozenset[str]) -> list[Problem]:
    return [
        Problem(
            code="not-lacking",
            message=f'"{name}" is no site\'s domain that lacks its record and may have one.',
            hint="`closte-bridge domain backfill --dry-run` shows those that are.",
            domain=name,
        )
        for name in sorted(only - {lack.domain for lack in found.lacks})
    ]


def _rows(found: Survey, words: dict[int, str]) -> list[dict[str, object]]:
    return [
        {
            "domain": lack.domain,
            "site": lack.site,
            "status": status_of(words.get(lack.site)),
            "reason": reason_of(lack.site, words.get(lack.site)),
            "network": found.network,
        }
        for lack in found.lacks
    ]


def _ask(app: App, lacks: tuple[Lack, ...]) -> None:
    for lack in lacks[:_SHOWN]:
        app.console.log(f'"{shown(lack.domain)}" for site {lack.site}.')
    if len(lacks) > _SHOWN:
        app.console.log(f"And {len(lacks) - _SHOWN} more; --dry-run shows them all.")
    app.console.confirm("Make this domain record?" if len(lacks) == 1 else f"Make these {len(lacks)} domain records?")


def _result(
    found: Survey, words: dict[int, str], problems: tuple[Problem, ...], cost: dict[str, float], sentence: str
) -> Result:
    made = sum(1 for word in words.values() if word == "made")
    refused = [
        refusal(lack.site, lack.domain, words[lack.site])
        for lack in found.lacks
        if words[lack.site].startswith(("refused", "inactive"))
    ]
    text = f"Made {made} of {counted(len(found.lacks), 'domain record')}."
    closing = [Message("success" if made else "log", text)]
    if made:
        which = "its domain" if made == 1 else "their domains"
        closing.append(Message("log", f"`closte-bridge sync` adds {which} at Closte."))
    return Result(
        exit_code=ExitCode.SOME_FAILED if refused or problems else ExitCode.OK,
        data=_rows(found, words),
        fields=FIELDS,
        rendered={"table": ""},
        messages=(*closing, Message("log", sentence)),
        errors=(*problems, *refused),
        cost=cost,
    )
