"""Apply a plan: record intents, add, re-read WordPress, remove."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from closte_bridge.counts import counted
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
from closte_bridge.errors import BridgeError, UnreadableError, attach_secondary
from closte_bridge.hosting import Action, OutcomeKind
from closte_bridge.planning.authority import decide_authority
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import Hold, HoldCode, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from closte_bridge.engine.observation import Observation, Session
    from closte_bridge.hosting import Outcome
    from closte_bridge.ledger.state import FailureCode
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.model import Change, Plan, Removal
    from closte_bridge.wordpress.snapshot import CompleteSnapshot

C = TypeVar("C", bound="Change")

# Intents per commit. All are committed before their calls; together they need one flush to disk.
_BATCH = 50
# Maximum age in seconds of the WordPress read when a removal is sent or repeated.
_FRESH = 5.0


class Failure(NamedTuple):
    """A failed change; `message` is a sentence with the reason."""

    change: Change
    kind: OutcomeKind
    message: str
    code: FailureCode | None = None


@dataclass(slots=True)
class Applied:
    """Result of a plan: each change is in exactly one of the lists; `not_begun` are the skipped ones.

    `already`: domains that Closte reported as existing, regardless of the result.
    """

    done: list[Change] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    held: list[Hold] = field(default_factory=list)
    not_begun: list[Change] = field(default_factory=list)
    stopped: str = ""
    reread_failed: UnreadableError | None = None
    key_rejected: bool = False
    key_accepted: bool = False
    already: set[str] = field(default_factory=set)

    def left_of(self, changes: Iterable[C]) -> list[C]:
        """Return the `changes` that were never begun."""
        known = {(change.action, change.name) for change in self.done}
        known |= {(failure.change.action, failure.change.name) for failure in self.failed}
        known |= {(hold.action, hold.name) for hold in self.held}
        return [change for change in changes if (change.action, change.name) not in known]


@dataclass(slots=True)
class ApplyPass:
    """One pass over a plan's changes, with those begun and those in doubt until the list is read again.

    `handed`: the domains whose change went to the client. `suspects`: changes whose response suggests a wrong key,
    which is tested after the round.
    """

    session: Session
    applied: Applied
    on_step: Callable[[], None]
    should_stop: Callable[[], bool]
    begun: dict[str, Change] = field(default_factory=dict)
    handed: set[str] = field(default_factory=set)
    doubtful: list[tuple[Change, Outcome]] = field(default_factory=list)
    suspects: list[tuple[Change, Outcome]] = field(default_factory=list)

    def ended(self) -> bool:
        """Return whether no other change may begin."""
        return self.applied.key_rejected or bool(self.applied.stopped) or self.should_stop()

    def send(self, changes: Sequence[Change], begin_within: float = math.inf) -> bool:
        """Send changes until the key has to be tested, and test it; return whether it was."""
        session = self.session
        stopped = session.access.client.run(
            self._feed(changes),
            lambda _, name, outcome: self._receive(name, outcome),
            self.ended,
            begin_within=begin_within,
        )
        self.applied.stopped = self.applied.stopped or stopped
        undo_intents(session.ledger, self.begun.values(), session.view, session.engine.clock.now())
        self.begun.clear()
        suspects, self.suspects = self.suspects, []
        for change, outcome in suspects:
            self._settle(change, self._without_key(outcome))
        return bool(suspects)

    def _feed(self, changes: Sequence[Change]) -> Iterator[tuple[Action, str]]:
        """Yield changes to the client after committing their intents."""
        for start in range(0, len(changes), _BATCH):
            batch = changes[start : start + _BATCH]
            self.begun.update({change.name: change for change in batch})
            record_intents(self.session.ledger, batch, self.session.view, self.session.engine.clock.now())
            for change in batch:
                if self.suspects:
                    return
                self.handed.add(change.name)
                yield change.action, change.name

    def _receive(self, name: str, outcome: Outcome) -> None:
        change = self.begun.pop(name)
        if outcome.attempts:
            self.on_step()
        if outcome.kind is OutcomeKind.KEY_REJECTED:
            self.suspects.append((change, outcome))
        else:
            self._settle(change, outcome)

    def _settle(self, change: Change, outcome: Outcome) -> None:
        """Record the outcome of one change, or keep it until the list is read again."""
        if doubted(change, outcome, self.session.view):
            self._record_outcome(change, replace(outcome, kind=OutcomeKind.UNCLEAR))
            self.doubtful.append((change, outcome))
        else:
            self.record(change, outcome)

    def _record_outcome(self, change: Change, outcome: Outcome) -> bool:
        session = self.session
        now = session.engine.clock.now()
        return record_outcome(session.ledger, change, outcome, session.view, now, session.run)

    def record(self, change: Change, outcome: Outcome) -> None:
        """Record an outcome as Closte reported it."""
        settled = self._record_outcome(change, outcome)
        if outcome.attempts == 0:
            return
        if change.action is Action.ADD and outcome.kind is OutcomeKind.ALREADY:
            self.applied.already.add(change.name)
        if was_there(change, outcome, self.session.view):
            self.applied.held.append(Hold(Action.ADD, change.name, HoldCode.NOT_MANAGED, LISTED_ELSEWHERE))
        elif outcome.kind in {OutcomeKind.DONE, OutcomeKind.ALREADY}:
            self.applied.done.append(change)
        elif settled:
            self.fail(change, outcome.kind, outcome.message)
        else:
            self.doubtful.append((change, outcome))

    def left_of(self, changes: Iterable[C]) -> list[C]:
        """Return the `changes` that were not begun; those in doubt were."""
        doubtful = {(change.action, change.name) for change, _ in self.doubtful}
        return [c for c in self.applied.left_of(changes) if (c.action, c.name) not in doubtful]

    def fail(self, change: Change, kind: OutcomeKind, message: str, code: FailureCode | None = None) -> None:
        """Record a failed change."""
        self.applied.failed.append(Failure(change, kind, message, code))

    def _without_key(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a change whose response suggests a wrong key; a rejected key ends the run."""
        self._test_key()
        if not self.applied.key_rejected:
            # The key itself was not rejected, so this error only affects this domain.
            tested = "is valid" if self.applied.key_accepted else "could not be tested"
            outcome = replace(outcome, kind=OutcomeKind.FAILED, message=f"{outcome.message} The API key {tested}.")
        # If an earlier attempt may have made the change, the intent stays.
        return replace(outcome, kind=OutcomeKind.UNCLEAR) if outcome.in_doubt else outcome

    def _test_key(self) -> None:
        """Test the key with Closte, once per run; anything but a clear acceptance counts as rejected.

        If the test cannot be sent, the run ends for that reason, and the key stays untested.
        """
        if not (self.applied.key_accepted or self.applied.key_rejected):
            test = self.session.access.client.test_connection()
            self.applied.key_accepted, self.applied.key_rejected = test.ok, test.sent and not test.ok


