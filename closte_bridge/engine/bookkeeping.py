"""Write into the ledger what a look showed and what each change came to."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.closte.outcome import OutcomeKind
from closte_bridge.domains import registered_domain
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import LEAVING, RELEASED
from closte_bridge.ledger.log import LogEntry
from closte_bridge.ledger.state import AliasPhase, FailedChange, RemovalClass
from closte_bridge.ledger.store import LIST_LAG
from closte_bridge.planning.completeness import count
from closte_bridge.planning.model import ELSEWHERE, NOT_LISTED, NOT_MANAGED, Action, Change, LedgerUpdates, Plan
from closte_bridge.planning.removals import lost_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.closte.outcome import Outcome
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.state import Identity, LedgerState
    from closte_bridge.ledger.store import Ledger

HOUR, DAY = 3600.0, 86400.0
_FIRST_WAIT = 15.0
_REFUSED_WAIT = DAY
LISTED_ELSEWHERE = "Closte says that it is there, and its list does not show it: not ours"
# After so many attempts about a day has gone by, and the tries become daily.
_HOURLY_UNTIL = 30


def next_wait(attempts: int, *, refused: bool, chance: float) -> float:
    """Return seconds to the next try: doubling up to hourly, then daily; refused names wait a day, then a week.

    `chance` in 0..1 spreads the tries by up to a quarter, so that a thousand failures do not come back at once.
    """
    if refused:
        wait = _REFUSED_WAIT if attempts <= 1 else 7 * DAY
    elif attempts > _HOURLY_UNTIL:
        wait = DAY
    else:
        wait = min(HOUR, _FIRST_WAIT * 2 ** (attempts - 1))
    return wait * (1 + chance / 4)


def record_observation(engine: Engine, ledger: Ledger, view: Observation, plan: Plan, run: str) -> None:
    """Commit what looking taught: events and their evidence, what was confirmed, what is missing, counters.

    Where a change was unsettled, the view's ledger holds what was settled from then on. Writes nothing that has not
    changed, so that a run without changes costs one small commit.
    """
    now, state = view.now, view.ledger
    with ledger.transaction():
        if state.clock_jumped:
            ledger.start_over(now)
        ledger_events.copy_events(ledger, view.snapshot.events, now)
        _update_ledger(ledger, plan.updates, state, now, run)
        if view.authority.rebind and state.identity:
            _rebind(ledger, state.identity, view, run)
        highest: dict[str, str | None] = {}
        if view.snapshot.complete:
            highest = {
                "highest_site": str(max(state.highest_site, view.snapshot.highest_site)),
                "highest_mapping": str(max(state.highest_mapping, view.snapshot.highest_mapping)),
            }
            if view.snapshot.reports:
                highest["reports"] = "{} {}".format(*view.snapshot.reports)
        if view.observed.complete:
            highest["observed_count"] = str(count(view.observed.names, state))
        note_went_back(ledger, view)
        ledger.set_meta(**highest, **engine.clock.meta(), last_try=repr(engine.clock.now()))
        ledger.prune(now)
    if state.unsettled:
        # What the look settled must not come back when a change is undone to what the view knows.
        view.ledger = ledger.state(now, clock_jumped=state.clock_jumped)


def note_went_back(ledger: Ledger, view: Observation) -> None:
    """Remember that the database went back in time, until it is adopted anew; inside a transaction."""
    if view.snapshot.went_back:
        ledger.set_meta(went_back=view.snapshot.went_back)


def _update_ledger(ledger: Ledger, books: LedgerUpdates, state: LedgerState, now: float, run: str) -> None:
    for name, origin in books.confirmed.items():
        phase = state.unsettled[name].phase
        ledger.put_aliases([(name, origin)], AliasPhase.PRESENT, now)
        if phase is not AliasPhase.REMOVING:
            ledger.count_addition(name, "" if ledger_log.was_managed(ledger, name) else registered_domain(name), now)
        ledger_log.append(ledger, [LogEntry(now, run, "confirm", name, "seen in the list", "done")])
    for name in books.vanished:
        unsettled = state.unsettled.get(name)
        removing = unsettled is not None and unsettled.phase is AliasPhase.REMOVING
        action, outcome = ("remove", "done") if removing else ("forget", "no longer at Closte")
        if removing:
            ledger.count_removal(name, lost_class(name, state), now)
        ledger_log.append(ledger, [LogEntry(now, run, action, name, "by Closte's list", outcome)])
    ledger_log.append(ledger, [_unclaimed(n, "an answer was lost", now, run) for n in books.unclaimed])
    ledger.forget((*books.vanished, *books.unclaimed))
    ledger.put_absences(books.absences)
    ledger.clear("absences", books.mentioned_again)
    ledger.clear("evidence", books.mentioned_again)
    ledger.clear("failed_changes", books.settled)
    ledger.clear_flag(LEAVING, books.staying)
    ledger.disclaim(books.lapsed)


def _unclaimed(name: str, cause: str, now: float, run: str) -> LogEntry:
    """Return what explains how a name got there that was asked for while no list told whether it was there before."""
    why = "it is there, and may have been before it was asked for: not ours"
    return LogEntry(now, run, "add", name, cause, "unclaimed", why)


def _rebind(ledger: Ledger, identity: Identity, view: Observation, run: str) -> None:
    ledger.set_identity(replace(identity, key=view.key.fingerprint()))
    ledger_log.append(ledger, [LogEntry(view.now, run, "rebind", "", "a new key with the same aliases", "done")])


def record_intents(ledger: Ledger, changes: Iterable[Change], view: Observation, now: float) -> None:
    """Commit that these changes are about to be asked for, before they are.

    An addition is ours when a complete list had shown that the name was not there, or when it was ours before.
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
                absent_before=managed or (view.observed.complete and change.name not in view.observed.names),
            )


