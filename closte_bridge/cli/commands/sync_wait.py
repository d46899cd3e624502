"""`sync --wait`: wait until domains are live, with a live table."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.domain_state import next_step
from closte_bridge.cli.console import fit_encoding
from closte_bridge.cli.merge_reports import merge
from closte_bridge.cli.messages import NO_CHANGES
from closte_bridge.cli.networks import NetworkResult, engine_of, total_cost
from closte_bridge.cli.render import FIELDS, plan_rows, rendered
from closte_bridge.cli.result import Message, Problem, Result, secondary_problems
from closte_bridge.cli.syncing import messages_of, sync_one
from closte_bridge.counts import counted
from closte_bridge.domains import not_public
from closte_bridge.engine.due import watched_names
from closte_bridge.engine.run import RunRequest
from closte_bridge.engine.targets import Targets
from closte_bridge.errors import BridgeError, ConfigError, ExitCode, first_that_applies
from closte_bridge.planning.stages import StageHoldCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.checks.model import DomainCheck
    from closte_bridge.cli.context import App
    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.config.model import Settings
    from closte_bridge.engine.run import RunReport

# Seconds between attempts after a failed run.
_PAUSE_AFTER_FAILURE = 10.0


class DomainProgress(NamedTuple):
    """The last check of one domain."""

    name: str
    dns: str
    tls: str
    http: str
    advice: str
    has_https: bool
    ready: bool


def _progress(name: str, checked: DomainCheck | None, *, served: bool) -> DomainProgress:
    if checked is None:
        return DomainProgress(name, "", "", "", "", has_https=False, ready=False)
    tls, http = checked.tls.code.value if checked.tls else "", checked.http.code.value if checked.http else ""
    has_https = checked.has_https or checked.is_live
    ready = checked.is_live if served else has_https
    return DomainProgress(name, checked.dns.code.value, tls, http, next_step(checked).text, has_https, ready)


@contextmanager
def _table(app: App) -> Iterator[Callable[[list[DomainProgress]], None]]:
    """Show progress: a live table on a terminal, otherwise a line for each change."""
    if not app.console.stderr_is_terminal or app.console.quiet:
        last: dict[str, DomainProgress] = {}

        def log(seen: list[DomainProgress]) -> None:
            for one in seen:
                if last.get(one.name) != one:
                    last[one.name] = one
                    http = f", HTTP {one.http}" if one.http else ""
                    app.console.log(f"{one.name}: DNS {one.dns or '…'}, TLS {one.tls or '…'}{http}")

        yield log
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms, only on terminals
    from rich.live import Live  # noqa: PLC0415 - 40 ms, only on terminals
    from rich.table import Table  # noqa: PLC0415 - 40 ms, only on terminals
    from rich.text import Text  # noqa: PLC0415 - 40 ms, only on terminals

    unknown = fit_encoding("…", app.console.stderr)
    with Live(console=Console(file=app.console.stderr), refresh_per_second=4, transient=True) as live:

        def show(seen: list[DomainProgress]) -> None:
            table = Table("domain", "DNS", "certificate", "visitors get", "next step")
            for one in seen:
                codes = (code or unknown for code in (one.dns, one.tls, one.http))
                cells = (one.name, *codes, "" if one.ready else one.advice)
                # Text, not markup: a domain or an answer may contain brackets.
                table.add_row(*(Text(cell) for cell in cells))
            live.update(table)

        yield show


def _names_to_wait_for(report: RunReport, request: RunRequest) -> tuple[list[str], list[str]]:
    """Return the domains to wait for, and requested ones that are never checked and so would never finish."""
    if report.applied is None:
        return [], []
    watched = {name for name in watched_names(report.view) if not not_public(name)}
    if request.only:
        # Unknown domains have their own error.
        asked = request.only - {*report.unknown}
        return sorted(asked & watched), sorted(asked - watched)
    moving = report.verified.stages.changes if report.verified else ()
    names = {change.name for change in report.plan.additions} | {change.name for change in moving}
    return sorted(names & watched), []


def _served(report: RunReport, names: Iterable[str]) -> set[str]:
    """Return the domains that WordPress serves, or will serve as soon as their stage is "done"."""
    lasting = {StageHoldCode.GIVEN_UP_BEFORE, StageHoldCode.SWITCHED_OFF, StageHoldCode.CONFLICT}
    held = {hold.name for hold in report.verified.stages.holds if hold.code in lasting} if report.verified else ()
    wanted = [name for name in names if name not in held]
    targets = Targets(report.view.snapshot, report.view.desire, wanted)
    return {name for name in wanted if targets.target(name)}


@dataclass
class _WaitResult:
    """The first run, merged with the runs after it.

    `later_errors` are the errors of the last of those runs; `failure` holds why the run after it could not be made.
    """

    report: RunReport
    warnings: list[Problem]
    later_errors: list[Problem] = field(default_factory=list)
    codes: set[ExitCode] = field(default_factory=set)
    failure: list[Problem] = field(default_factory=list)

    def add(self, later: RunReport, words: RunMessages) -> None:
        """Merge a later run."""
        self.report = merge(self.report, later)
        self.later_errors, self.codes, self.failure = words.errors, {later.exit_code}, []
        self.warnings += _new(words.warnings, self.warnings)


def _new(problems: Iterable[Problem], known: Iterable[Problem]) -> list[Problem]:
    reported = {(problem.code, problem.domain) for problem in known}
    return [problem for problem in problems if (problem.code, problem.domain) not in reported]


def _settings_with_checks(app: App) -> Settings:
    """Return the settings of the network. Raises ConfigError if they disable the checks."""
    settings = app.network()
    if not settings.checks:
        raise ConfigError(
            '"--wait" needs DNS and certificate checks, but `checks: false` disables them.',
            code="wait-without-checks",
            hint='Remove "--wait", or remove `checks: false` from the config.',
        )
    return settings


def run_waiting(app: App, request: RunRequest, timeout: float) -> Result:
    """Sync repeatedly until the domains are live or `timeout` seconds have passed.

    A domain that WordPress does not serve only needs valid HTTPS: a pinned one, for example. Waits for the given
    domains, else for those that the first sync adds or whose stage it changes. Exits with code 4 if a domain is not
    ready in time.
    """
    settings = _settings_with_checks(app)
    deadline = time.monotonic() + timeout
    runs: list[NetworkResult[RunReport]] = []

    def once(request: RunRequest) -> tuple[RunReport, RunMessages]:
        engine = engine_of(app, settings)
        runs.append(NetworkResult(engine))
        return sync_one(engine, request, app.command)

    report, words = once(request)
    result = _WaitResult(report, words.warnings)
    names, left_out = _names_to_wait_for(report, request)
    served = _served(report, names) if settings.http.enabled else set()
    checked = report.verified.checked if report.verified else {}
    seen = {name: _progress(name, checked.get(name), served=name in served) for name in names}
    with _table(app) as show:
        show([*seen.values()])
        while not all(one.ready for one in seen.values()) and time.monotonic() < deadline:
            interval = float(report.view.snapshot.settings.dns_check_interval)
            # The lock is free during the pause.
            time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
            waiting = frozenset(name for name, one in seen.items() if not one.ready)
            try:
                report, words = once(RunRequest(only=waiting, approval=request.approval))
            except BridgeError as error:
                result.failure = list(Problem.of(error))
                result.warnings += _new(secondary_problems(error), result.warnings)
                time.sleep(max(0.0, min(_PAUSE_AFTER_FAILURE, deadline - time.monotonic())))
                continue
            result.add(report, words)
            checked = report.verified.checked if report.verified else {}
            seen |= {name: _progress(name, checked[name], served=name in served) for name in waiting if name in checked}
            show([*seen.values()])
    return replace(_result(result, [*seen.values()], left_out, live=bool(served)), cost=total_cost(runs))


def _result(waited: _WaitResult, seen: list[DomainProgress], left_out: list[str], *, live: bool) -> Result:
    problems = [_not_ready(one) for one in seen if not one.ready] + [_not_waited_for(name) for name in left_out]
    words = messages_of(waited.report)
    codes = {waited.report.exit_code, *waited.codes} | ({ExitCode.SOME_FAILED} if problems else set())
    errors = (*waited.failure, *words.errors, *_new(waited.later_errors, words.errors), *problems)
    remarks = words.remarks
    if errors:
        # A word of success after an error would read as if all had ended well.
        remarks = [
            replace(remark, kind="log") if remark.kind == "success" else remark
            for remark in remarks
            if remark not in NO_CHANGES
        ]
    elif seen:
        one, several = ("domain is live", "domains are live") if live else ("domain serves", "domains serve")
        what = "" if live else " valid HTTPS"
        remarks = [*remarks, Message("success", f"{len(seen)} of {counted(len(seen), one, several)}{what}.")]
    return Result(
        exit_code=first_that_applies(codes),
        data=plan_rows(waited.report),
        fields=FIELDS,
        rendered=rendered([waited.report]),
        messages=tuple(remarks),
        errors=errors,
        warnings=tuple(waited.warnings),
    )


def _not_ready(one: DomainProgress) -> Problem:
    dns, tls = one.dns or "not checked", one.tls or "not checked"
    if one.has_https:
        return Problem(
            code="not-live",
            message=f'"{one.name}" serves valid HTTPS, but is not live yet (HTTP: {one.http or "not checked"}).',
            hint=one.advice or "Wait: closte-bridge keeps checking it automatically.",
            domain=one.name,
        )
    return Problem(
        code="no-https",
        message=f'"{one.name}" does not serve valid HTTPS yet (DNS: {dns}, certificate: {tls}).',
        hint=one.advice or "Wait: closte-bridge keeps checking it automatically.",
        domain=one.name,
    )


def _not_waited_for(name: str) -> Problem:
    return Problem(
        code="not-followed",
        message=f'Could not wait for "{name}": this network does not use it, or no certificate can be issued for it.',
        hint=f"Run `closte-bridge domain explain {name}` for details.",
        domain=name,
    )
