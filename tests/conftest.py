"""Fixtures for every test: real WordPress networks, canned ones, a private MariaDB server, a private SSH server."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.canned_world import World, document_of, new_world
from tests.support.databases import MariaDatabase
from tests.support.driver import Driver
from tests.support.folders import in_memory, short_folder
from tests.support.mariadb import MariaServer, mariadb_server
from tests.support.parts import MissingPartError, Parts, find_parts
from tests.support.servers import server_or_fail
from tests.support.ssh import SshServer, ssh_server
from tests.support.wordpress import Multisite, build_template, copy_multisite, keep_compiled, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


@pytest.fixture(scope="session")
def parts(shared_folder: Path) -> Parts:
    """Where PHP, WordPress, WP-CLI and the SQLite driver are; a missing one fails the test."""
    keep_compiled(shared_folder / "php")
    try:
        return find_parts()
    except MissingPartError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def multisite_template(shared_folder: Path, parts: Parts) -> Multisite:
    """The network on SQLite that every test gets a copy of: built once, by whoever comes first."""
    path = shared_folder / "template"
    database = sqlite_database(path)
    with (shared_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shared_folder / "template.done"
        if not done.exists():
            # What a worker that failed may have left.
            for leftover in (path, path.with_name("template-home")):
                shutil.rmtree(leftover, ignore_errors=True)
            build_template(path, parts, database)
            done.touch()
    return Multisite(path, path.with_name("template-home"), parts, database)


@pytest.fixture
def new_multisite(multisite_template: Multisite, tmp_path: Path) -> Callable[[str], Multisite]:
    """Makes fresh networks on SQLite: give it a name for the folder."""

    def make(name: str) -> Multisite:
        path = tmp_path / name
        return copy_multisite(multisite_template, path, sqlite_database(path))

    return make


@pytest.fixture
def multisite(new_multisite: Callable[[str], Multisite]) -> Multisite:
    """A fresh network on SQLite with Ultimate Multisite and the main site only."""
    return new_multisite("wordpress")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaServer]:
    """A private MariaDB server, ended after the tests."""
    with short_folder() as folder, server_or_fail(mariadb_server(folder / "m")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_template(mariadb: MariaServer, tmp_path_factory: pytest.TempPathFactory, parts: Parts) -> Multisite:
    """The network on MariaDB that every test gets a copy of."""
    path = tmp_path_factory.mktemp("mariadb") / "template"
    return build_template(path, parts, mariadb.create_database("template"))


@pytest.fixture
def multisite_mariadb(mariadb: MariaServer, mariadb_template: Multisite, tmp_path: Path) -> Iterator[Multisite]:
    """A fresh network on MariaDB with Ultimate Multisite and the main site only."""
    name = f"test_{uuid.uuid4().hex}"
    source = mariadb_template.database
    assert isinstance(source, MariaDatabase)
    database = mariadb.copy_database(source, name)
    yield copy_multisite(mariadb_template, tmp_path / "wordpress-mariadb", database)
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def sshd(parts: Parts) -> Iterator[SshServer]:
    """A private SSH server on loopback for `wp --ssh`, ended after the tests."""
    with short_folder() as folder, server_or_fail(ssh_server(folder / "ssh", parts)) as server:
        yield server


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


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """What the program does to this process's signals, when a test runs it in here, ends with the test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


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


def pytest_configure() -> None:
    """Let tests interrupt what they start: a runner in the background hands an ignored SIGINT down to all."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# In CI the same examples every time; elsewhere new ones, to find what nobody thought of. Before any test module is
# imported, because that is when a test takes its settings. Slowness is the machine's.
settings.register_profile(
    "ours", derandomize=bool(os.environ.get("CI")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")