def _claimed(name: str, view: Observation) -> bool:
    """Tell whether `name` is ours if it is there: it was, or an earlier request for it found it missing."""
    earlier = view.ledger.unsettled.get(name)
    return name in view.ledger.managed or (earlier is not None and earlier.absent_before)


def record_outcome(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float, run: str) -> bool:
    """Commit what a change came to; return whether it is settled (False: it has to be looked at in the list)."""
    # The intent is on the disk. Without this the list tells what came of it, so nobody has to wait for the disk again.
    with ledger.transaction(durable=False):
        entry = LogEntry(now, run, change.action.value, change.name, change.cause, outcome.kind.value, outcome.message)
        ledger_log.append(ledger, [entry])
        if was_there(change, outcome, view):
            ledger.forget([change.name])
            # In step as far as anybody knows, and yet it would be missing at every look: asked for ever less often.
            _put_failed_change(ledger, change, LISTED_ELSEWHERE, view, now, at_least=LIST_LAG, code=NOT_MANAGED)
            return True
        if outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY}:
            _succeeded(ledger, change, outcome, view, now)
            return True
        _failed(ledger, change, outcome, view, now)
        return outcome.attempts == 0 or outcome.kind not in {OutcomeKind.UNCLEAR, OutcomeKind.FAILED}


def was_there(change: Change, outcome: Outcome, view: Observation) -> bool:
    """Tell whether a name was there before we asked, as far as anybody knows: it is not ours, and was not added."""
    return change.action is Action.ADD and outcome.kind is OutcomeKind.ALREADY and not _proven(change.name, view)


def _proven(name: str, view: Observation) -> bool:
    """Tell whether `name`, which was to be added, is ours if it is there."""
    return view.observed.complete or _claimed(name, view)


def _succeeded(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float) -> None:
    if change.action is Action.REMOVE:
        _removed(ledger, change, now)
        return
    # Also without a complete list, which Closte may never give: else nothing that is added would ever be ours.
    ledger.put_aliases([(change.name, change.origin)], AliasPhase.PRESENT, now)
    registered = registered_domain(change.name) if _needs_certificate(change, outcome, view) else ""
    ledger.count_addition(change.name, registered, now)
    ledger.clear("failed_changes", [change.name])
    ledger.clear_flag(RELEASED, [change.name])
    if change.name in view.ledger.managed:
        # It had been confirmed before, and is not in the list: asked again less and less often until it shows.
        message = "Closte confirmed it, but its list does not show it"
        _put_failed_change(ledger, change, message, view, now, at_least=LIST_LAG, code=NOT_LISTED)


