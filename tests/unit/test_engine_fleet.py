"""Tests of the loop of several networks."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from closte_bridge.engine.fleet import FleetLoop
from closte_bridge.engine.loop import HEARTBEAT_FILE, TRIGGER_FILE, Signals, Waiter, WatchLoop, touch
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from closte_bridge.engine.run import RunReport

LIMIT = 60.0


class Networks:
    """Networks whose runs are counted; `works` replaces the run of a network."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.signals = Signals()
        self.runs: dict[str, int] = {}
        self.works: dict[str, Callable[[], object]] = {}
        self.told: list[str] = []
        self.changed = threading.Condition()
        self.after_reload: Sequence[WatchLoop] = ()
        self.fleet = FleetLoop(
            [self.loop(name) for name in names], Waiter(), self.signals, lambda: self.after_reload, lambda: None
        )

    def loop(self, name: str) -> WatchLoop:
        (self.folder / name).mkdir()
        return WatchLoop(
            folder=self.folder / name,
            interval=3600.0,
            work=lambda: self._work(name),
            tell=lambda error: self.told.append(error.code),
            sign=lambda _: None,
            reload=lambda: self.folder,
            waiter=Waiter(),
            signals=self.signals,
        )

    def _work(self, name: str) -> RunReport:
        with self.changed:
            self.runs[name] = self.runs.get(name, 0) + 1
            self.changed.notify_all()
        self.works.get(name, lambda: None)()
        plan, view = SimpleNamespace(held=[], hold_count=0, in_sync=1), SimpleNamespace(now=0.0)
        return cast("RunReport", SimpleNamespace(plan=plan, view=view, verified=None, refresh_due=None))

    def wait_for(self, ready: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(ready, LIMIT), self.runs

    def during(self, body: Callable[[], None]) -> None:
        """Run the loop in the main thread, and `body` in another one, which then stops the loop."""
        failures: list[BaseException] = []

        def act() -> None:
            try:
                body()
            except BaseException as failure:
                failures.append(failure)
            self.signals.stop.set()

        thread = threading.Thread(target=act)
        thread.start()
        self.fleet.run()
        thread.join()
        if failures:
            raise failures[0]


def test_slow_and_failing_networks_delay_no_other(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(20)]
    this = Networks(tmp_path, *names)
    blocked = threading.Event()

    def fail() -> None:
        raise BridgeError("It failed.", code="wp-fatal")

    this.works |= dict.fromkeys(names[:7], lambda: blocked.wait(LIMIT))
    this.works[names[7]] = fail

    def body() -> None:
        this.wait_for(lambda: len(this.runs) == 20)
        touch(tmp_path / "n19" / TRIGGER_FILE)
        this.wait_for(lambda: this.runs["n19"] == 2)
        assert {this.runs[name] for name in names[:19]} == {1}
        assert (tmp_path / "n8" / HEARTBEAT_FILE).exists()
        blocked.set()

    this.during(body)
    assert this.told == ["wp-fatal"]
    assert not [*tmp_path.rglob(HEARTBEAT_FILE)]


def test_stop_does_not_wait_for_a_run_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closte_bridge.engine.fleet._END_WITHIN", 0.2)
    this = Networks(tmp_path, "slow")
    ended = threading.Event()
    this.works = {"slow": lambda: ended.wait(LIMIT)}
    this.during(lambda: this.wait_for(lambda: "slow" in this.runs))
    assert not ended.is_set()
    ended.set()


def test_reload_adds_and_removes_networks(tmp_path: Path) -> None:
    this = Networks(tmp_path, "old", "kept")
    kept = this.fleet.loops[1]
    this.after_reload = [kept, this.loop("new")]

    def body() -> None:
        this.wait_for(lambda: len(this.runs) == 2)
        this.signals.reload.set()
        this.wait_for(lambda: this.runs.get("new") == 1 and this.runs["kept"] == 2)
        touch(tmp_path / "old" / TRIGGER_FILE)
        touch(tmp_path / "kept" / TRIGGER_FILE)
        this.wait_for(lambda: this.runs["kept"] == 3)
        assert this.runs["old"] == 1
        assert not (tmp_path / "old" / HEARTBEAT_FILE).exists()

    this.during(body)
