"""Post-run tasks: open problems, the metrics file, `on_problem` and the notifications about domains.

Their errors never fail a run; they are reported with its result.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.engine.announce import announce
from closte_bridge.engine.loop import next_due
from closte_bridge.engine.notify import deliver_all, has_channels
from closte_bridge.engine.problems import note, open_problems
from closte_bridge.engine.user_command import run_user_command
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.meta import CONFIG_PATH, NOTIFIED, NOTIFIED_AT
from closte_bridge.ledger.runs import RunRecord, save
from closte_bridge.ledger.store import Ledger
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport

# Seconds between notifications: about the same problems, and about others.
_REPEAT_AFTER = 86_400.0
_CHANGED_AFTER = 300.0


class RunOrigin(NamedTuple):
    """What started a run: `watch`, `timer`, `cron`, `shim` or `manual`; and the `interval` of `watch` in seconds."""

    schedule: str
    interval: float | None = None


MANUAL = RunOrigin("manual")


def after_run(
    engine: Engine,
    report: RunReport | None,
    exit_code: int,
    problems: Sequence[dict[str, Any]],
    *,
    lasting: Collection[str] = (),
    whole: bool = True,
    origin: RunOrigin = MANUAL,
) -> list[BridgeError]:
    """Save the result of a run, write the metrics and report problems, as configured; return the errors of that.

    `problems`: those of the run, as in the JSON envelope. `lasting`: codes of problems that need a user. A run that is
    not `whole` handled only some domains: it saves no result, writes no metrics and reports only new problems.
    """
    settings = engine.settings
    notifies = report is not None and report.plan.authority.mode is not Mode.READ_ONLY
    if not whole and not (settings.on_problem or (notifies and has_channels(settings))):
        return []
    failures: list[BridgeError] = []
    # Do not leave stale "healthy" metrics behind if the ledger cannot be read.
    ledger, meta = _opened(settings, failures)
    try:
        # Never write to the ledger without the config it was adopted with.
        if whole and ledger is not None and not engine.lacks_config(CONFIG_PATH.of(meta)):
            note(ledger, lasting, engine.clock.now())
            lasting_problems = [problem for problem in problems if problem["code"] in lasting]
            # Do not wait for the disk: the next run saves its own.
            with ledger.transaction(durable=False):
                save(ledger, _record(engine, report, exit_code, lasting_problems, origin), secrets.token_hex(4))
    except BridgeError as error:
        failures.append(error)
    try:
        if whole:
            _write_metrics(engine, report, exit_code, meta, ledger)
    except BridgeError as error:
        failures.append(error)
    try:
        if settings.on_problem and ledger is not None:
            _notify(engine, ledger, meta, problems, whole=whole)
        if report is not None and notifies and ledger is not None:
            failures += deliver_all(ledger, settings, engine.clock.now())
            announce(engine, ledger, report.view, engine.clock.now())
    except BridgeError as error:
        failures.append(error)
    finally:
        if ledger is not None:
            ledger.close()
    return failures


def _record(
    engine: Engine, report: RunReport | None, exit_code: int, problems: list[dict[str, Any]], origin: RunOrigin
) -> RunRecord:
    now = engine.clock.now()
    record = RunRecord(at=now, schedule=origin.schedule, exit_code=int(exit_code), problems=problems)
    if origin.interval is not None:
        record = replace(record, next_run=next_due(report, now, origin.interval) if report else now + origin.interval)
    if report is None:
        return record
    plan, authority = report.plan, report.plan.authority
    return replace(
        record,
        mode=authority.mode.value,
        code=authority.code,
        reason=authority.reason,
        hint=authority.hint,
        counts={
            "in_sync": plan.in_sync,
            "on_hold": plan.hold_count,
            "needs_approval": sum(len(over.names) for over in plan.over_limit),
            "unmanaged": len(plan.unmanaged),
        },
    )


def _opened(settings: Settings, failures: list[BridgeError]) -> tuple[Ledger | None, dict[str, str]]:
    ledger: Ledger | None = None
    try:
        ledger = Ledger.open(settings.state_dir)
        return ledger, ledger.meta() if ledger else {}
    except BridgeError as error:
        failures.append(error)
        if ledger is not None:
            ledger.close()
        return None, {}


def _write_metrics(
    engine: Engine, report: RunReport | None, exit_code: int, meta: dict[str, str], ledger: Ledger | None
) -> None:
    if engine.settings.metrics_file is None and not engine.keeps_metrics:
        return
    from closte_bridge.engine import metrics  # noqa: PLC0415 - 60 ms, only if metrics are configured

    # With checks disabled, old results are meaningless.
    checks = metrics.check_counts(ledger, engine.clock.now()) if ledger and engine.settings.checks else None
    problems = open_problems(ledger) if ledger else {}
    found = metrics.of_run(report, engine.cost, engine.settings, meta, exit_code, checks, problems)
    if engine.keeps_metrics:
        engine.metrics = tuple(found.collect())
    if path := metrics.metrics_path(engine.settings):
        metrics.write(path, metrics.rendered(found))


def _notify(
    engine: Engine, ledger: Ledger, meta: dict[str, str], problems: Sequence[dict[str, Any]], *, whole: bool
) -> None:
    """Run `on_problem` if the set of problems changed, or daily while it persists.

    A run that is not `whole` only adds problems.
    """
    now = engine.clock.now()
    codes = {str(problem["code"]) for problem in problems}
    before, at = NOTIFIED.of(meta), NOTIFIED_AT.of(meta)
    if not whole:
        if codes <= before:
            return
        codes |= before
    elapsed = abs(now - at)
    if elapsed < (_REPEAT_AFTER if codes == before else _CHANGED_AFTER) or not (codes or before):
        return
    with ledger.transaction():
        ledger.save(NOTIFIED_AT.to(now))
    status = "problem" if problems else "resolved"
    document = {"version": 1, "network": engine.settings.name, "status": status, "problems": list(problems)}
    run_user_command("on_problem", engine.settings.on_problem, document)
    # Save only after the command succeeded, so that a failed notification is retried.
    with ledger.transaction():
        ledger.save(NOTIFIED.to(frozenset(codes)))
