"""Carry out a plan's changes: intents first, additions before removals, WordPress read again before any removal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.closte.outcome import OutcomeKind
from closte_bridge.domains import is_wildcard, wildcard_over
from closte_bridge.engine.bookkeeping import (
    LISTED_ELSEWHERE,
    record_intents,
    record_outcome,
    record_return,
    undo_intents,
    was_there,
)
from closte_bridge.engine.settle import doubted, settle
from closte_bridge.engine.snapshots import read_snapshot, start_snapshot
from closte_bridge.errors import BridgeError, UnreadableError
from closte_bridge.planning.authority import decide_authority
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import NOT_MANAGED, Action, Hold, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from closte_bridge.closte.outcome import Outcome
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Change, Plan

# One commit holds the intents of so many changes. Each is committed before its call; together they cost one flush.
_BATCH = 50
# A removal is sent, or repeated, so many seconds at most after WordPress was read.
_FRESH = 5.0


class Failure(NamedTuple):
    """A change that did not succeed, with the sentence that says why; `code` is for one that has its own."""

    change: Change
    kind: OutcomeKind
    message: str
    code: str = ""


@dataclass(slots=True)
class Applied:
    """What became of a plan: every change is in exactly one of the lists, or was never begun.

    `already` are the domains that Closte said existed already, whatever came of that.
    """

    done: list[Change] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    held: list[Hold] = field(default_factory=list)
    not_begun: list[Change] = field(default_factory=list)
    stopped: str = ""
    reread_failed: UnreadableError | None = None
    key_rejected: bool = False
    key_taken: bool = False
    already: set[str] = field(default_factory=set)

    def left_of(self, changes: Iterable[Change]) -> list[Change]:
        """Return those of `changes` that nothing became of: they were never begun."""
        known = {(change.action, change.name) for change in self.done}
        known |= {(failure.change.action, failure.change.name) for failure in self.failed}
        known |= {(hold.action, hold.name) for hold in self.held}
        return [change for change in changes if (change.action, change.name) not in known]


@dataclass(slots=True)
class ApplyPass:
    """One pass over a plan's changes: what was begun, and what is in doubt until the list was read once more."""

    engine: Engine
    ledger: Ledger
    view: Observation
    run: str
    applied: Applied
    on_step: Callable[[], None]
    begun: dict[str, Change] = field(default_factory=dict)
    doubtful: list[tuple[Change, Outcome]] = field(default_factory=list)

    def feed(self, changes: Sequence[Change]) -> Iterator[tuple[str, str]]:
        """Give the client one change after another, each with its intent committed."""
        for start in range(0, len(changes), _BATCH):
            batch = changes[start : start + _BATCH]
            record_intents(self.ledger, batch, self.view, self.engine.clock.now())
            self.begun.update({change.name: change for change in batch})
            for change in batch:
                yield change.action.value, change.name

    def take(self, name: str, outcome: Outcome) -> None:
        """File one outcome, or keep it until the list was read once more."""
        change = self.begun.pop(name)
        if outcome.kind is OutcomeKind.KEY_REJECTED:
            outcome = self._without_key(outcome)
        if outcome.attempts:
            self.on_step()
        if doubted(change, outcome, self.view):
            open_ = replace(outcome, kind=OutcomeKind.UNCLEAR)
            record_outcome(self.ledger, change, open_, self.view, self.engine.clock.now(), self.run)
            self.doubtful.append((change, outcome))
        else:
            self.file(change, outcome)

    def file(self, change: Change, outcome: Outcome) -> None:
        """File an outcome by Closte's words."""
        settled = record_outcome(self.ledger, change, outcome, self.view, self.engine.clock.now(), self.run)
        if outcome.attempts == 0:
            return
        if change.action is Action.ADD and outcome.kind is OutcomeKind.ALREADY:
            self.applied.already.add(change.name)
        if was_there(change, outcome, self.view):
            self.applied.held.append(Hold(Action.ADD, change.name, NOT_MANAGED, LISTED_ELSEWHERE))
        elif outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY}:
            self.applied.done.append(change)
        elif settled:
            self.fail(change, outcome.kind, outcome.message)
        else:
            self.doubtful.append((change, outcome))

    def left_of(self, changes: Iterable[Change]) -> list[Change]:
        """Return those of `changes` that were not begun; what is in doubt was."""
        doubtful = {(change.action, change.name) for change, _ in self.doubtful}
        return [c for c in self.applied.left_of(changes) if (c.action, c.name) not in doubtful]

    def fail(self, change: Change, kind: OutcomeKind, message: str, code: str = "") -> None:
        """File a change that did not succeed."""
        self.applied.failed.append(Failure(change, kind, message, code))

    def _without_key(self, outcome: Outcome) -> Outcome:
        """Return what an answer as to a wrong key means for its name; a key that is not taken ends the run."""
        self._try_key()
        if not self.applied.key_rejected:
            # A firewall, or words about another key: the trouble of this name, and no other has to wait for it.
            tried = "is taken" if self.applied.key_taken else "could not be tried"
            outcome = replace(outcome, kind=OutcomeKind.FAILED, message=f"{outcome.message} The key itself {tried}.")
        # Whatever it is about: where an attempt before it may have made the change, the intent stays.
        return replace(outcome, kind=OutcomeKind.UNCLEAR) if outcome.in_doubt else outcome

    def _try_key(self) -> None:
        """Ask Closte, once in a run, whether it takes the key; anything but a clear yes is a no, and ends the run.

        When it cannot be asked the run is at its end for another reason, and nothing is said of the key.
        """
        if not (self.applied.key_taken or self.applied.key_rejected):
            test = self.view.client.test_connection()
            self.applied.key_taken, self.applied.key_rejected = test.ok, test.sent and not test.ok


