"""Sync run: read, plan, apply, check and record."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from closte_bridge.domains import similar
from closte_bridge.engine import lock, notifications
from closte_bridge.engine.apply import apply_changes, key_rejected
from closte_bridge.engine.bookkeeping import note_went_back, record_observation
from closte_bridge.engine.loop import YieldToEvents
from closte_bridge.engine.observation import Session
from closte_bridge.engine.observe import observe
from closte_bridge.engine.publish import publish
from closte_bridge.engine.records import create_missing, note, records_of
from closte_bridge.engine.refresh import refresh_after
from closte_bridge.engine.verify import stages_of, verify
from closte_bridge.errors import BridgeError, ExitCode, first_that_applies
from closte_bridge.hosting import Action
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger.flags import LEAVING
from closte_bridge.ledger.meta import ABLE, CONFIG_PATH, LAST_SUCCESS, LAST_TRY
from closte_bridge.planning.additions import PlanContext
from closte_bridge.planning.completeness import FEW
from closte_bridge.planning.model import NOTHING_APPROVED, Approval, Mode
from closte_bridge.planning.plan import make_plan, narrow, own_domains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.engine.records import RecordResults
    from closte_bridge.engine.verify import CheckResults
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import Change, Plan
    from closte_bridge.planning.stages import StagePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Options of a run. `only` limits it to these domains, `reviewed` to the changes of a reviewed plan."""

    approval: Approval = NOTHING_APPROVED
    only: frozenset[str] = frozenset()
    reviewed: frozenset[tuple[str, str]] | None = None
    reviewed_network: tuple[str, str] | None = None
    retry: bool = False
    dry_run: bool = False
    revive: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RunReport:
    """Result of a run. `applied` is None if no changes were allowed.

    `unknown` are the requested domains that exist nowhere, each with the known domain that it resembles, or "".
    `unmanaged` are the requested domains on Closte that are not in the ledger. `refresh_due` is an epoch time.
    `narrowed`: the plan has only some domains. `unpublished` is why WordPress did not take the domain states.
    """

    network: str
    view: Observation
    plan: Plan
    applied: Applied | None
    stale: tuple[tuple[str, str], ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    unmanaged: tuple[str, ...] = ()
    verified: CheckResults | None = None
    stages: StagePlan | None = None
    records: RecordResults | None = None
    refresh_due: float | None = None
    narrowed: bool = False
    unpublished: BridgeError | None = None

    @property
    def lost(self) -> frozenset[str]:
        """Return the managed aliases that Closte lost, if they are more than a few.

        Recently added aliases that Closte reports as existing are not lost: the list is late.
        """
        lost = self.plan.lost
        if lost and self.applied:
            lost -= self.applied.already & self.view.ledger.added_lately
        return lost if len(lost) > FEW else frozenset()

    @property
    def exit_code(self) -> ExitCode:
        """Return the first exit code that applies."""
        codes = {ExitCode.OK}
        # If the integration is disabled, Closte need not answer and the key need not be valid (rule 10).
        expected = self.plan.authority.mode is not Mode.INACTIVE
        if self.view.listing.key_rejected and expected:
            codes.add(ExitCode.FAILURE)
        if not self.plan.observed.readable and expected:
            codes.add(ExitCode.UNREADABLE)
        if self.unknown or (self.lost and expected):
            codes.add(ExitCode.SOME_FAILED)
        if self.plan.over_limit or self.stale:
            codes.add(ExitCode.NEEDS_APPROVAL)
        if self.verified:
            codes |= _of_verified(self.verified)
        if self.records:
            codes |= _of_records(self.records)
        if self.applied:
            codes |= _of_applied(self.applied)
        elif self.plan.authority.mode is Mode.READ_ONLY:
            codes.add(ExitCode.READ_ONLY)
        return first_that_applies(codes)


def _of_applied(applied: Applied) -> set[ExitCode]:
    codes = set()
    if applied.key_rejected:
        codes.add(ExitCode.FAILURE)
    if applied.reread_failed:
        codes.add(ExitCode.UNREADABLE)
    if applied.failed or applied.not_begun:
        codes.add(ExitCode.SOME_FAILED)
    return codes


def _of_verified(verified: CheckResults) -> set[ExitCode]:
    codes = set()
    if verified.trouble:
        codes.add(verified.trouble.exit_code)
    if any(moved.result.refused for moved in verified.moved):
        codes.add(ExitCode.SOME_FAILED)
    return codes


def _of_records(records: RecordResults) -> set[ExitCode]:
    codes = set()
    if records.trouble:
        codes.add(records.trouble.exit_code)
    if any(result.refused for result in records.results.values()):
        codes.add(ExitCode.SOME_FAILED)
    return codes


def plan_of(engine: Engine, view: Observation, request: RunRequest) -> Plan:
    """Make the plan for a view, and count the time it takes."""
    began = time.perf_counter()
    retry = request.retry or bool(request.only)
    desire, policy = view.desire, engine.policy()
    context = PlanContext(view.snapshot, view.observed, view.ledger, policy, desire, view.now, retry)
    plan = make_plan(context, view.authority, request.approval)
    engine.cost.planning_seconds += time.perf_counter() - began
    return narrow(plan, request.only) if request.only else plan


def sync(
    engine: Engine,
    request: RunRequest,
    *,
    command: str,
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    should_yield: Callable[[], bool] | None = None,
) -> RunReport:
    """Read, plan, apply, check and record. One run at a time.

    `progress` opens a progress bar for a number of changes and returns the function that advances it. When
    `should_yield` returns True, the remaining checks are left to the next run; its default is a new event. Raises
    BridgeError if the lock is taken, WordPress or Closte cannot be read at all, or the ledger fails.
    """
    # A user who names domains waits for their checks.
    named = request.only or request.reviewed is not None
    give_way = should_yield or ((lambda: False) if named else YieldToEvents(engine.settings.state_dir))
    locked = nullcontext() if request.dry_run else lock.held(engine.settings.state_dir, command)
    began = engine.clock.now()
    with (
        locked,
        engine.opened(),
        _recording_failure(engine, dry_run=request.dry_run),
        observe(engine, acknowledge=not request.dry_run) as view,
    ):
        if view.listing.key_rejected and not request.dry_run and view.authority.mode is not Mode.INACTIVE:
            _note_mentions(engine, view, plan_of(engine, view, request))
            _note_records(engine, view)
            raise key_rejected(view.key_source)
        _refuse_other_network(view, request)
        session = None if request.dry_run else _session(engine, view)
        if session is None:
            report, succeeded = _idle(engine, view, request)
        else:
            report, succeeded = _work(session, request, progress, should_stop, give_way)
        return _published(engine, report, request, succeeded=succeeded, began=began)


def _published(engine: Engine, report: RunReport, request: RunRequest, *, succeeded: bool, began: float) -> RunReport:
    """Report a run to the shim, unless it may not change anything; return it with the error of that."""
    if engine.ledger is None or request.dry_run or report.plan.authority.mode is Mode.READ_ONLY:
        return report
    error = publish(engine, engine.ledger, report, succeeded=succeeded, began=began)
    return replace(report, unpublished=error)


def _session(engine: Engine, view: Observation) -> Session | None:
    """Return the session of a run that may change the network, or None."""
    if engine.ledger is None or view.access is None or view.authority.mode in {Mode.READ_ONLY, Mode.INACTIVE}:
        return None
    return Session(engine, engine.ledger, view, view.access, os.urandom(4).hex())


def _idle(engine: Engine, view: Observation, request: RunRequest) -> tuple[RunReport, bool]:
    """Plan without changing the network; return the report, and whether the run counts as a heartbeat."""
    records = records_of(engine.ledger, view)
    plan, stale = _reviewed_only(plan_of(engine, view, request), request)
    if not request.dry_run:
        _note_idle(engine, view, plan)
    stages = stages_ahead(engine, view, request) if request.dry_run else None
    unknown, unmanaged = _unknown(view, request), _unmanaged(view, request)
    name = engine.settings.name
    report = RunReport(name, view, plan, None, stale, unknown, unmanaged, stages=stages, records=records)
    return report, plan.authority.mode is Mode.INACTIVE


def _work(
    session: Session,
    request: RunRequest,
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]] | None,
    should_stop: Callable[[], bool],
    give_way: Callable[[], bool],
) -> tuple[RunReport, bool]:
    """Create records, plan, apply, check and record; return the report, and whether the run counts as a heartbeat."""
    engine, ledger, view = session.engine, session.ledger, session.view
    # A run for some domains or a reviewed plan only saves which records are missing.
    records = create_missing(session, only_note=bool(request.only) or request.reviewed is not None)
    plan, stale = _reviewed_only(plan_of(engine, view, request), request)
    unknown, unmanaged = _unknown(view, request), _unmanaged(view, request)
    record_observation(session, plan)
    bar = progress(len(plan.changes)) if progress and plan.changes else nullcontext(lambda: None)
    with bar as step:
        applied = apply_changes(session, plan, on_step=step, should_stop=should_stop)
    succeeded = not applied.key_rejected and (plan.observed.readable or bool(applied.done))
    if succeeded:
        _note_success(ledger, engine, whole=plan.observed.readable)
    verified = None
    if (engine.settings.checks or request.revive) and not applied.key_rejected and request.reviewed is None:
        verified = _verify(session, request, lambda: should_stop() or give_way())
    name, narrowed = engine.settings.name, bool(request.only) or request.reviewed is not None
    if succeeded:
        notifications.note(ledger, view, None if narrowed else plan, engine.clock.now())
    due = refresh_after(engine, ledger, view.snapshot, verified.moved if verified else ())
    report = RunReport(name, view, plan, applied, stale, unknown, unmanaged, verified, records=records, refresh_due=due)
    return replace(report, narrowed=narrowed), succeeded


