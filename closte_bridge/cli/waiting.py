"""`sync --wait`: follow domains until visitors have their padlock, with a table that stays up to date."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.cli.networks import Outcome, engine_of, total_cost
from closte_bridge.cli.plans import FIELDS, plan_rows, rendered
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import sync_one
from closte_bridge.errors import BridgeError, ExitCode, first_that_applies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from closte_bridge.checks.model import Checked
    from closte_bridge.cli.context import App
    from closte_bridge.cli.syncing import Words
    from closte_bridge.engine.sync import Report, Request

_PAUSE_AFTER_TROUBLE = 10.0


class Seen(NamedTuple):
    """How far one domain has come."""

    name: str
    dns: str
    tls: str
    advice: str
    arrived: bool


def _seen(name: str, checked: Checked | None) -> Seen:
    if checked is None:
        return Seen(name, "", "", "", arrived=False)
    tls = checked.tls
    advice = checked.dns.advice or (tls.advice if tls else "")
    return Seen(name, checked.dns.code.value, tls.code.value if tls else "", advice, arrived=checked.padlock)


@contextmanager
def _table(app: App) -> Iterator[Callable[[list[Seen]], None]]:
    """Show the state as it changes: a live table on a terminal, a line for each change elsewhere."""
    if not app.console.stderr_is_terminal or app.console.quiet:
        told: dict[str, Seen] = {}

        def tell(seen: list[Seen]) -> None:
            for one in seen:
                if told.get(one.name) != one:
                    told[one.name] = one
                    app.console.log(f"{one.name}: DNS {one.dns or '…'}, TLS {one.tls or '…'}")

        yield tell
        return
    from rich.console import Console  # noqa: PLC0415 - only for those who watch
    from rich.live import Live  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    with Live(console=Console(file=app.console.stderr), refresh_per_second=4, transient=True) as live:

        def show(seen: list[Seen]) -> None:
            table = Table("domain", "DNS", "certificate", "next step")
            for one in seen:
                cells = (one.name, one.dns or "…", one.tls or "…", "" if one.arrived else one.advice)
                # As text and not as markup: a name or an answer may hold brackets.
                table.add_row(*(Text(cell) for cell in cells))
            live.update(table)

        yield show


def _followed(report: Report, request: Request) -> list[str]:
    if request.only:
        # What neither side knows will not arrive.
        return sorted(request.only - {*report.unknown})
    on_the_way = report.verified.stages.changes if report.verified else ()
    return sorted({change.name for change in report.plan.additions} | {change.name for change in on_the_way})


def run_waiting(app: App, request: Request, timeout: float) -> Result:
    """Sync again and again until the domains have arrived, or `timeout` seconds are over.

    Follows those named, else those that the first sync adds or moves. Exits with 4 when one has not arrived in time.
    """
    from closte_bridge.engine.sync import Request as NewRequest  # noqa: PLC0415 - loaded when a sync is made

    settings = app.network()
    deadline = time.monotonic() + timeout
    runs: list[Outcome[Report]] = []

    def once(request: Request) -> tuple[Report, Words]:
        engine = engine_of(app, settings)
        runs.append(Outcome(engine))
        return sync_one(engine, request, app.command)

    report, words = once(request)
    names = _followed(report, request) if report.applied is not None else []
    seen = {name: _seen(name, report.verified.checked.get(name) if report.verified else None) for name in names}
    trouble: list[Problem] = []
    with _table(app) as show:
        show([*seen.values()])
        while not all(one.arrived for one in seen.values()) and time.monotonic() < deadline:
            interval = float(report.view.snapshot.settings.dns_check_interval)
            # The lock is free meanwhile.
            time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
            waiting = frozenset(name for name, one in seen.items() if not one.arrived)
            try:
                again = NewRequest(only=waiting, approval=request.approval)
                report, words = once(again)
                trouble = []
            except BridgeError as error:
                trouble = list(Problem.of(error))
                time.sleep(max(0.0, min(_PAUSE_AFTER_TROUBLE, deadline - time.monotonic())))
                continue
            checked = report.verified.checked if report.verified else {}
            seen |= {name: _seen(name, checked[name]) for name in waiting if name in checked}
            show([*seen.values()])
    return replace(_result(report, words, [*seen.values()], trouble), cost=total_cost(runs))


def _result(report: Report, words: Words, seen: list[Seen], trouble: list[Problem]) -> Result:
    late = [one for one in seen if not one.arrived]
    problems = [
        Problem(
            code="no-padlock",
            message=f'"{one.name}" has no padlock yet: DNS {one.dns or "not looked at"}, TLS {one.tls or "not tried"}.',
            hint=one.advice or "It is looked at again by itself.",
            domain=one.name,
        )
        for one in late
    ]
    codes = {report.exit_code} | ({ExitCode.SOME_FAILED} if late else set())
    closing = (
        []
        if late or not seen
        else [Message("success", f"{len(seen)} of {len(seen)} followed domains have their padlock.")]
    )
    return Result(
        exit_code=first_that_applies(codes),
        data=plan_rows(report),
        fields=FIELDS,
        rendered=rendered([report]),
        messages=(*words.remarks, *closing),
        errors=(*trouble, *words.errors, *problems),
        warnings=tuple(words.warnings),
    )
