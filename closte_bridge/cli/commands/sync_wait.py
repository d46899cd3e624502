"""`sync --wait`: follow domains until visitors have their padlock, with a table that stays up to date."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.cli.console import in_its_signs
from closte_bridge.cli.merge_reports import merge
from closte_bridge.cli.networks import NetworkResult, engine_of, total_cost
from closte_bridge.cli.plans import FIELDS, IN_STEP, plan_rows, rendered
from closte_bridge.cli.result import Message, Problem, Result, secondary_problems
from closte_bridge.cli.syncing import messages_of, sync_one
from closte_bridge.counts import counted
from closte_bridge.errors import BridgeError, ConfigError, ExitCode, first_that_applies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.cli.context import App
    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport, RunRequest

_PAUSE_AFTER_TROUBLE = 10.0


class DomainProgress(NamedTuple):
    """How far one domain has come."""

    name: str
    dns: str
    tls: str
    advice: str
    arrived: bool


def _progress(name: str, checked: DomainCheck | None) -> DomainProgress:
    if checked is None:
        return DomainProgress(name, "", "", "", arrived=False)
    tls = checked.tls
    advice = checked.dns.advice or (tls.advice if tls else "")
    return DomainProgress(
        name, checked.dns.code.value, tls.code.value if tls else "", advice, arrived=checked.has_https
    )


@contextmanager
def _table(app: App) -> Iterator[Callable[[list[DomainProgress]], None]]:
    """Show the state as it changes: a live table on a terminal, a line for each change elsewhere."""
    if not app.console.stderr_is_terminal or app.console.quiet:
        told: dict[str, DomainProgress] = {}

        def tell(seen: list[DomainProgress]) -> None:
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

    unknown = in_its_signs("…", app.console.stderr)
    with Live(console=Console(file=app.console.stderr), refresh_per_second=4, transient=True) as live:

        def show(seen: list[DomainProgress]) -> None:
            table = Table("domain", "DNS", "certificate", "next step")
            for one in seen:
                cells = (one.name, one.dns or unknown, one.tls or unknown, "" if one.arrived else one.advice)
                # As text and not as markup: a name or an answer may hold brackets.
                table.add_row(*(Text(cell) for cell in cells))
            live.update(table)

        yield show


def _followed(engine: Engine, report: RunReport, request: RunRequest) -> tuple[list[str], list[str]]:
    """Return the names to follow, and those asked for that nobody looks at, so that they would never arrive."""
    from closte_bridge.domains import not_public  # noqa: PLC0415 - loaded by the sync before
    from closte_bridge.engine.due import watched_names  # noqa: PLC0415 - likewise

    if report.applied is None:
        return [], []
    watched = {name for name in watched_names(engine, report.view) if not not_public(name)}
    if request.only:
        # What neither side knows has an error of its own.
        asked = request.only - {*report.unknown}
        return sorted(asked & watched), sorted(asked - watched)
    on_the_way = report.verified.stages.changes if report.verified else ()
    names = {change.name for change in report.plan.additions} | {change.name for change in on_the_way}
    return sorted(names & watched), []


@dataclass
class _WaitResult:
    """What is to be told in the end: the first run, as it stands after the rounds that followed it.

    `met` is what the last of them met with beside that, `trouble` what has kept one from being made since.
    """

    report: RunReport
    warnings: list[Problem]
    met: list[Problem] = field(default_factory=list)
    codes: set[ExitCode] = field(default_factory=set)
    trouble: list[Problem] = field(default_factory=list)

    def add(self, later: RunReport, words: RunMessages) -> None:
        """Take a later round in."""
        self.report = merge(self.report, later)
        self.met, self.codes, self.trouble = words.errors, {later.exit_code}, []
        self.warnings += _new(words.warnings, self.warnings)


def _new(problems: Iterable[Problem], known: Iterable[Problem]) -> list[Problem]:
    told = {(problem.code, problem.domain) for problem in known}
    return [problem for problem in problems if (problem.code, problem.domain) not in told]


def run_waiting(app: App, request: RunRequest, timeout: float) -> Result:
    """Sync again and again until the domains have arrived, or `timeout` seconds are over.

    Follows those named, else those that the first sync adds or moves. Exits with 4 when one has not arrived in time.
    """
    from closte_bridge.engine.run import RunRequest as NewRequest  # noqa: PLC0415 - loaded when a sync is made

    settings = app.network()
    if not settings.checks:
        raise ConfigError(
            '"--wait" waits for what checks see of DNS and certificates, and `checks: false` switches them off.',
            code="wait-without-checks",
            hint='Leave "--wait" out, or take `checks: false` out of the config.',
        )
    deadline = time.monotonic() + timeout
    runs: list[NetworkResult[RunReport]] = []

    def once(request: RunRequest) -> tuple[RunReport, RunMessages]:
        engine = engine_of(app, settings)
        runs.append(NetworkResult(engine))
        return sync_one(engine, request, app.command)

    report, words = once(request)
    told = _WaitResult(report, words.warnings)
    names, left_out = _followed(runs[0].engine, report, request)
    seen = {name: _progress(name, report.verified.checked.get(name) if report.verified else None) for name in names}
    with _table(app) as show:
        show([*seen.values()])
        while not all(one.arrived for one in seen.values()) and time.monotonic() < deadline:
            interval = float(report.view.snapshot.settings.dns_check_interval)
            # The lock is free meanwhile.
            time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
            waiting = frozenset(name for name, one in seen.items() if not one.arrived)
            try:
                report, words = once(NewRequest(only=waiting, approval=request.approval))
            except BridgeError as error:
                told.trouble = list(Problem.of(error))
                told.warnings += _new(secondary_problems(error), told.warnings)
                time.sleep(max(0.0, min(_PAUSE_AFTER_TROUBLE, deadline - time.monotonic())))
                continue
            told.add(report, words)
            checked = report.verified.checked if report.verified else {}
            seen |= {name: _progress(name, checked[name]) for name in waiting if name in checked}
            show([*seen.values()])
    return replace(_result(told, [*seen.values()], left_out), cost=total_cost(runs))


def _result(told: _WaitResult, seen: list[DomainProgress], left_out: list[str]) -> Result:
    problems = [_late(one) for one in seen if not one.arrived] + [_not_followed(name) for name in left_out]
    words = messages_of(told.report)
    codes = {told.report.exit_code, *told.codes} | ({ExitCode.SOME_FAILED} if problems else set())
    errors = (*told.trouble, *words.errors, *_new(told.met, words.errors), *problems)
    remarks = words.remarks
    if errors:
        # A word of success after an error would read as if all had ended well.
        remarks = [replace(remark, kind="log") for remark in remarks if remark.text != IN_STEP]
    elif seen:
        followed = f"{len(seen)} of {counted(len(seen), 'followed domain')}"
        remarks = [*remarks, Message("success", f"{followed} {'has its' if len(seen) == 1 else 'have their'} padlock.")]
    return Result(
        exit_code=first_that_applies(codes),
        data=plan_rows(told.report),
        fields=FIELDS,
        rendered=rendered([told.report]),
        messages=tuple(remarks),
        errors=errors,
        warnings=tuple(told.warnings),
    )


def _late(one: DomainProgress) -> Problem:
    return Problem(
        code="no-padlock",
        message=f'"{one.name}" has no padlock yet: DNS {one.dns or "not looked at"}, TLS {one.tls or "not tried"}.',
        hint=one.advice or "It is looked at again by itself.",
        domain=one.name,
    )


def _not_followed(name: str) -> Problem:
    return Problem(
        code="not-followed",
        message=f'"{name}" is not followed: nothing here wants it, or no certificate can be had for it.',
        hint=f"`closte-bridge domain explain {name}` says more, `closte-bridge domain check {name}` looks at it once.",
        domain=name,
    )