@contextmanager
def _recording_failure(engine: Engine, *, dry_run: bool) -> Iterator[None]:
    """Context manager: record failed runs as well, so that `doctor` knows closte-bridge is scheduled."""
    try:
        yield
    except Exception:
        if not dry_run:
            _note_try(engine)
        raise


def _note_try(engine: Engine) -> None:
    ledger = engine.ledger
    if ledger is None:
        return
    # Do not wait for the disk, and do not fail.
    with suppress(BridgeError):
        # Never write to the ledger without the config it was adopted with.
        if engine.lacks_config(CONFIG_PATH.of(ledger.meta())):
            return
        with ledger.transaction(durable=False):
            ledger.save(LAST_TRY.to(engine.clock.now()))


def _note_idle(engine: Engine, view: Observation, plan: Plan) -> None:
    """Record a run without permission to change anything."""
    _note_mentions(engine, view, plan)
    if engine.ledger is not None and view.authority.mode is Mode.INACTIVE:
        _note_records(engine, view)
        _note_success(engine.ledger, engine)
    else:
        _note_try(engine)


def _note_mentions(engine: Engine, view: Observation, plan: Plan) -> None:
    """Record which domains are in use again, for a run that records nothing else: it voids evidence for removals."""
    ledger, updates = engine.ledger, plan.updates
    bound = view.authority.mode is not Mode.READ_ONLY
    if ledger is None or not (updates.mentioned_again or updates.staying or (bound and view.snapshot.went_back)):
        return
    with ledger.transaction():
        if bound:
            note_went_back(ledger, view)
            # WordPress still has these events; a void one would otherwise count again in the next read. In read-only
            # mode the database may be that of another network, so copy none.
            ledger_events.copy_events(ledger, view.snapshot.events, view.events, view.now)
        ledger.clear("absences", updates.mentioned_again)
        ledger.clear("evidence", updates.mentioned_again)
        ledger.clear_flag(LEAVING, updates.staying)


