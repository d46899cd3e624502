"""Tests that end the program at each crash point of a run in turn; `tests.support.crash_driver` defines the points.

After a crash at any point, later runs must reach the same state as an undisturbed run.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.ledger import check_state as check_states
from tests.support.crash_driver import DIED
from tests.support.fake_world import FOREIGN, OWN
from tests.support.fake_wp import CannedWordPress
from tests.support.journal import asked, assert_books_agree
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.driver import Driver
    from tests.support.fake_world import World

pytestmark = pytest.mark.real

SEED = 20
ENOUGH = 8
# Three of four domains leave, so that every limit and every share of the rules is close.
OLD = [f"old{number}.example.com" for number in range(4)]
NEW = [f"new{number}.example.org" for number in range(2)]


# The points that every run passes at least once.
LEDGER = {"write", "before commit", "after commit"}
PROCESS = {"before start", "after start", "before wp", "after wp"}
FILES = {"before file", "after file"}
ALL = LEDGER | PROCESS | FILES | {"before request", "after request"}


@dataclass(frozen=True)
class Scenario:
    """World before a command, and the faults during it. With `again`, a person repeats the command after the crash.

    The run must pass at least `least` points, of exactly these `kinds`, so that a change of the driver cannot hide any.
    """

    prepare: Callable[[World], None]
    least: int
    argv: tuple[str, ...] = ("sync", "--retry", "--quiet")
    faults: tuple[str, ...] = ()
    again: bool = False
    kinds: frozenset[str] = frozenset(ALL)
    ends_on: str | None = None


def by_event(world: World) -> None:
    world.wordpress.change(add=NEW, drop=OLD[:3])
    # The first sync stores the events; the removals are due in the second.
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
    """Map a removed domain again before the result of its removal is known."""
    by_event(world)
    world.wordpress.change(add=OLD[:1])


def by_command(world: World) -> None:
    """Pin a domain whose removal a person requests next."""
    by_event(world)
    assert world.cli("domain", "add", "pin.example.com", "--quiet").returncode == 0


def unbound(world: World) -> None:
    world.wordpress.change(add=NEW)


def to_apply(world: World) -> None:
    """Write a plan file that a person has reviewed."""
    by_event(world)
    assert world.cli("plan", f"--out={plan_file(world)}", "--quiet").returncode == 0


def plan_file(world: World) -> str:
    return str(world.folder / "plan.json")


def with_metrics(world: World) -> None:
    """Write a metrics file in addition to the changes."""
    by_inference(world)
    world.configure(metrics_file=str(world.folder / "bridge.prom"))


def without_a_record(world: World) -> None:
    """Create a site without its domain record."""
    assert isinstance(world.wordpress, CannedWordPress)
    world.sync()
    world.wordpress.create_site("new.example.net")


def proven(world: World) -> None:
    """Save check results that two stages do not show yet; no check is due."""
    assert isinstance(world.wordpress, CannedWordPress)
    world.sync()
    now = time.time()
    right = CheckState(now, now + 9e6, now, now, "ok", "ok", points_here=True, ok_since=now, serves=True)
    names = [OWN, *OLD, *(f"www.{name}" for name in (OWN, *OLD))]
    with opened(world.state_dir) as ledger, ledger.transaction():
        # The `www.` forms point elsewhere, so that they are not wanted.
        check_states.save(ledger, {n: right._replace(points_here=n[:4] != "www.") for n in names})
    for name in OLD[:2]:
        world.wordpress.set_stage(name, "checking-dns")
    world.configure(checks=True, dns={"resolvers": ["127.0.0.1:9"], "timeout": 0.1})


def taken_over(world: World) -> None:
    """Let another installation become the owner."""
    assert isinstance(world.wordpress, CannedWordPress)
    world.sync()
    world.wordpress.give_to("another-engine")
    world.wordpress.change(add=NEW)


SCENARIOS = {
    "events": Scenario(by_event, 95),
    "events, answers lost": Scenario(
        by_event, 100, faults=(f"lost:1:1@{NEW[0]}", f"lost:1:1@{OLD[0]}", f"error500:1:1@{OLD[1]}")
    ),
    "inference": Scenario(with_metrics, 92),
    "inference, answers lost": Scenario(by_inference, 90, faults=(f"lost:1:1@{OLD[0]}", f"truncated:1:1@{OLD[1]}")),
    "moved": Scenario(moved, 90, faults=(f"lost:1:1@{OLD[1]}",)),
    "adoption": Scenario(unbound, 58, ("adopt", "--yes", "--quiet"), again=True),
    "taking over": Scenario(taken_over, 28, ("adopt", "--take-over", "--yes", "--quiet"), again=True),
    "a command": Scenario(by_command, 60, ("domain", "remove", "pin.example.com", "--yes", "--quiet"), again=True),
    "a reviewed plan": Scenario(to_apply, 95, ("apply", "{plan}", "--quiet"), again=True),
    "a record": Scenario(without_a_record, 54),
    "stages": Scenario(proven, 42),
    "watch": Scenario(
        by_event, 100, ("watch", "--quiet"), kinds=frozenset({*ALL, "before pause"}), ends_on="before pause"
    ),
}


def world_of(make_world: Callable[..., World], scenario: Scenario) -> World:
    """Return a world with its state saved as `before`; one request at a time keeps the points in one order."""
    world = make_world(mapped=OLD)
    world.configure(concurrency=1)
    if scenario.prepare is not unbound:
        world.adopt()
    scenario.prepare(world)
    world.keep("before")
    return world


def argv_of(world: World, scenario: Scenario) -> list[str]:
    return [word.replace("{plan}", plan_file(world)) for word in scenario.argv]


def to_the_end(
    driver: Driver, world: World, scenario: Scenario, expected: dict[str, object] | None = None
) -> dict[str, object]:
    """Run until the state is the expected one or, without `expected`, until it stops changing; return it."""
    if scenario.again:
        driver.run(world, *argv_of(world, scenario))
    last: object = None
    for _ in range(ENOUGH):
        done = driver.run(world, "sync", "--retry", "--quiet")
        assert done["status"] in {0, 3, 4}, done
        assert isinstance(world.wordpress, CannedWordPress)
        state = {"aliases": sorted(world.sandbox.aliases), "events": world.wordpress.events, **world.books()}
        state |= {"stages": world.wordpress.stages, "record due": world.rows("SELECT name FROM flags")}
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
def test_crash_at_any_point_changes_no_result(make_world: Callable[..., World], driver: Driver, name: str) -> None:
    scenario = SCENARIOS[name]
    world = world_of(make_world, scenario)
    argv = argv_of(world, scenario)
    world.sandbox.set_faults(*scenario.faults)
    points = driver.run(world, *argv, die_on=scenario.ends_on)["points"]
    assert set(points) == scenario.kinds
    assert len(points) >= scenario.least
    expected = to_the_end(driver, world, scenario)
    assert (world.sandbox.aliases, world.wordpress.events) == (world.wanted, 0)
    known: set[str] = set()
    for number, point in enumerate(points, start=1):
        context = f"{name}: died at point {number} of {len(points)}, {point}"
        world.restore("before")
        world.sandbox.set_faults(*scenario.faults)
        died = driver.run(world, *argv, die_at=number)
        assert died["status"] == DIED, (context, died)
        assert_files_whole(world)
        if (left := world.left()) in known:
            # The next runs depend on nothing else, such as which of the statements before a commit was the last.
            continue
        known.add(left)
        end = to_the_end(driver, world, scenario, expected)
        assert_sane(world, end, expected, context)


def assert_files_whole(world: World) -> None:
    """Check that the files for others are complete, whether old or new."""
    metrics, plan = world.folder / "bridge.prom", world.folder / "plan.json"
    if metrics.exists():
        assert [*text_string_to_metric_families(metrics.read_text())]
    if plan.exists():
        assert json.loads(plan.read_text())["changes"]


def test_crash_during_plan_writing_leaves_the_old_or_the_new_file(
    make_world: Callable[..., World], driver: Driver
) -> None:
    world = world_of(make_world, Scenario(to_apply, 0))
    old = (world.folder / "plan.json").read_bytes()
    world.wordpress.change(add=["later.example.org"])
    argv = ("plan", f"--out={plan_file(world)}", "--quiet")
    points = driver.run(world, *argv)["points"]
    assert set(points) == PROCESS | FILES | {"before request", "after request"}
    assert points.count("before file") >= 4  # opened, permissions set, flushed, renamed
    new = json.loads((world.folder / "plan.json").read_bytes())
    seen = set()
    for number, _ in enumerate(points, start=1):
        (world.folder / "plan.json").write_bytes(old)
        assert driver.run(world, *argv, die_at=number)["status"] == DIED
        found = (world.folder / "plan.json").read_bytes()
        seen.add(found == old)
        assert found == old or json.loads(found)["changes"] == new["changes"], number
    assert seen == {True, False}
    assert driver.run(world, "apply", plan_file(world), "--quiet")["status"] == 0
    assert world.sandbox.aliases == world.wanted


@pytest.mark.parametrize("faults", [(), ("list-hidden:1",)], ids=["sighted", "blind"])
def test_unwanted_addition_of_a_crashed_run_is_removed_or_logged(
    make_world: Callable[..., World], driver: Driver, faults: tuple[str, ...]
) -> None:
    """Closte-bridge removes the alias, and the log has both changes.

    Without a readable list, closte-bridge cannot know whether the alias existed before: it stays unmanaged, and the log
    says that it was requested.
    """
    world, name = world_of(make_world, Scenario(unbound, 0)), "brief.example.org"
    world.adopt()
    world.sync()
    world.wordpress.change(add=[name])
    world.keep("brief")
    world.sandbox.set_faults(*faults)
    points = driver.run(world, "sync", "--retry", "--quiet")["points"]
    left = 0
    for number, point in enumerate(points, start=1):
        world.restore("brief")
        world.sandbox.set_faults(*faults)
        assert driver.run(world, "sync", "--retry", "--quiet", die_at=number)["status"] == DIED
        world.sandbox.set_faults()
        asked_for = name in asked(world.sandbox.requests, "add")
        world.wordpress.change(drop=[name])
        for later in (0.0, 400.0, 7200.0, 14400.0):
            world.sync(later=later)
        told = {(action, outcome) for action, of, outcome in world.logged() if of == name}
        context = f"died at point {number} of {len(points)}, {point}: {told}"
        explained = told & {("add", "done"), ("confirm", "done"), ("add", "unclaimed")}
        assert explained or not asked_for, context
        if name in world.sandbox.aliases:
            assert faults, context
            assert ("add", "unclaimed") in told, context
            left += 1
        else:
            assert ("remove", "done") in told or not asked_for, context
    assert left >= 2 if faults else left == 0


def test_repeated_crashes_change_no_result(make_world: Callable[..., World], driver: Driver) -> None:
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
