from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine.loop import HEARTBEAT_FILE, TRIGGER_FILE, Signals, WatchLoop, next_due, touch
from closte_bridge.errors import BridgeError, ExitCode
from tests.support.waiter import FakeWaiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

DAY = 86_400.0


def report(*untils: float | None, looked: float = 1000.0) -> RunReport:
    holds = [SimpleNamespace(until=until) for until in untils]
    plan, view = SimpleNamespace(held=holds, hold_count=len(holds), in_sync=1), SimpleNamespace(now=looked)
    return cast("RunReport", SimpleNamespace(plan=plan, view=view, verified=None, refresh_due=None))


@dataclass
class Loop:
    """A loop that stops after `last` runs; `work` replaces the empty report of a run."""

    folder: Path
    waiter: FakeWaiter
    work: Callable[[], RunReport] = field(default=report)
    last: int = 0
    interval: float = 300.0
    runs: list[float] = field(default_factory=list)
    told: list[BridgeError] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    reloads: int = 0
    signals: Signals = field(default_factory=Signals)
    moved_to: Path | None = None
    watch: WatchLoop = field(init=False)

    def run(self) -> None:
        def reload() -> Path:
            self.reloads += 1
            return self.moved_to or self.folder

        self.watch = WatchLoop(
            folder=self.folder,
            interval=self.interval,
            work=self._work,
            tell=self.told.append,
            sign=self.signs.append,
            reload=reload,
            waiter=self.waiter,
            signals=self.signals,
        )
        self.watch.run()

    def _work(self) -> RunReport:
        self.runs.append(self.waiter.time)
        if len(self.runs) == self.last:
            self.signals.stop.set()
        return self.work()

    @property
    def gaps(self) -> list[float]:
        """Seconds between the beginnings of runs."""
        return [after - before for before, after in itertools.pairwise(self.runs)]


def test_next_run_is_due_at_the_interval_or_the_end_of_a_hold() -> None:
    assert next_due(report(), 1000.0, 300.0) == 1300.0
    assert next_due(report(None, 1100.0, 1200.0), 1000.0, 300.0) == 1100.0
    assert next_due(report(900.0, 5000.0), 1000.0, 300.0) == 1300.0


def test_many_holds_ending_in_succession_share_a_run(tmp_path: Path) -> None:
    """200 failing domains with separate back-offs: a run a minute at most, and no retry waits longer than that."""
    waiter, chance = FakeWaiter(), random.Random(3)
    start = waiter.time
    tries = [start + chance.uniform(1, 300) for _ in range(200)]
    late: list[float] = []

    def work() -> RunReport:
        now = waiter.time
        for at, due in enumerate(tries):
            if due <= now:
                late.append(now - due)
                tries[at] = now + chance.uniform(200, 400)
        if now > start + 1200:
            loop.signals.stop.set()
        return report(*tries, looked=now)

    loop = Loop(tmp_path, waiter, work)
    loop.run()
    assert min(loop.gaps) > 55
    assert len([at for at in loop.runs if at < start + 240]) <= 5
    assert len(late) > 500
    assert max(late) < 62


def test_few_holds_are_not_gathered() -> None:
    assert next_due(report(1001.0, 1002.0, 1003.0), 1000.0, 300.0) == 1001.0


def test_hold_that_ended_during_a_long_run_is_due_immediately() -> None:
    assert next_due(report(1003.0, looked=1000.0), 1020.0, 300.0) == 1020.0


@pytest.mark.parametrize(
    ("next_check", "due"),
    [
        (None, 1310.0),
        (5000.0, 1310.0),
        (1100.0, 1100.0),
        # With thousands of domains, one is due nearly every second.
        (1011.0, 1070.0),
        (1005.0, 1070.0),
        # More domains were due than one run checks.
        (999.0, 1011.0),
    ],
)
def test_single_due_check_waits_for_a_minute(next_check: float | None, due: float) -> None:
    verified = SimpleNamespace(next_check=next_check, moves_later=0, proven=frozenset(), trouble=None)
    found = report(looked=1000.0)
    cast("Any", found).verified = verified
    assert next_due(found, 1010.0, 300.0) == due