def _note_records(engine: Engine, view: Observation) -> None:
    """Save which new sites have a record and which do not, for a run that creates none."""
    if engine.ledger is not None and view.authority.mode is not Mode.READ_ONLY:
        note(engine.ledger, view)


def _verify(session: Session, request: RunRequest, should_stop: Callable[[], bool]) -> CheckResults:
    given = (session.engine, session.ledger, session.view, session.run)
    return verify(*given, only=_with_www(request), revive=request.revive, should_stop=should_stop)


def stages_ahead(engine: Engine, view: Observation, request: RunRequest) -> StagePlan | None:
    """Return the stage changes of a sync, from earlier checks; None if checks are disabled."""
    if engine.ledger is None or not engine.settings.checks:
        return None
    return stages_of(engine.ledger, view.snapshot, view.desire, view.now, only=_with_www(request))


def _with_www(request: RunRequest) -> frozenset[str]:
    """Return the domains that a run is limited to, with their `www.` forms; empty if it is not limited."""
    return request.only | {f"www.{name}" for name in request.only}


def _refuse_other_network(view: Observation, request: RunRequest) -> None:
    network = view.snapshot.network
    if request.reviewed_network and request.reviewed_network != (network.domain, network.database):
        raise BridgeError(
            f'The plan is for another network or database: "{request.reviewed_network[0]}".',
            code="plan-for-another",
            hint="Create a new one with `closte-bridge plan --out=FILE`.",
            exit_code=ExitCode.NEEDS_APPROVAL,
        )


def _unknown(view: Observation, request: RunRequest) -> dict[str, str]:
    """Return requested domains that do not exist anywhere, probably typos, each with the domain that it resembles."""
    if not request.only:
        return {}
    desire = view.desire
    known = view.observed.names | view.ledger.managed.keys() | view.ledger.unsettled.keys()
    names = sorted(name for name in request.only if name not in known and not desire.mention(name))
    return {name: similar(name, {*known, *desire.names()}) for name in names}


def _unmanaged(view: Observation, request: RunRequest) -> tuple[str, ...]:
    """Return requested domains on Closte that closte-bridge does not manage."""
    managed = view.ledger.managed.keys() | view.ledger.unsettled.keys()
    found = (request.only & view.observed.names) - managed
    return tuple(sorted(found - own_domains(view.snapshot, view.desire))) if found else ()


def _note_success(ledger: Ledger, engine: Engine, *, whole: bool = True) -> None:
    """Record that WordPress was read and domains could be added; `whole`: Closte's list was read as well."""
    now = engine.clock.now()
    with ledger.transaction():
        ledger.save(ABLE.to(now), LAST_TRY.to(now), *([LAST_SUCCESS.to(now)] if whole else []))


def _reviewed_only(plan: Plan, request: RunRequest) -> tuple[Plan, tuple[tuple[str, str], ...]]:
    """Limit a fresh plan to the reviewed changes; return it with the reviewed changes that are stale."""
    if request.reviewed is None:
        return plan, ()

    def reviewed(change: Change) -> bool:
        return (change.action.value, change.name) in (request.reviewed or ())

    changes = tuple(filter(reviewed, plan.changes))
    valid = {(change.action.value, change.name) for change in changes}
    # A change that already happened counts as done, not stale.
    done = {
        (action, name)
        for action, name in request.reviewed
        if (name in plan.observed.names) is (action == Action.ADD.value) and plan.observed.complete is not None
    }
    stale = tuple(sorted(request.reviewed - valid - done))
    return replace(plan, changes=changes), stale
