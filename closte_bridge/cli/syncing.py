"""Shared code of `sync`, `apply` and the other commands that end in a sync."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.cli.messages import (
    NO_CHANGES,
    approval_problems,
    backwards_warnings,
    certificate_warnings,
    not_revived,
    only_key_rejected,
    outcome_problems,
    record_messages,
    side_problems,
    silence_warnings,
    stage_messages,
    unknown_domain,
    unmanaged_requests,
)
from closte_bridge.cli.networks import cost_messages, engine_of, exit_code, on_each, problems, total_cost, warnings
from closte_bridge.cli.render import FIELDS, rendered, rows_shown
from closte_bridge.cli.result import Message, Problem, Result, problem_data
from closte_bridge.counts import counted
from closte_bridge.engine.alerts import MANUAL, RunOrigin, after_run
from closte_bridge.engine.apply import key_rejected
from closte_bridge.engine.loop import Waiter
from closte_bridge.engine.problems import WARNINGS
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.engine.triggered import run_when_triggered
from closte_bridge.errors import BridgeError, ExitCode, attach_secondary, first_that_applies, unexpected
from closte_bridge.flag import Flag
from closte_bridge.hosting import Action
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from closte_bridge.cli.context import App
    from closte_bridge.engine.cost import Cost
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport


# The highest file descriptor that a process started by the shim closes.
_INHERITED = 4096


def _bar(app: App) -> Callable[[int], AbstractContextManager[Callable[[], None]]]:
    @contextmanager
    def opened(total: int) -> Iterator[Callable[[], None]]:
        with app.console.progress(total, "Closte") as bar:
            yield lambda: bar.update(1)

    return opened


class RunMessages(NamedTuple):
    """The messages of one run."""

    errors: list[Problem]
    warnings: list[Problem]
    remarks: list[Message]


def run_sync(
    app: App,
    request: RunRequest,
    *,
    said: tuple[Message, ...] = (),
    leaving: frozenset[str] = frozenset(),
    remembered: bool = False,
    failed: tuple[Problem, ...] = (),
    spent: Cost | None = None,
) -> Result:
    """Sync the selected networks and build the result; `said` are earlier messages to include.

    `leaving` are the domains to remove: those that stay for now get a warning, and the exit code is 3. `remembered`:
    the ledger holds the request, which is reported if the integration is disabled. `failed` are earlier errors of the
    request, `spent` is its earlier cost.
    """

    stopping = Flag()

    def job(engine: Engine) -> tuple[RunReport, RunMessages]:
        return sync_one(engine, request, app.command, _bar(app), should_stop=stopping.is_set, origin=_origin(app))

    outcomes = on_each(app, job, stopping)
    if spent:
        outcomes[0].engine.cost.add(spent)
    runs = [outcome.value for outcome in outcomes if outcome.value]
    for report, messages in runs if remembered else ():
        messages.remarks.extend(_saved_request(report))
    kept = [problem for report, messages in runs for problem in _not_removed(report, messages, leaving)]
    failed += tuple(problem for report, messages in runs for problem in _not_revived(report, messages, request.revive))
    for outcome in outcomes:
        cost = outcome.engine.cost
        text = f"Waited {cost.list_wait:.3f} s for Closte's list, of {cost.api_seconds:.3f} s for API calls."
        app.console.debug("cost", text)
    for report, _ in runs:
        app.console.debug("sync", f"{report.network}: {counted(len(report.plan.changes), 'change')} planned.")
    return Result(
        exit_code=first_that_applies(
            {exit_code(outcomes, lambda run: run[0].exit_code)}
            | ({ExitCode.NEEDS_APPROVAL} if kept else set())
            | ({ExitCode.SOME_FAILED} if failed else set())
        ),
        data=rows_shown([report for report, _ in runs], app.output),
        fields=FIELDS,
        rendered=rendered([report for report, _ in runs]),
        messages=(*said, *(remark for _, messages in runs for remark in messages.remarks), *cost_messages(outcomes)),
        errors=(*problems(outcomes), *failed, *(error for _, messages in runs for error in messages.errors)),
        warnings=(*warnings(outcomes), *(warning for _, messages in runs for warning in messages.warnings), *kept),
        cost=total_cost(outcomes),
    )


def _saved_request(report: RunReport) -> list[Message]:
    """Return the note for a request that is saved while the integration is disabled."""
    if report.plan.authority.mode is not Mode.INACTIVE:
        return []
    text = "Your request is saved. A sync carries it out once this is enabled."
    return [Message("log", text, Problem(code="remembered", message=text, hint=report.plan.authority.hint))]


def _not_removed(report: RunReport, messages: RunMessages, leaving: frozenset[str]) -> list[Problem]:
    """Return a warning for each of the domains `leaving` that is on hold."""
    held = (*report.plan.held, *(report.applied.held if report.applied else ()))
    found = [
        Problem(
            code="not-removed",
            message=f'"{hold.name}" is not removed yet: {hold.reason}.',
            hint="closte-bridge checks it again on every sync.",
            domain=hold.name,
        )
        for hold in held
        if hold.action is Action.REMOVE and hold.name in leaving
    ]
    return _without_success(messages, found)


def _not_revived(report: RunReport, messages: RunMessages, revive: frozenset[str]) -> list[Problem]:
    """Return an error for each of the domains to `revive` whose stage did not change."""
    return _without_success(messages, not_revived(report, revive))


def _without_success(messages: RunMessages, problems: list[Problem]) -> list[Problem]:
    """Return `problems`; if there are any, drop the message that there was nothing to change."""
    if problems:
        messages.remarks[:] = [remark for remark in messages.remarks if remark not in NO_CHANGES]
    return problems


def _origin(app: App) -> RunOrigin:
    """Return what started this run: a person, a unit of systemd, or another scheduler."""
    if app.console.is_attended:
        return MANUAL
    return RunOrigin("timer" if app.environ.get("INVOCATION_ID") else "cron")


def run_triggered(app: App) -> int:
    """Run a sync that the shim triggered, without any output; return the exit code."""
    # Close the sockets of the web server, which would stay open for the whole run.
    os.closerange(3, _INHERITED)
    settings = app.network()

    def work() -> RunReport:
        return sync_one(engine_of(app, settings), RunRequest(), app.command, origin=RunOrigin("shim"))[0]

    return int(run_when_triggered(settings.state_dir, settings.removal_delay, work, Waiter()))


def sync_one(
    engine: Engine,
    request: RunRequest,
    command: str,
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    should_yield: Callable[[], bool] | None = None,
    origin: RunOrigin | None = None,
) -> tuple[RunReport, RunMessages]:
    """Sync one network, then save its result, write its metrics and report its problems as configured.

    `origin` is what started the run, by default a person. Raises what `sync` raises, after the same reports; their own
    errors are attached to it.
    """
    whole = not request.only and request.reviewed is None
    finish = partial(after_run, engine, whole=whole, origin=origin or MANUAL)
    try:
        report = sync(
            engine, request, command=command, progress=progress, should_stop=should_stop, should_yield=should_yield
        )
    except Exception as failure:
        error = failure if isinstance(failure, BridgeError) else unexpected(failure)
        if not request.dry_run and error.exit_code is not ExitCode.LOCKED:
            data = [problem_data(problem) for problem in Problem.of(error)]
            attach_secondary(failure, finish(None, error.exit_code, data, lasting={error.code}))
        raise
    messages = messages_of(report)
    messages.warnings.extend([*backwards_warnings(report), *silence_warnings(report)])
    messages.warnings.extend(Problem.of(report.unpublished) if report.unpublished else ())
    if report.verified and report.verified.expiring:
        messages.warnings.extend(certificate_warnings(report.verified.expiring, engine.clock.now()))
    # A run that was asked to stop is not reported, like an interrupted one.
    if not (request.dry_run or should_stop()):
        data = [problem_data(problem) for problem in (*messages.errors, *messages.warnings)]
        lasting = {error.code for error in messages.errors}
        lasting |= {warning.code for warning in messages.warnings} & WARNINGS
        for trouble in finish(report, report.exit_code, data, lasting=lasting):
            messages.warnings.extend(Problem.of(trouble))
    return report, messages


def messages_of(report: RunReport) -> RunMessages:
    """Return the messages about what a run found and did."""
    errors, warnings, remarks = side_problems(report)
    authority = report.plan.authority
    if authority.mode is Mode.READ_ONLY and not only_key_rejected(report):
        # A warning of `plan` is the error of a sync.
        warnings = [warning for warning in warnings if warning.code != authority.code]
        errors.append(
            Problem(
                code=authority.code, message=f"closte-bridge changes nothing: {authority.reason}.", hint=authority.hint
            )
        )
    if report.applied and report.applied.key_rejected:
        errors += Problem.of(key_rejected(report.view.key_source))
    failed, closing = outcome_problems(report)
    errors += [*failed, *approval_problems(report.plan)]
    errors += [
        Problem(
            code="stale",
            message=f'Could not {action} "{name}": the reviewed change no longer applies.',
            hint="Create a new plan with `closte-bridge plan --out=FILE`, and review it.",
            domain=name,
        )
        for action, name in report.stale
    ]
    errors += [unknown_domain(name, near) for name, near in report.unknown.items()]
    warnings += unmanaged_requests(report)
    # No success message next to "needs approval" unless something changed.
    quiet = report.stale or report.unknown or (report.plan.over_limit and not report.plan.changes)
    closing = [remark for remark in closing if not (report.unmanaged and remark in NO_CHANGES)]
    remarks += closing if not quiet else []
    failed_stages, moved = stage_messages(report)
    failed_records, made = record_messages(report)
    return RunMessages([*errors, *failed_records, *failed_stages], warnings, [*made, *moved, *remarks])
