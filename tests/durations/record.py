"""A recorder of the durations of one run, and the published durations of files."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.support.parts import REPOSITORY

PAGE = REPOSITORY / "docs" / "test-durations.md"
# A variable with the path of the file to write; `script/test` sets it.
VARIABLE = "CLOSTE_BRIDGE_TEST_DURATIONS"


class Recorder:
    """A pytest plugin that adds up the seconds of each test, with its fixtures, and writes them at the end."""

    def __init__(self, path: Path, workers: int) -> None:
        self._path = path
        self._workers = workers
        self._began = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._collected = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Count the tests; every worker collects all of them."""
        self._collected = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write all durations."""
        run = {
            "seconds": time.monotonic() - self._began,
            "workers": self._workers,
            "collected": self._collected or session.testscollected,
            "ran": len(self._seconds),
            "tests": self._seconds,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(run, indent=0))


def recorder(config: pytest.Config) -> Recorder | None:
    """Return a recorder if this process controls a run whose durations are wanted."""
    path = os.environ.get(VARIABLE)
    if not path or "PYTEST_XDIST_WORKER" in os.environ:
        return None
    return Recorder(Path(path), config.getoption("numprocesses", None) or 1)


def published() -> dict[str, int]:
    """Return the seconds of each file that the page lists."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return {name: int(seconds) for name, seconds in re.findall(r"^\| `(tests/[\w/]+\.py)` \| (\d+) \|$", page, re.M)}


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by the published seconds of their file, so that no worker is left with a long file at the end."""
    seconds = published()
    items.sort(key=lambda item: -seconds.get(item.location[0], 0))
