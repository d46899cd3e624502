"""WordPress, Closte and a clock in memory around the real code, with a record of who did what for the checker."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

from closte_bridge.config.model import Settings
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from closte_bridge.hosting import (
    Completeness,
    ConnectionState,
    ConnectionTest,
    HostingApi,
    Listing,
    Outcome,
    OutcomeKind,
    Stats,
)
from closte_bridge.ledger.store import Ledger
from tests.property.checker import Checker
from tests.property.network import WordPress
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Owner, Snapshot


class Killed(BaseException):
    """Kill of the process."""


# Results of one change on Closte. The first four are definite, the others are unclear.
FAULTS = (
    "ok", "failed", "refused", "not-sent", "key", "blocked",
    "done-unclear", "lost-unclear", "kill-before", "kill-after",
)  # fmt: skip


@dataclass
class Faults:
    """Faults of the next run."""

    listing: str = "ok"
    later_listing: str = "ok"
    snapshots: tuple[str, str] = ("ok", "ok")
    changes: tuple[str, ...] = ()
    kill_at: int | None = None
    between: Callable[[], None] | None = None


class World:
    """Environment of one installation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wordpress = WordPress()
        self.closte: dict[str, str] = {self.wordpress.domain: "other"}  # who added each alias
        self.true_time = 1_700_000_000.0
        self.offset = 0.0
        self.booted, self.boots = self.true_time - 1000, 1
        self.failing: set[str] = set()
        self.elsewhere: set[str] = set()  # domains of other applications on Closte
        self.faults = Faults()
        self.key_taken, self.sending = True, False
        self.reads = self.lists = self.ticks = self.answered = 0
        key = folder / "key"
        key.write_text("key-of-the-test-application")
        key.chmod(0o600)
        self.settings = Settings(state_dir=folder / "state", api_key_file=key, checks=False)
        self.checker = Checker(self)

    # -- time ---------------------------------------------------------------------------------------------------

    def wall(self) -> float:
        """Return the time of the wall clock."""
        return self.true_time + self.offset

    def engine(self) -> WorldEngine:
        """Return a new engine, like a new process."""
        clock = Clock(self.wall, lambda: self.true_time - self.booted, lambda: f"boot-{self.boots}")
        return WorldEngine(self.settings, {}, clock, world=self)

    # -- the ledger, read next to the engine -----------------------------------------------------------------------

    def ledger(self) -> LedgerState:
        """Return the current state of the ledger."""
        with self.opened() as ledger:
            return ledger.state(self.wall())

    def meta(self) -> dict[str, str]:
        """Return the single values of the ledger."""
        with self.opened() as ledger:
            return ledger.meta()

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open the ledger next to the engine."""
        with opened(self.settings.state_dir) as ledger:
            yield ledger

    # -- what the engine calls ---------------------------------------------------------------------------------------

    @contextmanager
    def around(self, faults: Faults) -> Iterator[None]:
        """Replace the engine's environment with this world for one run."""
        self.faults = faults
        self.reads = self.lists = self.ticks = self.answered = 0
        plain = Ledger.transaction

        @contextmanager
        def transaction(ledger: Ledger, **options: bool) -> Iterator[None]:
            self._tick()
            with plain(ledger, **options):
                yield
            self._tick()

        def call(
            *_: object, acknowledge: Sequence[str] = (), status: object = None, engine: object = None, **__: object
        ) -> FakeCall:
            owner = self.wordpress.rows.owner
            return FakeCall(self, tuple(acknowledge), reports=bool(status and owner and owner.engine == engine))

        def set_owner(*_: object, owner: Owner, **__: object) -> None:
            self.wordpress.rows.owner = owner

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(Ledger, "transaction", transaction))
            stack.enter_context(mock.patch("closte_bridge.engine.snapshots.SnapshotCall", call))
            stack.enter_context(mock.patch("closte_bridge.engine.adopt.set_owner", set_owner))
            yield
        self.faults = Faults()

    def _tick(self) -> None:
        if self.faults.kill_at is not None and self.ticks == self.faults.kill_at:
            raise Killed
        self.ticks += 1

    def read(self, acknowledged: tuple[str, ...]) -> Snapshot:
        """Answer one call of `wp`."""
        assert not self.sending, "WordPress is read from inside the client's loop."
        events = self.wordpress.rows.events
        mode = self.faults.snapshots[min(self.reads, 1)]
        if self.reads == 1 and self.faults.between:
            self.faults.between()
        self.reads += 1
        snapshot = self.wordpress.snapshot(mode)  # a failed call acknowledges and delivers no events
        events[:] = [event for event in events if event.uid not in acknowledged]
        snapshot = replace(snapshot, events=list(events), events_waiting=len(events))
        self.checker.delivered(snapshot, first=self.reads == 1)
        return snapshot

    def listing(self) -> Listing:
        """Answer a request for the list."""
        assert not self.sending, "The API is asked from inside the client's loop."
        mode = self.faults.listing if self.lists == 0 else self.faults.later_listing
        self.lists += 1
        names = frozenset(self.closte)
        if mode == "unreadable":
            return Listing(Completeness.UNREADABLE, "The response is not a JSON object.")
        if mode == "partial":
            return Listing(Completeness.PARTIAL, "3 of 9 entries could not be parsed", frozenset(sorted(names)[::2]))
        if mode == "paged":
            shown = frozenset([self.wordpress.domain, *sorted(names)[: len(names) // 2]])
            return Listing(Completeness.PARTIAL, "Closte's list is paged and shows 3 of 9 entries", shown, paged=True)
        if mode == "headless":
            names -= {self.wordpress.domain}
        if mode == "shrunk":
            # The list is over a tenth shorter than the last complete one, without a hint about it.
            before = int(self.meta().get("observed_count", "0"))
            short = max(0, math.ceil(before * 0.9) - 1)
            names = frozenset([self.wordpress.domain, *sorted(names - {self.wordpress.domain})][: max(short, 1)])
        return Listing(Completeness.COMPLETE, "", names)

    @contextmanager
    def sending_changes(self) -> Iterator[None]:
        """Mark that the client takes and reports changes; nothing else may happen then."""
        self.sending = True
        try:
            yield
        finally:
            self.sending = False

    def change(self, action: str, name: str) -> Outcome:
        """Answer one change with the next fault."""
        faults = self.faults.changes
        fault = faults[self.answered] if self.answered < len(faults) else "ok"
        self.answered += 1
        if name in self.failing and fault != "refused":
            fault = "failed"
        plain = {
            "failed": Outcome(OutcomeKind.FAILED, "Closte returned an unspecified error.", retry_after=1e9),
            "refused": Outcome(OutcomeKind.REFUSED, 'Closte answered "Invalid or empty domain: …".'),
            "not-sent": Outcome(OutcomeKind.FAILED, "Not sent.", attempts=0),
            "key": Outcome(OutcomeKind.KEY_REJECTED, "Closte refused access (HTTP 401)."),
            "blocked": Outcome(OutcomeKind.KEY_REJECTED, "Closte refused access (HTTP 403)."),
            "lost-unclear": Outcome(OutcomeKind.UNCLEAR, "Closte had an internal error (HTTP 500)."),
        }
        self.key_taken = fault != "key"
        if action == "remove":
            self.checker.removal(name)
        if fault == "kill-before":
            raise Killed
        if fault in plain:
            return plain[fault]
        outcome = self._add(name) if action == "add" else self._remove(name)
        if fault == "kill-after":
            raise Killed
        return Outcome(OutcomeKind.UNCLEAR, "The connection was reset.") if fault == "done-unclear" else outcome

    def _add(self, name: str) -> Outcome:
        if name in self.elsewhere and name not in self.closte:
            return Outcome(OutcomeKind.ALREADY, 'Closte answered "already exists".')
        if self.closte.get(name) != "other":
            self.checker.ours_now(name)
        if name in self.closte:
            return Outcome(OutcomeKind.ALREADY, 'Closte answered "already exists".')
        self.closte[name] = "us"
        return Outcome(OutcomeKind.DONE, "Closte confirmed the change.")

    def _remove(self, name: str) -> Outcome:
        if self.closte.pop(name, None) is None:
            return Outcome(OutcomeKind.ALREADY, 'Closte answered "domain not found".')
        self.checker.removed(name)
        return Outcome(OutcomeKind.DONE, "Closte confirmed the change.")


class FakeCall:
    """Fake call of `wp` for a snapshot."""

    def __init__(self, world: World, acknowledged: tuple[str, ...], *, reports: bool) -> None:
        self.world = world
        self.acknowledged = acknowledged
        self.reports = reports

    def snapshot(self) -> Snapshot:
        """Return the snapshot; the engine's report is written after the read."""
        snapshot = self.world.read(self.acknowledged)
        self.world.wordpress.rows.reports += self.reports
        return snapshot

    def wait(self) -> None:
        """Do nothing: the fake call has already ended."""

    def end(self) -> None:
        """Do nothing: no process runs."""


class FakeClient(HostingApi):
    """A client without a connection."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: no connection is open."""

    @property
    def stats(self) -> Stats:
        """Return empty statistics."""
        return Stats()

    def list_aliases(self) -> Listing:
        """Request the list."""
        return self.world.listing()

    def test_connection(self) -> ConnectionTest:
        """Test whether Closte accepts the key."""
        assert not self.world.sending, "The API is asked from inside the client's loop."
        state = ConnectionState.OK if self.world.key_taken else ConnectionState.KEY_REJECTED
        return ConnectionTest(state, "Closte answered.")

    def run(
        self,
        changes: Iterable[tuple[Any, str]],
        on_outcome: Callable[[Any, str, Outcome], None],
        should_stop: Callable[[], bool] = lambda: False,
        *,
        begin_within: float = math.inf,
    ) -> str:
        """Make the changes one after another."""
        begin_by = self.world.true_time + begin_within
        with self.world.sending_changes():
            for action, name in changes:
                if self.world.true_time >= begin_by:
                    break
                outcome = self.world.change(action, name)
                on_outcome(action, name, outcome)
                if should_stop():
                    return "The run was stopped."
        return ""


@dataclass(slots=True)
class WorldEngine(Engine):
    """Engine with the client of this world."""

    world: World | None = field(default=None, kw_only=True)

    def client(self, key: Secret) -> HostingApi:  # noqa: ARG002 - the world has one key
        """Return the client of this world."""
        assert self.world is not None
        return FakeClient(self.world)