def _needs_certificate(change: Change, outcome: Outcome, view: Observation) -> bool:
    """Return whether an addition is of a domain that had no certificate: a short list makes us ask for others again."""
    if change.name in view.ledger.managed:
        return False
    # What exists already was added by somebody before, unless an earlier request of ours did it.
    return outcome.kind is not OutcomeKind.ALREADY or outcome.attempts > 1 or change.name in view.ledger.unsettled


def _removed(ledger: Ledger, change: Change, now: float) -> None:
    ledger.forget([change.name])
    ledger.count_removal(change.name, change.removal_class or RemovalClass.INFERENCE, now)
    seen = int(ledger.meta().get("observed_count", "0"))
    ledger.set_meta(observed_count=str(max(0, seen - 1)))


def _failed(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float) -> None:
    if outcome.attempts == 0:
        _undo_intent(ledger, change, view, now)
        return
    # A pause that Closte asks for is kept, but no answer may put a name off for good.
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
    code: str = "",
) -> None:
    """Write down that the change did not succeed yet again, and when it is tried next."""
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
    """The change surely did not happen: put back what the ledger said of the name before."""
    name = change.name
    if name in view.ledger.managed:
        ledger.put_aliases([(name, view.ledger.managed[name])], AliasPhase.PRESENT, now)
    elif name in view.ledger.unsettled:
        earlier = view.ledger.unsettled[name]
        ledger.put_aliases([(name, earlier.origin)], earlier.phase, earlier.since, absent_before=earlier.absent_before)
    elif change.action is Action.ADD:
        ledger.write("DELETE FROM aliases WHERE name = ?", [(name,)])


def record_return(ledger: Ledger, names: Collection[str]) -> None:
    """Commit that names about to be removed are mentioned again: should they go anew, waiting starts over."""
    with ledger.transaction():
        ledger.clear("absences", names)
        ledger.clear("evidence", names)


def undo_intents(ledger: Ledger, changes: Iterable[Change], view: Observation, now: float) -> None:
    """Put the ledger back for changes whose intent was committed and that were never sent."""
    with ledger.transaction():
        for change in changes:
            _undo_intent(ledger, change, view, now)


def record_seen(ledger: Ledger, change: Change, outcome: Outcome, view: Observation, now: float, run: str) -> None:
    """Commit that a list, read after a change, shows that it happened."""
    with ledger.transaction(durable=False):
        if change.action is Action.REMOVE or _proven(change.name, view):
            entry = LogEntry(now, run, change.action.value, change.name, "read the list again", "done")
            _succeeded(ledger, change, outcome, view, now)
        else:
            entry = _unclaimed(change.name, "read the list again", now, run)
            ledger.forget([change.name])
        ledger_log.append(ledger, [entry])


def record_elsewhere(ledger: Ledger, change: Change, message: str, view: Observation, now: float, run: str) -> None:
    """Commit that a domain exists in another application: it is not managed, and asked for again once a day."""
    with ledger.transaction(durable=False):
        ledger.forget([change.name])
        _put_failed_change(ledger, change, message, view, now, at_least=DAY, code=ELSEWHERE)
        cause = "read the list again"
        ledger_log.append(ledger, [LogEntry(now, run, change.action.value, change.name, cause, ELSEWHERE, message)])


def record_contradicted(
    ledger: Ledger, change: Change, message: str, view: Observation, now: float, run: str, *, undo: bool, code: str = ""
) -> None:
    """Commit that a change did not happen, or cannot be seen yet, by a list read after it; ask again once that is late.

    `undo`: it surely did not happen, so that the ledger says of the domain what it said before.
    """
    with ledger.transaction(durable=False):
        _put_failed_change(ledger, change, message, view, now, at_least=LIST_LAG, code=code)
        if undo:
            _undo_intent(ledger, change, view, now)
        cause = "read the list again"
        ledger_log.append(
            ledger, [LogEntry(now, run, change.action.value, change.name, cause, "contradicted", message)]
        )
