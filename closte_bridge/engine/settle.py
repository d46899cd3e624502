"""Settle changes in doubt with a list read after them; without one, Closte's responses decide (rule 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.engine.bookkeeping import record_contradicted, record_elsewhere, record_seen, was_there
from closte_bridge.hosting import Action, Completeness, OutcomeKind
from closte_bridge.ledger.state import LIST_LAG, FailureCode
from closte_bridge.planning.completeness import assess_list
from closte_bridge.planning.model import Hold, HoldCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.engine.apply import ApplyPass
    from closte_bridge.engine.observation import Observation
    from closte_bridge.hosting import Outcome
    from closte_bridge.planning.model import Change

# After this many confirmations without the domain in the list, the change counts as failed.
_CONFIRMED_IN_VAIN = 2
_SUCCESS = frozenset({OutcomeKind.DONE, OutcomeKind.ALREADY})


def doubted(change: Change, outcome: Outcome, view: Observation) -> bool:
    """Return whether the list of this run contradicts the response to a change: a list read afterwards decides."""
    name, observed = change.name, view.observed
    if change.action is Action.REMOVE:
        return outcome.kind is OutcomeKind.ALREADY and name in observed.names
    if outcome.kind is OutcomeKind.ALREADY:
        return observed.readable and not observed.paged
    trouble = view.ledger.trouble(name, Action.ADD)
    again = trouble is not None and trouble.code is FailureCode.NOT_LISTED and trouble.attempts >= _CONFIRMED_IN_VAIN
    return (
        outcome.kind is OutcomeKind.DONE
        and observed.complete is not None
        and again
        and name not in view.ledger.added_lately
    )


def perhaps_late(change: Change, outcome: Outcome, view: Observation, now: float) -> bool:
    """Return whether an earlier request may have made the change that the list does not show yet."""
    unsettled = view.ledger.unsettled.get(change.name)
    recent = unsettled is not None and now - unsettled.since <= LIST_LAG
    return outcome.attempts > 1 or recent or change.name in view.ledger.added_lately


def settle(this: ApplyPass, doubtful: Sequence[tuple[Change, Outcome]]) -> None:
    """Read the list again, and record the result of each change in doubt."""
    if not doubtful:
        return
    view, ledger, now = this.session.view, this.session.ledger, this.session.engine.clock.now
    names, complete = frozenset[str](), None
    listing = this.session.access.client.list_aliases() if not this.applied.key_rejected else None
    if listing is not None and listing.state is not Completeness.UNREADABLE:
        # Use the current ledger: removals of this run must not count as a shrunken list.
        state = ledger.state(now())
        names, complete = listing.names, assess_list(listing, view.snapshot.network.domain, state).complete
    for change, outcome in doubtful:
        there = change.name in names
        if not (there or complete):
            # An incomplete list proves only the domains it contains.
            _by_response(this, change, outcome)
        elif there is (change.action is Action.ADD):
            if was_there(change, outcome, view):
                this.record(change, outcome)
                continue
            record_seen(ledger, change, outcome, view, now(), this.session.run)
            this.applied.done.append(change)
        else:
            _contradicted(this, change, outcome)


def _by_response(this: ApplyPass, change: Change, outcome: Outcome) -> None:
    if outcome.kind in _SUCCESS:
        this.record(change, outcome)
    else:
        this.fail(change, outcome.kind, outcome.message)


def _contradicted(this: ApplyPass, change: Change, outcome: Outcome) -> None:
    """Record a change that did not happen according to the list."""
    view, ledger, now = this.session.view, this.session.ledger, this.session.engine.clock.now()
    common = (view, now, this.session.run)
    if outcome.kind not in _SUCCESS:
        this.fail(change, outcome.kind, outcome.message)
    elif outcome.kind is OutcomeKind.DONE:
        message = "Closte confirmed the change again, but Closte's list still does not show it."
        record_contradicted(ledger, change, message, *common, undo=False, code=FailureCode.NOT_LISTED)
        this.fail(change, OutcomeKind.FAILED, message)
    elif perhaps_late(change, outcome, view, now):
        if change.name in view.ledger.added_lately:
            this.record(change, outcome)
            return
        shown = "does not show it yet" if change.action is Action.ADD else "still shows it"
        record_contradicted(ledger, change, f"{outcome.message} Closte's list {shown}.", *common, undo=False)
        this.applied.held.append(Hold(change.action, change.name, HoldCode.LIST_LAG, f"Closte's list {shown}"))
    elif change.action is Action.ADD:
        message = "Closte reports that it exists, but not in this application."
        record_elsewhere(ledger, change, message, *common)
        this.fail(change, OutcomeKind.FAILED, message, FailureCode.EXISTS_ELSEWHERE)
    else:
        message = "Closte reports that it does not exist, but its list shows it."
        record_contradicted(ledger, change, message, *common, undo=True)
        this.fail(change, OutcomeKind.FAILED, message)