@pytest.mark.parametrize(
    ("moves", "trouble", "proven", "due"),
    [
        (3, None, (), 1001.0),
        (3, BridgeError("No.", code="php-fatal"), (), 1300.0),
        (3, BridgeError("No.", code="php-fatal"), ("www.a.test",), 1001.0),
    ],
)
def test_deferred_stages_are_moved_soon_unless_moving_fails(
    moves: int, trouble: BridgeError | None, proven: tuple[str, ...], due: float
) -> None:
    verified = SimpleNamespace(next_check=None, moves_later=moves, proven=frozenset(proven), trouble=trouble)
    found = report()
    cast("Any", found).verified = verified
    assert next_due(found, 1000.0, 300.0) == due


def test_loop_runs_at_the_interval_until_it_is_stopped(tmp_path: Path) -> None:
    loop = Loop(tmp_path, FakeWaiter(), last=4)
    loop.run()
    assert [round(gap) for gap in loop.gaps] == [300, 300, 300]
    assert not (tmp_path / HEARTBEAT_FILE).exists()


def test_heartbeat_file_exists_while_watching(tmp_path: Path) -> None:
    seen: list[bool] = []
    waiter = FakeWaiter(on_pause=lambda _: seen.append((tmp_path / HEARTBEAT_FILE).exists()))

    def work() -> RunReport:
        if waiter.pauses > 20:
            loop.signals.stop.set()
        return report()

    loop = Loop(tmp_path, waiter, work, interval=4.0)
    loop.run()
    assert seen
    assert all(seen)


def test_unexpected_failure_is_reported_and_the_loop_continues(tmp_path: Path) -> None:
    def work() -> RunReport:
        raise PermissionError(1, "something with a secret in it")

    loop = Loop(tmp_path, FakeWaiter(), work, last=2)
    loop.run()
    assert len(loop.runs) == 2
    assert [(error.code, error.message) for error in loop.told] == [
        ("internal-error", "Internal error (PermissionError).")
    ] * 2


def test_long_run_sends_heartbeats(tmp_path: Path) -> None:
    waiter = FakeWaiter()

    def work() -> RunReport:
        for _ in range(600):
            waiter.time += 0.2
            loop.watch.alive()
        loop.signals.stop.set()
        return report()

    loop = Loop(tmp_path, waiter, work)
    loop.run()
    # Two minutes of work send a heartbeat about every five seconds, and not five times a second.
    assert 20 <= loop.signs.count("") <= 25


def test_checks_yield_to_events_after_a_while(tmp_path: Path) -> None:
    waiter = FakeWaiter()
    gave_way: list[tuple[int, bool]] = []

    def work() -> RunReport:
        waiter.time += 1000  # the additions of this run
        for second in range(0, 20, 2):
            if second == 4:
                touch(tmp_path / TRIGGER_FILE)
            gave_way.append((second, loop.watch.should_yield()))
            waiter.time += 2
        loop.signals.stop.set()
        return report()

    loop = Loop(tmp_path, waiter, work)
    loop.run()
    # The time counts from the first check, and checks yield only to an event.
    assert [second for second, yes in gave_way if yes] == [10, 12, 14, 16, 18]


def test_checks_continue_without_an_event(tmp_path: Path) -> None:
    waiter = FakeWaiter()

    def work() -> RunReport:
        for _ in range(100):
            waiter.time += 20
            assert not loop.watch.should_yield()
        loop.signals.stop.set()
        return report()

    loop = Loop(tmp_path, waiter, work)
    loop.run()
    assert loop.told == []


def test_reload_may_move_the_state_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    waiter = FakeWaiter()

    def world(this: FakeWaiter) -> None:
        if this.pauses == 3:
            loop.signals.reload.set()
        if this.pauses == 20:
            touch(new / TRIGGER_FILE)

    waiter.on_pause = world

    def work() -> RunReport:
        if len(loop.runs) == 2:
            assert not (old / HEARTBEAT_FILE).exists()
            assert (new / HEARTBEAT_FILE).exists()
        return report()

    loop = Loop(old, waiter, work, last=3, moved_to=new)
    loop.run()
    # `watch` reads the trigger file of the new folder: no run waited for the interval.
    assert sum(loop.gaps) < 60
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [TRIGGER_FILE]


