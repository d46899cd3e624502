"""What `sync`, `apply` and the commands that end in a sync have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from closte_bridge.cli.networks import cost_messages, exit_code, on_each, problems, total_cost
from closte_bridge.cli.plans import (
    FIELDS,
    circumstances,
    outcome_problems,
    plan_rows,
    rendered,
    withheld_problems,
)
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from closte_bridge.cli.context import App
    from closte_bridge.engine.sync import Report, Request
    from closte_bridge.engine.view import Engine


def _bar(app: App) -> Callable[[int], AbstractContextManager[Callable[[], None]]]:
    @contextmanager
    def opened(total: int) -> Iterator[Callable[[], None]]:
        with app.console.progress(total, "Closte") as bar:
            yield lambda: bar.update(1)

    return opened


def run_sync(app: App, request: Request, *, said: tuple[Message, ...] = ()) -> Result:
    """Sync the networks that are meant and put what came of it into words; `said` are remarks from before."""
    from closte_bridge.engine.sync import sync  # noqa: PLC0415 - loaded when a sync is made

    def job(engine: Engine) -> Report:
        return sync(engine, request, command=app.command, progress=_bar(app))

    outcomes = on_each(app, job)
    errors: list[Problem] = [*problems(outcomes)]
    warnings: list[Problem] = []
    remarks: list[Message] = [*said]
    for outcome in outcomes:
        if outcome.value:
            _tell(app, outcome.value, errors, warnings, remarks)
    reports = [o.value for o in outcomes if o.value]
    return Result(
        exit_code=exit_code(outcomes, lambda report: report.exit_code),
        data=[row for report in reports for row in plan_rows(report)],
        fields=FIELDS,
        rendered=rendered(reports),
        messages=(*remarks, *cost_messages(outcomes)),
        errors=tuple(errors),
        warnings=tuple(warnings),
        cost=total_cost(outcomes),
    )


def _tell(app: App, report: Report, errors: list[Problem], warnings: list[Problem], remarks: list[Message]) -> None:
    from closte_bridge.engine.apply import key_rejected  # noqa: PLC0415 - loaded by the sync before

    found = circumstances(report)
    standing = report.plan.standing
    errors += found[0]
    remarks += found[2]
    if standing.mode is Mode.READ_ONLY:
        # What `plan` only mentions is what stops a sync.
        errors.append(
            Problem(code=standing.code, message=f"Nothing was changed: {standing.reason}.", hint=standing.hint)
        )
    else:
        warnings += found[1]
    if report.applied and report.applied.key_rejected:
        errors += Problem.of(key_rejected())
    failed, closing = outcome_problems(report)
    errors += [*failed, *withheld_problems(report.plan)]
    errors += [
        Problem(code="stale", message=f'"{name}": the reviewed change ({action}) is no longer valid.', domain=name)
        for action, name in report.stale
    ]
    errors += [
        Problem(
            code="unknown-domain",
            message=f'"{name}" is not known on either side.',
            hint="`closte-bridge domain list` shows those that are; `closte-bridge domain add` pins one.",
            domain=name,
        )
        for name in report.unknown
    ]
    # No word of success beside what was withheld, unless something was done.
    quiet = report.stale or report.unknown or (report.plan.withheld and not report.plan.changes)
    remarks += closing if not quiet else []
    app.console.debug("sync", f"{report.network}: {len(report.plan.changes)} changes planned.")