def apply_changes(
    engine: Engine,
    ledger: Ledger,
    view: Observation,
    plan: Plan,
    run: str,
    *,
    on_step: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Applied:
    """Make the plan's changes at Closte and write down what came of each. Raises BridgeError for a broken ledger."""
    applied = Applied()
    this = ApplyPass(engine, ledger, view, run, applied, on_step)

    def over() -> bool:
        return applied.key_rejected or should_stop()

    def run_round(changes: Sequence[Change], begin_within: float = math.inf) -> None:
        stopped = view.client.run(
            this.feed(changes),  # type: ignore[arg-type]  # the action's values are the client's literals
            lambda _, name, outcome: this.take(name, outcome),
            over,
            begin_within=begin_within,
        )
        applied.stopped = applied.stopped or stopped
        undo_intents(ledger, this.begun.values(), view, engine.clock.now())
        this.begun.clear()

    additions, removals = (_in_order(changes, view) for changes in (plan.additions, plan.removals))
    if additions and not over():
        run_round(additions)
    while removals and not over() and not applied.stopped:
        removals = _still_unwanted(engine, view, removals, applied)
        if removals:
            run_round(removals[:_BATCH], _FRESH)
        left = this.left_of(removals)
        if removals and len(left) == len(removals):
            applied.stopped = applied.stopped or f"None was sent within {_FRESH:.0f} s of reading WordPress."
        removals = left
    # One reading for the whole run, after all of its changes.
    settle(this, tuple(this.doubtful))
    applied.not_begun = applied.left_of(plan.changes)
    return applied


def _in_order(changes: Sequence[Change], view: Observation) -> list[Change]:
    """Return changes with those last that failed most often: a few hopeless ones that end the run block no other."""
    return sorted(changes, key=lambda change: _failures(change, view))


def _failures(change: Change, view: Observation) -> int:
    trouble = view.ledger.trouble(change.name, change.action)
    return trouble.attempts if trouble else 0


def _still_unwanted(engine: Engine, view: Observation, removals: Sequence[Change], applied: Applied) -> list[Change]:
    """Read WordPress once more and keep those removals that nothing mentions even now (rule 4)."""
    try:
        snapshot = read_snapshot(engine, start_snapshot(engine, ask_key=False, acknowledge=False), view.ledger)
    except UnreadableError as error:
        applied.reread_failed = error
        applied.held += [_spared(change, "the second look at WordPress failed") for change in removals]
        return []
    authority = decide_authority(snapshot, view.observed, view.ledger, engine.installation(view.ledger, view.key))
    desire = desired(snapshot, engine.policy(), view.ledger)
    before = view.desire(engine)
    doomed, back = [], []
    for change in removals:
        if not snapshot.complete:
            applied.held.append(_spared(change, f"the second look was not complete: {snapshot.problems[0]}"))
        elif authority.mode is not Mode.FULL:
            applied.held.append(_spared(change, authority.reason))
        elif mention := desire.mention(change.name):
            applied.held.append(_spared(change, f"{mention} mentions it by now"))
            back.append(change.name)
        elif late := _covered_since(change.name, before, desire):
            applied.held.append(_spared(change, f'it covers "{late}", which is new'))
        else:
            doomed.append(change)
    if back and engine.ledger is not None:
        record_return(engine.ledger, back)
    return doomed


def _covered_since(name: str, before: Desired, after: Desired) -> str | None:
    """Return a name under the wildcard `name` that came into use since the first look: nobody added it yet."""
    if not is_wildcard(name):
        return None
    seen, now = ({*desire.mapped, *desire.www, *desire.site_domains()} for desire in (before, after))
    return min((n for n in now - seen if wildcard_over(n) == name), default=None)


def _spared(change: Change, reason: str) -> Hold:
    return Hold(Action.REMOVE, change.name, "second-look", reason)


def key_rejected() -> BridgeError:
    """Return the error for a key that Closte does not take."""
    return BridgeError(
        "Closte rejected the API key.",
        code="key-rejected",
        hint="Compare the key with the one in Closte's dashboard; `closte-bridge integration test` tries it.",
    )
