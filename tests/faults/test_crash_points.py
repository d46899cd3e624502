"""The program dies right before and right after each commit, each request and each call of `wp`, one after another.

Whatever the point, the runs that follow come to the same end as if nothing had happened.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.crash_driver import DIED
from tests.support.faults import FOREIGN, OWN, asked, assert_books_agree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.faults import Driver, World

pytestmark = pytest.mark.real

SEED = 20
ENOUGH = 8
# Few names: three of four are to go, so that every limit and every share of the rules is close.
OLD = [f"old{number}.example.com" for number in range(4)]
NEW = [f"new{number}.example.org" for number in range(2)]


@dataclass(frozen=True)
class Scenario:
    """A world just before a command, and the faults it meets. `again`: a person repeats a command that died."""

    prepare: Callable[[World], None]
    argv: tuple[str, ...] = ("sync", "--retry", "--quiet")
    faults: tuple[str, ...] = ()
    again: bool = False


def by_event(world: World) -> None:
    world.wordpress.change(add=NEW, drop=OLD[:3])
    # The first look takes the events in; the removals are due in the second.
    world.configure(removal_delay=3600)
    world.sync(only=frozenset({"nothing.example.com"}))
    world.configure(removal_delay=0.001)


def by_inference(world: World) -> None:
    world.configure(removal_grace=3600)
    world.wordpress.change(add=NEW[:1], drop=OLD[:3], events=False)
    for _ in range(3):
        world.sync(only=frozenset({"nothing.example.com"}))
    world.configure(removal_grace=0.001)


def moved(world: World) -> None:
    """A name is taken away and comes back before the removal's answer is known."""
    by_event(world)
    world.wordpress.change(add=OLD[:1])


def by_command(world: World) -> None:
    """A person is about to have a pin removed."""
    by_event(world)
    assert world.cli("domain", "add", "pin.example.com", "--quiet").returncode == 0


def unbound(world: World) -> None:
    world.wordpress.change(add=NEW)


SCENARIOS = {
    "events": Scenario(by_event),
    "events, answers lost": Scenario(
        by_event, faults=(f"lost:1:1@{NEW[0]}", f"lost:1:1@{OLD[0]}", f"error500:1:1@{OLD[1]}")
    ),
    "inference": Scenario(by_inference),
    "inference, answers lost": Scenario(by_inference, faults=(f"lost:1:1@{OLD[0]}", f"truncated:1:1@{OLD[1]}")),
    "moved": Scenario(moved, faults=(f"lost:1:1@{OLD[1]}",)),
    "adoption": Scenario(unbound, ("adopt", "--yes", "--quiet"), again=True),
    "a command": Scenario(by_command, ("domain", "remove", "pin.example.com", "--yes", "--quiet"), again=True),
}


def world_of(make_world: Callable[..., World], scenario: Scenario) -> World:
    """Return a world with its picture `before` taken, one request at a time so that points have one order."""
    world = make_world(mapped=OLD)
    world.configure(concurrency=1)
    if scenario.prepare is not unbound:
        world.adopt()
    scenario.prepare(world)
    world.keep("before")
    return world


def to_the_end(
    driver: Driver, world: World, scenario: Scenario, expected: dict[str, object] | None = None
) -> dict[str, object]:
    """Run until the state is the one expected, or else until nothing changes any more; return the state."""
    if scenario.again:
        driver.run(world, *scenario.argv)
    last: object = None
    for _ in range(ENOUGH):
        done = driver.run(world, "sync", "--retry", "--quiet")
        assert done["status"] in {0, 3, 4}, done
        state = {"aliases": sorted(world.sandbox.aliases), "events": world.wordpress.events, **world.books()}
        if state in (last, expected):
            return state
        last = state
    pytest.fail(f"Not at rest after {ENOUGH} runs: {last}")


def assert_sane(world: World, end: dict[str, object], expected: dict[str, object], context: str) -> None:
    assert world.sandbox.aliases == world.wanted, context
    assert world.sandbox.aliases >= FOREIGN | {OWN}, context
    assert end == expected, context
    assert not asked(world.sandbox.requests, "remove") & (FOREIGN | {OWN} | set(NEW) | set(OLD[3:])), context
    assert_books_agree(world, context=context)


@pytest.mark.parametrize("name", SCENARIOS)
def test_dying_at_any_point_changes_nothing(make_world: Callable[..., World], driver: Driver, name: str) -> None:
    scenario = SCENARIOS[name]
    world = world_of(make_world, scenario)
    world.sandbox.set_faults(*scenario.faults)
    points = driver.run(world, *scenario.argv)["points"]
    assert {"before commit", "after commit", "before request", "after request", "before wp", "after wp"} == set(points)
    expected = to_the_end(driver, world, scenario)
    assert (world.sandbox.aliases, world.wordpress.events) == (world.wanted, 0)
    for number, point in enumerate(points, start=1):
        context = f"{name}: died at point {number} of {len(points)}, {point}"
        world.restore("before")
        world.sandbox.set_faults(*scenario.faults)
        died = driver.run(world, *scenario.argv, die_at=number)
        assert died["status"] == DIED, (context, died)
        end = to_the_end(driver, world, scenario, expected)
        assert_sane(world, end, expected, context)


def test_dying_again_and_again_changes_nothing(make_world: Callable[..., World], driver: Driver) -> None:
    scenario = SCENARIOS["events, answers lost"]
    world = world_of(make_world, scenario)
    world.sandbox.set_faults(*scenario.faults)
    count = len(driver.run(world, *scenario.argv)["points"])
    expected = to_the_end(driver, world, scenario)
    chance = random.Random(SEED)
    for round_number in range(6):
        deaths = [chance.randint(1, count) for _ in range(5)]
        context = f"seed {SEED}, round {round_number}: died at points {deaths}"
        world.restore("before")
        world.sandbox.set_faults(*scenario.faults)
        for point in deaths:
            assert driver.run(world, *scenario.argv, die_at=point)["status"] in {DIED, 0, 3, 4}, context
        end = to_the_end(driver, world, scenario, expected)
        assert_sane(world, end, expected, context)
