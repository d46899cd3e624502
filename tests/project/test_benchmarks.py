"""Tests that the benchmarks measure existing functions and draw their own data. These tests measure no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.plots import PLOTS, drawn
from benchmarks.profile import PARTS, Clock
from benchmarks.report import page
from benchmarks.rival import managed
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ABOUT = dict.fromkeys(("version", "date", "processor", "system", "python", "php", "load"), "x")


def a_figure(series: str, at: float = 1) -> Figure:
    return Figure(what="w", value=1.0, unit="s", bound="b", series=series, at=at)


def test_profiled_parts_exist_and_the_program_runs(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "benchmarks.profile", str(tmp_path / "seconds"), "--version"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "seconds").read_text()).keys() == {*PARTS, "everything else"}


def test_time_of_a_part_excludes_nested_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("benchmarks.profile.time", SimpleNamespace(perf_counter=lambda: now))
    clock = Clock()

    def spend(seconds: float) -> float:
        nonlocal now
        now += seconds
        return seconds

    inner = clock.timed("planning", spend)
    outer = clock.timed("the ledger", lambda: spend(2.0) + inner(5.0) + spend(1.0))
    assert outer() == 8.0
    assert (clock.seconds["planning"], clock.seconds["the ledger"]) == (5.0, 3.0)


def test_performance_page_matches_the_generated_explanation() -> None:
    heading = "## How to read it"
    written = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    made = page([a_figure("")], ABOUT, quick=False)
    assert written.partition(heading)[2] == made.partition(heading)[2] != ""


def test_page_shows_plots_with_data_only() -> None:
    assert drawn([a_figure("")]) == []
    for name, series, words, _ in PLOTS:
        text = page([a_figure(series)], ABOUT, quick=False)
        assert f"![{words}]({name})" in text
        assert text.count("![") == 1


def test_compared_planning_adds_or_keeps_all_domains() -> None:
    assert managed(300, fresh=True)() == 300
    assert managed(300, fresh=False)() == 0
