"""Tests that kill a process with SIGKILL at random moments, two hundred times in total.

An undisturbed twin gets the same changes in WordPress: both must reach the same state.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger.flags import REMOVED
from tests.support import forks
from tests.support.fake_world import FOREIGN, OWN, real_world
from tests.support.journal import asked, assert_books_agree, carried_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fake_world import World
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

START = [f"shop.customer{number}.com" for number in range(60)]
KILLS = 38
REAL_KILLS = 10
# The twin syncs rarely, because each sync takes time.
PACE = 5
LAST_RUNS = 10


class Story:
    """Changes in WordPress, the same for both twins: some domains leave, some return, new ones arrive."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._number = 0
        self.removed: set[str] = set()

    def next(self, *worlds: World) -> None:
        """Apply one step to all worlds."""
        mapped = sorted(worlds[0].wordpress.domains)
        add = [f"new{self._number + at}.customer{self._chance.randrange(40)}.org" for at in range(3)]
        self._number += len(add)
        # The removal limit allows a quarter in an hour, and no domain leaves twice.
        leaving = [n for n in self._chance.sample(mapped, 1) if n not in self.removed and len(self.removed) < 25]
        if self.removed and self._chance.random() < 0.2:
            add += {self._chance.choice(sorted(self.removed))} - set(mapped)
        self.removed |= set(leaving)
        for world in worlds:
            world.wordpress.change(add=add, drop=leaving)


def kill_one(world: World, moment: float) -> float | None:
    """Start a sync and kill it after `moment` seconds; return its duration in seconds if it ended before."""
    began = time.monotonic()
    with forks.Fork("sync", "--retry", "--quiet", env=world.environ, cwd=world.folder) as process:
        return None if process.poll(moment) is None else time.monotonic() - began


def undisturbed(world: World) -> float:
    """Return the duration of an undisturbed run in seconds."""
    began = time.monotonic()
    done = world.cli("sync", "--retry", "--quiet")
    assert done.returncode == 0, done
    return time.monotonic() - began


def at_rest(world: World, context: str) -> dict[str, object]:
    """Run until nothing changes any more; return the final state.

    It excludes history such as recent removals: a domain that came and left between two kills was never requested.
    The clock is two hours ahead, because the intent to add a domain that is no longer wanted is kept for one hour: its
    request may still be in flight.
    """
    last: dict[str, object] = {}
    for _ in range(LAST_RUNS):
        world.sync(later=7200.0)
        books = world.books()
        state: dict[str, object] = {"aliases at Closte": sorted(world.sandbox.aliases)}
        state |= {part: books[part] for part in ("aliases", "absent", "flags", "trouble")}
        state["flags"] = [
            mark for mark in world.rows("SELECT kind, name FROM flags ORDER BY 1, 2") if mark[0] != REMOVED
        ]
        if state == last:
            return state
        last = state
    pytest.fail(f"Not at rest after {LAST_RUNS} runs ({context}).")


@pytest.mark.parametrize(
    ("seed", "faults"),
    [(1, ()), (2, ()), (3, ("lost:0.2", "truncated:0.1")), (4, ()), (5, ("lost:0.2", "error500:0.1"))],
)
def test_killed_runs_reach_the_same_result_as_an_undisturbed_twin(
    make_world: Callable[..., World], seed: int, faults: tuple[str, ...]
) -> None:
    killed, twin = make_world("killed", START), make_world("twin", START)
    for world in (killed, twin):
        world.adopt()
    context = f"seed {seed}"
    story, chance = Story(seed), random.Random(seed + 1000)
    story.next(killed, twin)
    length = undisturbed(killed)
    twin.sync()
    killed.sandbox.set_faults(*faults, seed=seed)
    survived = 0
    for step in range(KILLS):
        story.next(killed, twin)
        if step % PACE == 0:
            twin.sync()
        took = kill_one(killed, chance.uniform(0, 1.1) * length)
        if took is not None:
            survived += 1
            # The machine was busier at the first measurement.
            length = min(length, took)
        assert killed.sandbox.aliases >= FOREIGN | {OWN}, context
        assert asked(killed.sandbox.requests, "remove") <= story.removed, context
    killed.sandbox.set_faults()
    expected, found = at_rest(twin, context), at_rest(killed, context)
    assert twin.sandbox.aliases == twin.wanted
    assert found == expected, context
    assert killed.wordpress.events == 0
    assert_books_agree(killed, context=context)
    # The removal limit counts each removal, even if its run was killed before it recorded it.
    counted = {name for (name,) in killed.rows("SELECT name FROM removals")}
    assert counted == carried_out(killed.sandbox.requests, "remove"), context
    assert survived < KILLS / 2, "Kills that come after the end show nothing."


def test_killed_runs_with_a_real_wordpress_reach_the_wanted_state(multisite: Multisite, quick_folder: Path) -> None:
    seed = 6
    story, chance = Story(seed), random.Random(seed + 1000)
    with real_world(quick_folder / "real", multisite, mapped=START) as world:
        world.adopt()
        story.next(world)
        length = undisturbed(world)
        world.sandbox.set_faults("lost:0.2", seed=seed)
        for _ in range(REAL_KILLS):
            story.next(world)
            kill_one(world, chance.uniform(0.2, 1) * length)
            assert world.sandbox.aliases >= FOREIGN | {OWN}
        world.sandbox.set_faults()
        at_rest(world, f"seed {seed}")
        assert world.sandbox.aliases == world.wanted
        assert world.wordpress.events == 0
        assert_books_agree(world, context=f"seed {seed}")
        managed = {name for (name,) in world.rows("SELECT name FROM aliases WHERE phase = 'present'")}
        assert managed == world.wordpress.domains
