"""`closte-bridge doctor`: diagnose problems and suggest fixes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import cost_messages, exit_code, on_each, problems, total_cost
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.doctor.examine import examine
from closte_bridge.doctor.model import Status
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = ("check", "status", "message", "hint", "link", "network")

_EXAMPLES = """
$ closte-bridge doctor --fields=check,status | head -n 3
check	status
lock	ok
ledger	ok

$ closte-bridge doctor --format=json --quiet > doctor.json
"""


def _lines(row: Mapping[str, str]) -> list[str]:
    """Return a finding, and below it the hint and a link."""
    lines = [f"{row['status']:<8} {row['check']:<18} {row['message']}"]
    return [*lines, f"{'':<27} {row['hint']} See {row['link']}."] if row["hint"] else lines


def _table(rows: Sequence[Mapping[str, str]], *, several: bool) -> str:
    lines: list[str] = []
    network = ""
    for row in rows:
        if several and row["network"] != network:
            network = row["network"]
            lines.append(f"{network}:")
        lines += _lines(row)
    return "\n".join(lines)


def _closing(rows: Sequence[Mapping[str, str]], *, healthy: bool) -> Message:
    count = Counter(row["status"] for row in rows)
    failed, warned, skipped = (count[status.value] for status in (Status.ERROR, Status.WARNING, Status.SKIP))
    others = [
        *([f"{failed} failed"] if failed else []),
        *([counted(warned, "warning")] if warned else []),
        *([f"{skipped} skipped"] if skipped else []),
    ]
    text = f"{count[Status.OK.value]} of {len(rows)} checks passed{': ' if others else ''}{', '.join(others)}."
    return Message("success" if healthy else "log", text)


@click.command(cls=BridgeCommand, short_help="Diagnose problems and suggest fixes.", epilog=_EXAMPLES)
@format_options(fields=FIELDS)
@global_options
@pass_app
def doctor(app: App) -> Result:
    """Check WordPress, the API key, Closte, this machine and the mappings, and suggest a fix for each problem.

    Changes nothing. Exits with code 1 on errors; warnings do not affect the exit code.
    """
    outcomes = on_each(app, examine)
    rows, errors, warnings = [], [*problems(outcomes)], []
    for outcome in outcomes:
        for finding in outcome.value or ():
            rows.append(
                {
                    "check": finding.check,
                    "status": finding.status.value,
                    "message": finding.message,
                    "hint": finding.hint,
                    "link": finding.link,
                    "network": outcome.engine.settings.name,
                }
            )
            problem = Problem(code=finding.check, message=finding.message, hint=finding.hint)
            if finding.status is Status.ERROR:
                errors.append(problem)
            elif finding.status is Status.WARNING:
                warnings.append(problem)
    code = ExitCode.FAILURE if errors else ExitCode.OK
    closing = _closing(rows, healthy=not (errors or warnings))
    if app.output.format is Format.TABLE and not app.output.wants_rows({Format.TABLE.value}):
        # The table already shows each finding with its hint.
        errors, warnings = [*problems(outcomes)], []
    return Result(
        exit_code=exit_code(outcomes, lambda _: code),
        data=rows,
        fields=FIELDS,
        rendered={"table": _table(rows, several=len(outcomes) > 1)},
        errors=tuple(errors),
        warnings=tuple(warnings),
        messages=(closing, *cost_messages(outcomes)),
        cost=total_cost(outcomes),
    )
