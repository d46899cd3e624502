"""Tests that a copied ledger takes no events from the original, and that an outdated event removes nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_wp import CannedWordPress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_world import World

pytestmark = pytest.mark.real

OLD = [f"old{number}.example.com" for number in range(4)]


def test_copied_ledger_leaves_events_to_the_original(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=OLD)
    world.configure(removal_delay=3600)
    world.adopt()
    world.sync()
    second = world.folder / "second"
    shutil.copytree(world.state_dir, second)
    world.wordpress.change(drop=OLD[:1])
    world.configure(state_dir=str(second))
    for _ in range(2):
        world.sync()
    assert world.wordpress.events == 1
    world.configure(state_dir=str(world.state_dir))
    world.sync()
    assert world.rows("SELECT name FROM evidence") == [(OLD[0],), (f"www.{OLD[0]}",)]
    world.sync()
    assert world.wordpress.events == 0


def test_event_before_a_new_mapping_removes_nothing(make_world: Callable[..., World]) -> None:
    """A domain moves to another site and is then lost in a half-done import, all between two syncs."""
    world = make_world(mapped=OLD)
    assert isinstance(world.wordpress, CannedWordPress)
    world.adopt()
    world.sync()
    world.wordpress.change(drop=OLD[:1])
    world.wordpress.note("mapping_added", OLD[0])
    for _ in range(2):
        world.sync(later=600)
    assert OLD[0] in world.sandbox.aliases
    assert world.rows("SELECT name FROM absences") == [(OLD[0],)]
