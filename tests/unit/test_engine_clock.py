from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import clock
from closte_bridge.engine.clock import TOLERANCE, Clock
from closte_bridge.planning.desired import DomainPolicy

if TYPE_CHECKING:
    from pathlib import Path


def saved(clock: Clock) -> dict[str, str]:
    """Return the values that the ledger has after a run."""
    return {key: text for key, text in clock.values() if text is not None}


@dataclass
class Machine:
    """A machine whose clocks the test can set."""

    wall: float = 1_800_000_000.0
    steady: float = 5000.0
    boot: str = "boot-1"

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady, lambda: self.boot)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("seconds", [0.0, 1.0, 40 * 86400.0])
def test_passing_time_is_no_jump(seconds: float) -> None:
    machine = Machine()
    meta = saved(machine.clock())
    machine.pass_time(seconds)
    assert not machine.clock().jumped(meta)


@pytest.mark.parametrize(
    ("seconds", "jumped"), [(TOLERANCE, False), (-TOLERANCE, False), (TOLERANCE + 1, True), (-TOLERANCE - 1, True)]
)
def test_ntp_correction_is_no_jump_but_more_is(seconds: float, jumped: bool) -> None:
    machine = Machine()
    meta = saved(machine.clock())
    machine.pass_time(86400)
    machine.wall += seconds
    assert machine.clock().jumped(meta) is jumped


@pytest.mark.parametrize("seconds", [61.0, 299.0, -61.0])
def test_jump_that_shortens_a_wait_is_noticed(seconds: float) -> None:
    assert DomainPolicy().removal_delay >= 5 * TOLERANCE
    machine = Machine()
    meta = saved(machine.clock())
    machine.wall += seconds
    assert machine.clock().jumped(meta)


def test_only_a_step_back_is_detected_across_a_restart() -> None:
    machine = Machine()
    meta = saved(machine.clock())
    machine.boot, machine.steady = "boot-2", 10.0
    machine.wall += 86400
    assert not machine.clock().jumped(meta)
    machine.wall -= 86400 + TOLERANCE + 1
    assert machine.clock().jumped(meta)


def test_forward_step_is_no_jump_without_a_boot_id() -> None:
    machine = Machine(boot="")
    meta = saved(machine.clock())
    machine.wall += 86400
    assert not machine.clock().jumped(meta)


def test_missing_record_is_no_jump() -> None:
    assert not Machine().clock().jumped({})


@pytest.mark.parametrize(
    "damage", [{"last_run": "soon"}, {"last_run": "nan"}, {"last_steady": "soon"}, {"last_steady": "nan"}]
)
def test_invalid_record_counts_as_a_jump(damage: dict[str, str]) -> None:
    machine = Machine()
    assert machine.clock().jumped({**saved(machine.clock()), **damage})


def test_incomplete_record_counts_as_a_jump() -> None:
    machine = Machine()
    meta = saved(machine.clock())
    del meta["last_steady"]
    assert machine.clock().jumped(meta)


def test_real_clock_does_not_jump() -> None:
    meta = saved(Clock())
    assert float(meta["last_run"]) > 1_700_000_000
    assert not Clock().jumped(meta)


def test_system_without_a_boot_clock_reports_no_jump(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "missing")
    meta = saved(Clock())
    assert (meta["last_steady"], "last_boot" in meta) == ("0.0", False)
    assert not Clock().jumped(meta)