def apply_changes(
    session: Session,
    plan: Plan,
    *,
    on_step: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Applied:
    """Make the plan's changes on Closte and record each outcome. Raises BridgeError for a broken ledger."""
    applied = Applied()
    this = ApplyPass(session, applied, on_step, should_stop)
    try:
        _make(this, plan)
    except KeyboardInterrupt as interruption:
        attach_secondary(interruption, [_interrupted(this, plan)])
        raise
    # One read of the list settles all changes in doubt.
    settle(this, tuple(this.doubtful))
    applied.not_begun = applied.left_of(plan.changes)
    return applied


def _make(this: ApplyPass, plan: Plan) -> None:
    additions = _in_order(plan.additions, this.session.view)
    while additions and not this.ended() and this.send(additions):
        additions = this.left_of(additions)
    removals = _in_order(plan.removals, this.session.view)
    while removals and not this.ended():
        removals = _remove_some(this, removals)


def _remove_some(this: ApplyPass, removals: list[Removal]) -> list[Removal]:
    """Re-read WordPress, and send one batch of the removals that are still unneeded; return those left."""
    unneeded = _still_unneeded(this.session, removals, this.applied)
    if unneeded:
        this.send(unneeded[:_BATCH], _FRESH)
    left = this.left_of(unneeded)
    if unneeded and len(left) == len(unneeded):
        late = f"No removal could be sent within {_FRESH:.0f} s after reading WordPress."
        this.applied.stopped = this.applied.stopped or late
    return left


def _interrupted(this: ApplyPass, plan: Plan) -> BridgeError:
    """Undo the intents of the changes that the client never got; return what happened to the others as an error."""
    session = this.session
    unsent = [change for change in this.begun.values() if change.name not in this.handed]
    undo_intents(session.ledger, unsent, session.view, session.engine.clock.now())
    under_way = {name for name in this.begun if name in this.handed} | {change.name for change, _ in this.suspects}
    open_ = len(this.applied.left_of(plan.changes)) - len(under_way) - len(this.doubtful)
    text = f"{counted(open_, 'change was', 'changes were')} not sent."
    if under_way:
        shown = ", ".join(f'"{name}"' for name in sorted(under_way))
        text += f" {counted(len(under_way), 'change was', 'changes were')} under way, with an unknown result: {shown}."
    return BridgeError(text, code="not-sent", hint="The next run continues with them.")


def _in_order(changes: Sequence[C], view: Observation) -> list[C]:
    """Return changes with the most frequently failing last, so that they cannot block others if the run stops early."""
    return sorted(changes, key=lambda change: _failures(change, view))


def _failures(change: Change, view: Observation) -> int:
    trouble = view.ledger.trouble(change.name, change.action)
    return trouble.attempts if trouble else 0


def _still_unneeded(session: Session, removals: list[Removal], applied: Applied) -> list[Removal]:
    """Re-read WordPress and keep only removals of domains that are still unused (rule 4)."""
    engine, view = session.engine, session.view
    try:
        snapshot = read_snapshot(engine, start_snapshot(engine, ask_key=False, acknowledge=False), view.ledger)
    except UnreadableError as error:
        applied.reread_failed = error
        applied.held += [_kept(removal, "the final check of WordPress failed") for removal in removals]
        return []
    authority = decide_authority(
        snapshot, view.observed, view.ledger, engine.installation(view.ledger, session.access.key)
    )
    complete, why = snapshot.complete, authority.reason
    if complete is None:
        why = f"the final check of WordPress was incomplete: {snapshot.problems[0]}"
    if complete is None or authority.mode is not Mode.FULL:
        applied.held += [_kept(removal, why) for removal in removals]
        return []
    reread = _reread(session, removals, complete)
    applied.held += reread.held
    if reread.returned:
        record_return(session.ledger, reread.returned)
    return reread.unneeded


class _Reread(NamedTuple):
    """Removals after the final check: still unneeded, on hold, and the domains that are in use again."""

    unneeded: list[Removal]
    held: list[Hold]
    returned: list[str]


def _reread(session: Session, removals: Sequence[Removal], snapshot: CompleteSnapshot) -> _Reread:
    before, after = session.view.desire, desired(snapshot, session.engine.policy(), session.view.ledger)
    found = _Reread([], [], [])
    for removal in removals:
        if mention := after.mention(removal.name):
            found.held.append(_kept(removal, f"now in use by {mention}"))
            found.returned.append(removal.name)
        elif new := _newly_covered(removal.name, before, after):
            found.held.append(_kept(removal, f'"{new}", which is new, depends on it'))
        else:
            found.unneeded.append(removal)
    return found


def _newly_covered(name: str, before: Desired, after: Desired) -> str | None:
    """Return a domain under the wildcard `name` that came into use since the first read, so it is not added yet."""
    if not is_wildcard(name):
        return None
    seen, now = ({*desire.mapped, *desire.www, *desire.site_domains()} for desire in (before, after))
    return min((n for n in now - seen if wildcard_over(n) == name), default=None)


def _kept(removal: Removal, reason: str) -> Hold:
    return Hold(Action.REMOVE, removal.name, HoldCode.SECOND_LOOK, reason)


def key_rejected(source: str) -> BridgeError:
    """Return the error for the key from `source` (a noun phrase), which Closte rejected."""
    return BridgeError(
        f"Closte rejected the API key from {source}.",
        code="key-rejected",
        hint="Compare the API key with the one in Closte's dashboard, then run `closte-bridge integration test`.",
    )
