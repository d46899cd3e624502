"""`sync --triggered` with a fake clock: which process works, how often, and for how long."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine.loop import run_repeatedly
from closte_bridge.engine.triggered import last_run, run_when_triggered
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.hosting import Action
from closte_bridge.planning.model import Hold, HoldCode
from tests.support.waiter import FakeWaiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.engine.run import RunReport

DELAY = 300.0
START = 1_000_000.0


@dataclass
class Work:
    """A fake sync that records its times; each run leaves `holds`, and `during` runs in the middle of it."""

    time: FakeWaiter
    holds: list[list[Hold]] = field(default_factory=list)
    during: list[Callable[[], None]] = field(default_factory=list)
    ran: list[float] = field(default_factory=list)
    idle: bool = False

    def __call__(self) -> RunReport:
        began = self.time.now()
        self.ran.append(began)
        if self.during:
            self.during.pop(0)()
        holds = self.holds.pop(0) if self.holds else []
        view = SimpleNamespace(now=began)
        applied = None if self.idle else SimpleNamespace()
        report = SimpleNamespace(plan=SimpleNamespace(held=holds), view=view, exit_code=ExitCode.OK, applied=applied)
        return cast("RunReport", report)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def wake(folder: Path) -> None:
    """Touch the trigger file so that the change shows even with a coarse file system clock."""
    path = folder / "trigger"
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))


def waits(until: float, code: HoldCode = HoldCode.WAITING) -> Hold:
    return Hold(Action.REMOVE, "a.example.com", code, "", until)


def test_one_event_causes_one_run(folder: Path) -> None:
    time = FakeWaiter(START)
    work = Work(time)
    assert run_when_triggered(folder, DELAY, work, time) is ExitCode.OK
    assert work.ran == [1_000_000.0]
    assert last_run(folder) == (1_000_000.0, 0, "")


def test_thousand_concurrent_events_cause_few_runs(folder: Path) -> None:
    time = FakeWaiter(START)
    work = Work(time)
    for number in range(1000):
        time.at.append((time.time + number * 0.1, lambda: wake(folder)))
    work.during = [lambda: time.pause(1.0) for _ in range(50)]
    run_when_triggered(folder, DELAY, work, time)
    assert 2 <= len(work.ran) <= 10
    assert work.ran[-1] >= 1_000_000 + 99.9, "the last event is seen"


def test_second_process_leaves_its_event_to_the_first(folder: Path) -> None:
    time = FakeWaiter(START)
    work = Work(time)
    second = Work(time)

    def another() -> None:
        wake(folder)
        run_when_triggered(folder, DELAY, second, time)

    work.during = [another]
    run_when_triggered(folder, DELAY, work, time)
    assert second.ran == []
    assert len(work.ran) == 2


def test_late_trigger_starts_another_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process touches the file after the last read, finds the lock still held, and exits."""
    time = FakeWaiter(START)
    work = Work(time)
    real = run_repeatedly
    touched: list[bool] = []

    def late(*args: Any, **more: Any) -> int:  # noqa: ANN401 - as in `run_repeatedly`
        found = real(*args, **more)
        if not touched:
            touched.append(True)
            wake(folder)
        return found

    monkeypatch.setattr("closte_bridge.engine.triggered.run_repeatedly", late)
    run_when_triggered(folder, DELAY, work, time)
    assert len(work.ran) == 2


def test_pending_removals_share_one_delayed_run(folder: Path) -> None:
    time = FakeWaiter(START)
    start = time.time
    holds = [waits(start + 300), waits(start + 303), waits(start + 90_000), waits(start + 200, HoldCode.BACK_OFF)]
    work = Work(time, holds=[holds])
    run_when_triggered(folder, DELAY + 5, work, time)
    assert len(work.ran) == 2
    assert start + 303 <= work.ran[1] <= start + 304


def test_read_only_run_does_not_wait(folder: Path) -> None:
    """The events stay in WordPress and look new in each read, so the process would wait forever."""
    time = FakeWaiter(START)
    work = Work(time, holds=[[waits(time.time + 300)]], idle=True)
    run_when_triggered(folder, DELAY, work, time)
    assert len(work.ran) == 1


def test_event_shortens_the_wait(folder: Path) -> None:
    time = FakeWaiter(START)
    start = time.time
    work = Work(time, holds=[[waits(start + 300)], [waits(start + 300)]])
    time.at.append((start + 100, lambda: wake(folder)))
    run_when_triggered(folder, DELAY, work, time)
    assert len(work.ran) == 3
    assert start + 100 <= work.ran[1] <= start + 102
    assert work.ran[2] >= start + 300


def test_wait_for_another_run_is_limited(folder: Path) -> None:
    time = FakeWaiter(START)
    locked = BridgeError("Locked.", code="locked", exit_code=ExitCode.LOCKED)
    tries: list[float] = []

    def busy() -> RunReport:
        tries.append(time.time)
        if time.time < 1_000_010:
            raise locked
        return Work(time)()

    assert run_when_triggered(folder, DELAY, busy, time) is ExitCode.OK
    assert tries[-1] >= 1_000_010

    def for_ever() -> RunReport:
        raise locked

    assert run_when_triggered(folder, DELAY, for_ever, time) is ExitCode.LOCKED
    assert last_run(folder) == (time.time, 75, "locked")


def test_failure_is_recorded_and_returned(folder: Path) -> None:
    time = FakeWaiter(START)

    def fails() -> RunReport:
        raise BridgeError("No.", code="no-key", exit_code=ExitCode.USAGE)

    assert run_when_triggered(folder, DELAY, fails, time) is ExitCode.USAGE
    assert last_run(folder) == (time.time, 2, "no-key")


def test_unexpected_failure_is_recorded(folder: Path) -> None:
    def fails() -> RunReport:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_when_triggered(folder, DELAY, fails, FakeWaiter(START))
    assert last_run(folder) == (1_000_000.0, 1, "internal-error")


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_unusable_lock_file_is_an_error(folder: Path, kind: str) -> None:
    lock = folder / "triggered.lock"
    lock.symlink_to("elsewhere") if kind == "link" else lock.mkdir()
    with pytest.raises(BridgeError) as caught:
        run_when_triggered(folder, DELAY, Work(FakeWaiter(START)), FakeWaiter(START))
    assert caught.value.code == "state-folder"


def test_clock_set_back_does_not_prolong_the_wait(folder: Path) -> None:
    time = FakeWaiter(START)
    start = time.time
    work = Work(time, holds=[[waits(start + 300)]])

    def back() -> None:
        time.time -= 86_400

    time.at.append((start + 10, back))
    run_when_triggered(folder, DELAY, work, time)
    assert len(work.ran) == 2


def test_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    with pytest.raises(BridgeError, match="accessible to other users"):
        run_when_triggered(folder, DELAY, Work(FakeWaiter(START)), FakeWaiter(START))


def test_trigger_lock_keeps_a_second_process_idle(folder: Path) -> None:
    with (folder / "triggered.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        work = Work(FakeWaiter(START))
        assert run_when_triggered(folder, DELAY, work, FakeWaiter(START)) is ExitCode.OK
        assert work.ran == []
    assert (folder / "trigger").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"at": "x"}', json.dumps({"at": 1, "exit_code": None, "code": ""})])
def test_damaged_last_run_file_is_ignored(folder: Path, text: str) -> None:
    (folder / "last-run.json").write_text(text)
    assert last_run(folder) is None
