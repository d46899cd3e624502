"""Fixtures of the unit tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.ledgers import opened
from tests.support.program import Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from closte_bridge.ledger.store import Ledger
    from tests.support.configs import Write


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """Return the environment for the program, without the developer's own variables."""
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"} or name.startswith("COV")
    }
    empty = tmp_path / "empty.yaml"
    empty.touch()
    return kept | {
        "HOME": str(tmp_path),
        "COLUMNS": "80",
        "CLOSTE_BRIDGE_CONFIG": str(empty),
        "STATE_DIRECTORY": "/state",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def run(tmp_path: Path, environ: Mapping[str, str]) -> Run:
    """Return a function that runs the program as users do."""
    return runner(tmp_path, environ, "-m", "closte_bridge")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a config file."""

    def make(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path for a new state folder."""
    return tmp_path / "state"


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    """Yield an empty ledger in the state folder."""
    with opened(folder) as ledger:
        yield ledger
