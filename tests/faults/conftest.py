"""Fixtures of the fault tests: worlds that share one document of a real network."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.canned_world import World, document_of, new_world
from tests.support.driver import Driver
from tests.support.folders import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.wordpress import Multisite


@pytest.fixture(scope="session")
def document(multisite_template: Multisite, shared_folder: Path) -> dict[str, Any]:
    """What a real network answers: read once a session, and canned."""
    kept = shared_folder / "document.json"
    with (shared_folder / "document.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(document_of(multisite_template)))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is such a thing."""
    with in_memory() as folder:
        yield folder


@pytest.fixture
def make_world(quick_folder: Path, document: dict[str, Any]) -> Iterator[Callable[..., World]]:
    """Makes worlds: give each a name and what is mapped and at Closte already; they end with the test."""
    worlds: list[World] = []

    def make(name: str = "world", mapped: Sequence[str] = (), **more: Any) -> World:  # noqa: ANN401 - see new_world
        world = new_world(quick_folder / name, document, mapped=mapped, **more)
        world.__enter__()
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.__exit__()


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Runs commands in forks of a process that has loaded the program already."""
    running = Driver()
    yield running
    running.end()
