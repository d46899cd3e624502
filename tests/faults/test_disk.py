"""Tests of full, read-only or broken disks and of a held lock: each causes one clear error, and no change is lost."""

from __future__ import annotations

import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import lock
from closte_bridge.ledger.store import FILE_NAME
from tests.support.disks import fill, needs_root, read_only, small_disk
from tests.support.fake_world import FOREIGN, OWN
from tests.support.journal import asked, assert_books_agree
from tests.support.running import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.driver import Driver
    from tests.support.fake_world import World

pytestmark = pytest.mark.real

OLD = [f"old.customer{number}.com" for number in range(12)]
DISK = "4m"
# Free space that runs out at different steps: immediately, at the intents, in the middle of the outcomes.
ROOM_KIB = (0, 8, 48, 160, 400)
DISK_CODES = {"disk-full", "disk-error"}


def limited(world: World, kib: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program with a limit on the size of each file, in KiB."""
    code = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n));"
    code += " os.execv(sys.argv[2], sys.argv[2:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(kib * 1024), *world.argv(*words)],
        capture_output=True,
        text=True,
        check=False,
        env=world.environ,
        timeout=LIMIT_SECONDS,
    )


def the_one_error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the code of the single error that stopped a command called with `--format=json`."""
    assert done.stderr == ""
    envelope = json.loads(done.stdout)
    assert envelope["exit_code"] == done.returncode
    (error,) = envelope["errors"]
    assert error["message"]
    assert error["hint"]
    return str(error["code"])


def names(prefix: object) -> list[str]:
    return [f"new{prefix}.customer{number}.org" for number in range(20)]


def assert_everything_goes_on(world: World, driver: Driver) -> None:
    for _ in range(4):
        done = driver.run(world, "sync", "--retry", "--quiet")
        assert done["status"] == 0, done
    assert world.sandbox.aliases == world.wanted
    assert not world.rows("SELECT name FROM aliases WHERE phase <> 'present'")
    assert not world.rows("SELECT name FROM failed_changes")
    assert_books_agree(world)


def changed(world: World, number: int) -> None:
    world.wordpress.change(add=names(number), drop=OLD[number : number + 1])
    world.sync(only=frozenset({"nothing.example.com"}))


@needs_root
def test_full_disk_causes_one_error_and_no_loss(make_world: Callable[..., World], driver: Driver) -> None:
    world = make_world(mapped=OLD)
    stopped = 0
    with small_disk(world.state_dir, DISK):
        world.adopt()
        for number, room in enumerate(ROOM_KIB):
            changed(world, number)
            ballast = fill(world.state_dir, room)
            done = world.cli("sync", "--format=json")
            if done.returncode != 0:
                stopped += 1
                assert (done.returncode, the_one_error(done) in DISK_CODES) == (1, True), done
            ballast.unlink()
            assert world.sandbox.aliases >= FOREIGN | {OWN}
            assert_everything_goes_on(world, driver)
    assert stopped >= 3


def test_file_size_limit_causes_one_error_and_no_loss(make_world: Callable[..., World], driver: Driver) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    world = make_world(mapped=OLD)
    world.adopt()
    stopped = 0
    for number, room in enumerate(ROOM_KIB):
        changed(world, number)
        done = limited(world, room, "sync", "--format=json")
        if done.returncode != 0:
            stopped += 1
            assert (done.returncode, the_one_error(done) in DISK_CODES) == (1, True), done
        assert_everything_goes_on(world, driver)
    assert stopped >= 3


@needs_root
def test_read_only_state_folder_causes_one_error(make_world: Callable[..., World], driver: Driver) -> None:
    world = make_world(mapped=OLD)
    with small_disk(world.state_dir, DISK):
        world.adopt()
        world.wordpress.change(add=names("x"), drop=OLD[:1])
        with read_only(world.state_dir):
            for command in (("sync",), ("adopt", "--yes"), ("domain", "add", "pin.example.com")):
                done = world.cli(*command, "--format=json")
                assert (done.returncode, the_one_error(done)) == (1, "state-folder"), done
            done = world.cli("plan", "--format=json")
            assert done.returncode in {0, 1}, done
            if done.returncode:
                assert the_one_error(done) == "ledger-not-writable", done
        assert not carried_changes(world)
        assert_everything_goes_on(world, driver)


def carried_changes(world: World) -> set[str]:
    """Return the domains for which any change was requested."""
    return asked(world.sandbox.requests, "add") | asked(world.sandbox.requests, "remove")


DAMAGES: dict[str, Callable[[bytearray, random.Random], object]] = {
    "header": lambda raw, _: raw.__setitem__(slice(0, 100), b"\xff" * 100),
    "schema": lambda raw, _: raw.__setitem__(slice(100, 2000), b"\x00" * 1900),
    "cut in half": lambda raw, _: raw.__delitem__(slice(len(raw) // 2, None)),
    "cut to a page": lambda raw, _: raw.__delitem__(slice(4096, None)),
    "zeros": lambda raw, _: raw.__setitem__(slice(4096, None), bytes(len(raw) - 4096)),
    "noise": lambda raw, chance: raw.__setitem__(slice(4096, None), chance.randbytes(len(raw) - 4096)),
}


def scatter(raw: bytearray, chance: random.Random) -> None:
    """Overwrite random parts."""
    for _ in range(chance.randint(1, 6)):
        at, size = chance.randrange(len(raw)), chance.randint(1, 400)
        raw[at : at + size] = chance.randbytes(len(raw[at : at + size]))


@pytest.mark.parametrize("damage", [*DAMAGES, *(f"seed {seed}" for seed in range(12))])
def test_damaged_ledger_never_removes_anything(make_world: Callable[..., World], driver: Driver, damage: str) -> None:
    world = make_world(mapped=OLD)
    world.adopt()
    world.wordpress.change(add=["new.example.org"])
    world.sync()
    world.wordpress.change(add=["more.example.org"])
    path = world.state_dir / FILE_NAME
    chance = random.Random(damage)
    raw = bytearray(path.read_bytes())
    (DAMAGES.get(damage) or scatter)(raw, chance)
    path.write_bytes(raw)
    for command in (
        ("plan",),
        ("sync",),
        ("sync",),
        ("log",),
        ("domain", "list"),
        ("domain", "add", "pin.example.com"),
    ):
        done = driver.run(world, *command, "--format=json")
        envelope = json.loads(done["stdout"])
        codes = {error["code"] for error in envelope["errors"]}
        assert "internal-error" not in codes, (damage, command, done)
        assert done["stderr"] == "", (damage, command, done)
        if done["status"] == 1:
            (error,) = envelope["errors"]
            assert error["code"].startswith("ledger-"), (damage, command, error)
    assert asked(world.sandbox.requests, "remove") == set(), damage
    assert world.sandbox.aliases >= world.wanted - {"more.example.org"}, damage


def test_empty_ledger_is_a_new_one(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=OLD)
    world.adopt()
    (world.state_dir / FILE_NAME).write_bytes(b"")
    world.wordpress.change(drop=OLD[:1])
    done = world.cli("sync", "--format=json")
    assert (done.returncode, json.loads(done.stdout)["errors"][0]["code"]) == (7, "other-owner")
    assert carried_changes(world) == set()


def test_damaged_ledger_is_recovered_as_the_hint_says(make_world: Callable[..., World], driver: Driver) -> None:
    """The hint's steps are sufficient: move the ledger away, take over, continue."""
    world = make_world(mapped=OLD)
    world.adopt()
    path = world.state_dir / FILE_NAME
    path.write_bytes(b"not a ledger at all, but long enough to be looked at" * 100)
    done = world.cli("sync", "--format=json")
    assert (done.returncode, the_one_error(done)) == (1, "ledger-damaged")
    path.rename(path.with_suffix(".damaged"))
    assert world.cli("adopt", "--take-over", "--yes", "--quiet").returncode == 0
    world.wordpress.change(add=names("x"), drop=OLD[:2])
    assert_everything_goes_on(world, driver)


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("INSERT INTO aliases VALUES ('u.example.org', 1, 'adding', 'soon', 0, 0)", ("plan",)),
        ("UPDATE meta SET value = 'x' WHERE key = 'able'", ("sync",)),
        ("UPDATE meta SET value = x'fffe' WHERE key = 'observed_count'", ("domain", "list")),
        ("UPDATE meta SET value = '[]' WHERE key = 'last_success'", ("health",)),
        ("DROP TRIGGER log_is_append_only; UPDATE log SET at = 'x'", ("log",)),
    ],
    ids=["time", "number", "bytes", "health", "what was read fails later"],
)
def test_impossible_value_is_reported_as_damage(
    make_world: Callable[..., World], statement: str, command: tuple[str, ...]
) -> None:
    world = make_world(mapped=OLD)
    world.adopt()
    world.sync()
    with closing(sqlite3.connect(world.state_dir / FILE_NAME)) as connection, connection:
        connection.executescript(statement)
    done = world.cli(*command, "--format=json")
    assert (done.returncode, the_one_error(done)) == (1, "ledger-damaged"), done
    assert carried_changes(world) == set()


def test_lock_holder_is_named_and_left_running(make_world: Callable[..., World], driver: Driver) -> None:
    world = make_world(mapped=OLD)
    world.adopt()
    world.wordpress.change(add=["new.example.org"], drop=OLD[:1])
    with lock.held(world.state_dir, "watch"):
        for command in (("sync",), ("adopt", "--yes"), ("domain", "add", "pin.example.com")):
            done = world.cli(*command, "--format=json")
            assert (done.returncode, the_one_error(done)) == (75, "locked"), done
            assert f"process {os.getpid()} (`watch`)" in done.stdout
        assert world.cli("plan", "--quiet").returncode == 0
    assert carried_changes(world) == set()
    assert_everything_goes_on(world, driver)
