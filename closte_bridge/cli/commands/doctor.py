"""`closte-bridge doctor`: every check, each failure with its remedy."""

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
from closte_bridge.doctor.model import Status
from closte_bridge.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORDS = {Status.ERROR: "failed", Status.WARNING: "to look at", Status.SKIP: "not possible"}
FIELDS = ("check", "status", "message", "hint", "link", "network")

_EXAMPLES = """
$ closte-bridge doctor --fields=check,status | head -n 3
check	status
lock	ok
ledger	ok

$ closte-bridge doctor --format=json --quiet > doctor.json
"""


def _lines(row: Mapping[str, str]) -> list[str]:
    """Return what a check found, and below it the remedy and where to read more."""
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


def _closing(rows: Sequence[Mapping[str, str]], *, sound: bool) -> Message:
    count = Counter(row["status"] for row in rows)
    others = [f"{count[s.value]} {word}" for s, word in _WORDS.items() if count[s.value]]
    text = f"{count[Status.OK.value]} of {len(rows)} checks passed{': ' if others else ''}{', '.join(others)}."
    return Message("success" if sound else "log", text)


@click.command(cls=BridgeCommand, short_help="Check everything, with the remedy for each.", epilog=_EXAMPLES)
@format_options(fields=FIELDS)
@global_options
@pass_app
def doctor(app: App) -> Result:
    """Check WordPress, the key, Closte, this machine and the mappings; name what is wrong and what to do.

    Changes nothing. Exits with 1 when a check found an error; warnings alone are no failure.
    """
    from closte_bridge.doctor.examine import examine  # noqa: PLC0415 - loaded when it is needed

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
    closing = _closing(rows, sound=not (errors or warnings))
    if app.output.format is Format.TABLE and not app.output.wants_rows({Format.TABLE.value}):
        # Each stands in the list already, with its remedy.
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