def test_event_starts_a_run_immediately(tmp_path: Path) -> None:
    def world(this: FakeWaiter) -> None:
        if this.pauses == 7:
            touch(tmp_path / TRIGGER_FILE)

    loop = Loop(tmp_path, FakeWaiter(on_pause=world), last=2)
    loop.run()
    assert loop.gaps[0] < 10


def test_event_during_a_run_starts_another_run(tmp_path: Path) -> None:
    def work() -> RunReport:
        if len(loop.runs) == 1:
            touch(tmp_path / TRIGGER_FILE)
        return report()

    loop = Loop(tmp_path, FakeWaiter(), work, last=2)
    loop.run()
    assert loop.gaps[0] < 10


def test_errors_are_reported_and_the_loop_continues(tmp_path: Path) -> None:
    def work() -> RunReport:
        if len(loop.runs) == 1:
            raise BridgeError("The disk is full.", code="disk-full")
        if len(loop.runs) == 2:
            raise BridgeError("Another run holds the lock.", code="locked", exit_code=ExitCode.LOCKED)
        return report()

    loop = Loop(tmp_path, FakeWaiter(), work, last=3)
    loop.run()
    assert [error.code for error in loop.told] == ["disk-full"]
    assert [round(gap) for gap in loop.gaps] == [300, 5]
    assert "Failing: The disk is full." in loop.signs


def test_reload_happens_between_runs(tmp_path: Path) -> None:
    def world(this: FakeWaiter) -> None:
        if this.pauses == 3:
            loop.signals.reload.set()

    loop = Loop(tmp_path, FakeWaiter(on_pause=world), last=2)
    loop.run()
    assert loop.reloads == 1
    assert loop.gaps[0] < 10


def test_signal_during_a_run_ends_the_loop_quietly(tmp_path: Path) -> None:
    def work() -> RunReport:
        raise KeyboardInterrupt

    loop = Loop(tmp_path, FakeWaiter(), work)
    loop.run()
    assert loop.told == []
    assert not (tmp_path / HEARTBEAT_FILE).exists()


def test_clock_set_back_does_not_stop_the_loop(tmp_path: Path) -> None:
    def world(this: FakeWaiter) -> None:
        if this.pauses == 5:
            this.time -= 30 * DAY

    loop = Loop(tmp_path, FakeWaiter(on_pause=world), last=2)
    loop.run()
    assert loop.waiter.pauses < 20


def test_year_of_events_neither_drifts_nor_piles_up(tmp_path: Path) -> None:
    """365 days of events and due holds: no run is later than the interval, and no two are closer than a second."""
    waiter = FakeWaiter()
    start, chance = waiter.time, random.Random(7)
    gaps: list[float] = []
    last = waiter.time
    failures = 0

    def world(this: FakeWaiter) -> None:
        if chance.random() < 0.002:
            touch(tmp_path / TRIGGER_FILE)

    waiter.on_pause = world

    def work() -> RunReport:
        nonlocal last, failures
        gaps.append(waiter.time - last)
        last = waiter.time
        if waiter.time - start > 365 * DAY:
            loop.signals.stop.set()
        if chance.random() < 0.01:
            failures += 1
            raise BridgeError("Closte is away.", code="api")
        return report(waiter.time + chance.uniform(1, 7200))

    # A coarse interval keeps the number of half-second polls low enough for a test.
    loop = Loop(tmp_path, waiter, work, interval=21_600.0)
    glance = 300.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("closte_bridge.engine.loop.POLL", glance)
        loop.run()
    assert max(gaps) <= 21_600.0 + 2
    assert min(gaps[1:]) >= 1.0
    assert len(loop.told) == failures > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [TRIGGER_FILE]


def test_touch_tolerates_a_missing_folder(tmp_path: Path) -> None:
    touch(tmp_path / "gone" / "trigger")


@pytest.mark.parametrize(("refresh_due", "due"), [(1015.0, 1015.0), (900.0, 1001.0), (5000.0, 1300.0)])
def test_refresh_of_the_web_server_is_repeated_when_due(refresh_due: float, due: float) -> None:
    found = report()
    object.__setattr__(found, "refresh_due", refresh_due)
    assert next_due(found, 1000.0, 300.0) == due
