"""Record read results and change outcomes in the ledger."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.domains import registered_domain
from closte_bridge.hosting import Action, OutcomeKind
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import LEAVING, RELEASED
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.ledger.meta import (
    HIGHEST_MAPPING,
    HIGHEST_SITE,
    IDENTITY,
    LAST_TRY,
    OBSERVED_COUNT,
    REPORTS,
    WENT_BACK,
)
from closte_bridge.ledger.state import LIST_LAG, AliasPhase, FailedChange, FailureCode
from closte_bridge.planning.completeness import count
from closte_bridge.planning.model import Removal
from closte_bridge.planning.removals import lost_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.engine.observation import Observation, Session
    from closte_bridge.hosting import Outcome
    from closte_bridge.ledger.state import Identity, LedgerState
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import Change, LedgerUpdates, Plan

HOUR, DAY = 3600.0, 86400.0
_FIRST_WAIT = 15.0
_REFUSED_WAIT = DAY
LISTED_ELSEWHERE = "Closte reports that it already exists, but its list does not show it: it stays unmanaged"
_RE_READ = "read Closte's list again"
# After this many attempts, about a day, retries become daily.
_HOURLY_UNTIL = 30


def next_wait(attempts: int, *, refused: bool, chance: float) -> float:
    """Return the seconds to the next try: doubling up to an hour, then daily; refused domains wait a day, then a week.

    `chance` in 0..1 adds up to a quarter, so that a thousand failures are not retried at the same time.
    """
    if refused:
        wait = _REFUSED_WAIT if attempts <= 1 else 7 * DAY
    elif attempts > _HOURLY_UNTIL:
        wait = DAY
    else:
        wait = min(HOUR, _FIRST_WAIT * 2 ** (attempts - 1))
    return wait * (1 + chance / 4)


def record_observation(session: Session, plan: Plan) -> None:
    """Commit read results: events and evidence, confirmations, absences, counters.

    Reloads the view's ledger state if a change was unsettled. Writes only what changed, so that a run without changes
    costs one small commit.
    """
    engine, ledger, view, run = session.engine, session.ledger, session.view, session.run
    now, state = view.now, view.ledger
    with ledger.transaction():
        if state.clock_jumped:
            ledger.start_over(now)
        ledger_events.copy_events(ledger, view.snapshot.events, view.events, now)
        _update_ledger(ledger, plan.updates, state, now, run)
        if view.authority.rebind and state.identity:
            _rebind(session, state.identity)
        if view.snapshot.complete:
            ledger.save(
                HIGHEST_SITE.to(max(state.highest_site, view.snapshot.highest_site)),
                HIGHEST_MAPPING.to(max(state.highest_mapping, view.snapshot.highest_mapping)),
                REPORTS.to(view.snapshot.reports or state.reports),
            )
        if observed := view.observed.complete:
            ledger.save(OBSERVED_COUNT.to(count(observed.names, state)))
        note_went_back(ledger, view)
        ledger.save(*engine.clock.values(), LAST_TRY.to(engine.clock.now()))
        ledger.prune(now)
    if state.unsettled:
        # Undoing a change restores the view's state, which must include what this read settled.
        view.ledger = ledger.state(now, clock_jumped=state.clock_jumped)


def note_went_back(ledger: Ledger, view: Observation) -> None:
    """Remember a restored database until the next adoption; inside a transaction."""
    if view.snapshot.went_back:
        ledger.save(WENT_BACK.to(view.snapshot.went_back))


def _update_ledger(ledger: Ledger, updates: LedgerUpdates, state: LedgerState, now: float, run: str) -> None:
    for name, origin in updates.confirmed.items():
        phase = state.unsettled[name].phase
        ledger.put_aliases([(name, origin)], AliasPhase.PRESENT, now)
        if phase is not AliasPhase.REMOVING:
            ledger.count_addition(name, "" if ledger_log.was_managed(ledger, name) else registered_domain(name), now)
        ledger_log.append(ledger, [LogEntry(now, run, LogAction.CONFIRM, name, "found in Closte's list", "done")])
    for name in updates.vanished:
        unsettled = state.unsettled.get(name)
        removing = unsettled is not None and unsettled.phase is AliasPhase.REMOVING
        action, outcome = (LogAction.REMOVE, "done") if removing else (LogAction.FORGET, "no longer on Closte")
        if removing:
            ledger.count_removal(name, lost_class(name, state), now)
        ledger_log.append(ledger, [LogEntry(now, run, action, name, "based on Closte's list", outcome)])
    ledger_log.append(ledger, [_unclaimed(n, "response lost", now, run) for n in updates.unclaimed])
    ledger.forget((*updates.vanished, *updates.unclaimed))
    ledger.put_absences(updates.absences)
    ledger.clear("absences", updates.mentioned_again)
    ledger.clear("evidence", updates.mentioned_again)
    ledger.clear("failed_changes", updates.settled)
    ledger.clear_flag(LEAVING, updates.staying)
    ledger.disclaim(updates.lapsed)


def _unclaimed(name: str, cause: str, now: float, run: str) -> LogEntry:
    """Return the log entry of a requested domain that may have existed before the request."""
    why = "it may have existed before closte-bridge requested it: it stays unmanaged"
    return LogEntry(now, run, LogAction.ADD, name, cause, "unclaimed", why)


def _rebind(session: Session, identity: Identity) -> None:
    session.ledger.save(IDENTITY.to(replace(identity, key=session.access.key.fingerprint())))
    cause = "new API key with the same domains"
    ledger_log.append(session.ledger, [LogEntry(session.view.now, session.run, LogAction.REBIND, "", cause, "done")])


def record_intents(ledger: Ledger, changes: Iterable[Change], view: Observation, now: float) -> None:
    """Commit the intents of these changes before they are requested.

    An addition will be managed if a complete list showed that the domain was missing, or if it was managed before.
    """
    with ledger.transaction():
        for change in changes:
            if change.action is Action.REMOVE:
                ledger.put_aliases([(change.name, change.origin)], AliasPhase.REMOVING, now, absent_before=True)
                continue
            managed = _claimed(change.name, view)
            ledger.put_aliases(
                [(change.name, change.origin)],
                AliasPhase.ADDING,
                now,
                absent_before=managed or _missing_before(change.name, view),
            )


def _missing_before(name: str, view: Observation) -> bool:
    """Return whether a complete list showed that `name` was missing before the request."""
    return view.observed.complete is not None and name not in view.observed.names


def _claimed(name: str, view: Observation) -> bool:
    """Return whether `name` is managed if it exists: it was managed, or missing before an earlier request."""
    earlier = view.ledger.unsettled.get(name)
    return name in view.ledger.managed or (earlier is not None and earlier.absent_before)


def record_outcome(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float, run: str) -> bool:
    """Commit the outcome of a change; return whether it is settled (False: the list must show the result)."""
    # The intent is on disk. If this commit is lost, the list shows the result, so do not wait for the disk again.
    with ledger.transaction(durable=False):
        entry = LogEntry(
            now, run, LogAction(change.action), change.name, change.cause, outcome.kind.value, outcome.message
        )
        ledger_log.append(ledger, [entry])
        if was_there(change, outcome, view):
            ledger.forget([change.name])
            # Confirmed but never listed: retry with back-off.
            _put_failed_change(
                ledger, change, LISTED_ELSEWHERE, view, now, at_least=LIST_LAG, code=FailureCode.NOT_MANAGED
            )
            return True
        if outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY}:
            _succeeded(ledger, change, outcome, view, now)
            return True
        _failed(ledger, change, outcome, view, now)
        return outcome.attempts == 0 or outcome.kind not in {OutcomeKind.UNCLEAR, OutcomeKind.FAILED}


def was_there(change: Change, outcome: Outcome, view: Observation) -> bool:
    """Return whether the domain may have existed before the request (then it is unmanaged)."""
    return change.action is Action.ADD and outcome.kind is OutcomeKind.ALREADY and not _proven(change.name, view)


def _proven(name: str, view: Observation) -> bool:
    """Return whether `name`, which was requested, is managed if it exists."""
    return view.observed.complete is not None or _claimed(name, view)


def _succeeded(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float) -> None:
    if isinstance(change, Removal):
        _removed(ledger, change, now)
        return
    # Without a complete list as well: Closte may never return one, and added domains must become managed.
    ledger.put_aliases([(change.name, change.origin)], AliasPhase.PRESENT, now)
    registered = registered_domain(change.name) if _needs_certificate(change, outcome, view) else ""
    ledger.count_addition(change.name, registered, now)
    ledger.clear("failed_changes", [change.name])
    ledger.clear_flag(RELEASED, [change.name])
    if change.name in view.ledger.managed:
        # Confirmed before but not listed: retry with back-off until it shows.
        message = "Closte confirmed the change, but its list does not show it"
        _put_failed_change(ledger, change, message, view, now, at_least=LIST_LAG, code=FailureCode.NOT_LISTED)


def _needs_certificate(change: Change, outcome: Outcome, view: Observation) -> bool:
    """Return whether the addition needs a new certificate; repeated additions of existing domains do not."""
    if change.name in view.ledger.managed:
        return False
    # A domain that already existed has a certificate, unless an earlier request of this change added it.
    return outcome.kind is not OutcomeKind.ALREADY or outcome.attempts > 1 or change.name in view.ledger.unsettled


def _removed(ledger: Ledger, change: Removal, now: float) -> None:
    ledger.forget([change.name])
    ledger.count_removal(change.name, change.removal_class, now)
    ledger.save(OBSERVED_COUNT.to(max(0, OBSERVED_COUNT.of(ledger.meta()) - 1)))


def _failed(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float) -> None:
    if outcome.attempts == 0:
        _undo_intent(ledger, change, view, now)
        return
    # Honor Retry-After, but cap it.
    pause = min(outcome.retry_after or 0.0, DAY)
    _put_failed_change(
        ledger, change, outcome.message, view, now, at_least=pause, refused=outcome.kind is OutcomeKind.REFUSED
    )
    if outcome.kind is OutcomeKind.UNCLEAR:
        ledger.set_phase(
            [change.name], AliasPhase.REMOVING if change.action is Action.REMOVE else AliasPhase.UNCONFIRMED
        )
    else:
        _undo_intent(ledger, change, view, now)


def _put_failed_change(
    ledger: Ledger,
    change: Change,
    message: str,
    view: Observation,
    now: float,
    *,
    at_least: float,
    refused: bool = False,
    code: FailureCode | None = None,
) -> None:
    """Record another failed attempt and the time of the next one."""
    earlier = view.ledger.trouble(change.name, change.action)
    attempts = (earlier.attempts if earlier else 0) + 1
    refusals = (earlier.refusals if earlier else 0) + refused
    wait = next_wait(refusals if refused else attempts, refused=refused, chance=random.random())  # noqa: S311 - jitter
    since = earlier.since if earlier else now
    trouble = FailedChange(
        attempts, now + max(wait, at_least), refused, message, since, change.action.value, refusals, code
    )
    ledger.put_failed_change(change.name, trouble)


def _undo_intent(ledger: Ledger, change: Change, view: Observation, now: float) -> None:
    """Roll back a change that definitely did not happen."""
    name = change.name
    if name in view.ledger.managed:
        ledger.put_aliases([(name, view.ledger.managed[name])], AliasPhase.PRESENT, now)
    elif name in view.ledger.unsettled:
        earlier = view.ledger.unsettled[name]
        ledger.put_aliases([(name, earlier.origin)], earlier.phase, earlier.since, absent_before=earlier.absent_before)
    elif change.action is Action.ADD:
        ledger.write("DELETE FROM aliases WHERE name = ?", [(name,)])


def record_return(ledger: Ledger, names: Collection[str]) -> None:
    """Commit that domains due for removal are in use again: a later removal starts with a new delay."""
    with ledger.transaction():
        ledger.clear("absences", names)
        ledger.clear("evidence", names)


def undo_intents(ledger: Ledger, changes: Iterable[Change], view: Observation, now: float) -> None:
    """Roll back committed intents of changes that were never sent."""
    with ledger.transaction():
        for change in changes:
            _undo_intent(ledger, change, view, now)


def record_seen(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float, run: str) -> None:
    """Commit that a list read after a change confirms it."""
    with ledger.transaction(durable=False):
        if change.action is Action.REMOVE or _proven(change.name, view):
            entry = LogEntry(now, run, LogAction(change.action), change.name, _RE_READ, "done")
            _succeeded(ledger, change, outcome, view, now)
        else:
            entry = _unclaimed(change.name, _RE_READ, now, run)
            ledger.forget([change.name])
        ledger_log.append(ledger, [entry])


def record_elsewhere(ledger: Ledger, change: Change, message: str, view: Observation, now: float, run: str) -> None:
    """Commit that a domain exists in another application: it is unmanaged, and retried once a day."""
    with ledger.transaction(durable=False):
        ledger.forget([change.name])
        _put_failed_change(ledger, change, message, view, now, at_least=DAY, code=FailureCode.EXISTS_ELSEWHERE)
        entry = LogEntry(
            now, run, LogAction(change.action), change.name, _RE_READ, FailureCode.EXISTS_ELSEWHERE, message
        )
        ledger_log.append(ledger, [entry])


def record_contradicted(
    ledger: Ledger,
    change: Change,
    message: str,
    view: Observation,
    now: float,
    run: str,
    *,
    undo: bool,
    code: FailureCode | None = None,
) -> None:
    """Commit that a list read after a change does not confirm it; the change is retried after `LIST_LAG`.

    `undo`: the change definitely did not happen, so roll it back.
    """
    with ledger.transaction(durable=False):
        _put_failed_change(ledger, change, message, view, now, at_least=LIST_LAG, code=code)
        if undo:
            _undo_intent(ledger, change, view, now)
        entry = LogEntry(now, run, LogAction(change.action), change.name, _RE_READ, "contradicted", message)
        ledger_log.append(ledger, [entry])
