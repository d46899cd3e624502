"""Fixtures for all tests: real and fake WordPress networks, a private MariaDB server and a private SSH server."""

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

from tests.durations.record import longest_first, recorder
from tests.support.databases import MariaDatabase
from tests.support.driver import Driver
from tests.support.fake_world import World, document_of, new_world
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
    """Return the paths of PHP, WordPress, WP-CLI and the SQLite driver; fail the test if one is missing."""
    keep_compiled(shared_folder / "php")
    try:
        return find_parts()
    except MissingPartError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def multisite_template(shared_folder: Path, parts: Parts) -> Multisite:
    """Return the SQLite network that each test copies; the first worker that needs it builds it."""
    path = shared_folder / "template"
    database = sqlite_database(path)
    with (shared_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shared_folder / "template.done"
        if not done.exists():
            # A worker that failed may have left files.
            for leftover in (path, path.with_name("template-home")):
                shutil.rmtree(leftover, ignore_errors=True)
            build_template(path, parts, database)
            done.touch()
    return Multisite(path, path.with_name("template-home"), parts, database)


@pytest.fixture
def new_multisite(multisite_template: Multisite, tmp_path: Path) -> Callable[[str], Multisite]:
    """Return a function that creates a new SQLite network in a folder of the given name."""

    def make(name: str) -> Multisite:
        path = tmp_path / name
        return copy_multisite(multisite_template, path, sqlite_database(path))

    return make


@pytest.fixture
def multisite(new_multisite: Callable[[str], Multisite]) -> Multisite:
    """Return a new SQLite network with Ultimate Multisite and only the main site."""
    return new_multisite("wordpress")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaServer]:
    """Yield a private MariaDB server; stop it after the tests."""
    with short_folder() as folder, server_or_fail(mariadb_server(folder / "m")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_template(mariadb: MariaServer, tmp_path_factory: pytest.TempPathFactory, parts: Parts) -> Multisite:
    """Return the MariaDB network that each test copies."""
    path = tmp_path_factory.mktemp("mariadb") / "template"
    return build_template(path, parts, mariadb.create_database("template"))


@pytest.fixture
def multisite_mariadb(mariadb: MariaServer, mariadb_template: Multisite, tmp_path: Path) -> Iterator[Multisite]:
    """Yield a new MariaDB network with Ultimate Multisite and only the main site."""
    name = f"test_{uuid.uuid4().hex}"
    source = mariadb_template.database
    assert isinstance(source, MariaDatabase)
    database = mariadb.copy_database(source, name)
    yield copy_multisite(mariadb_template, tmp_path / "wordpress-mariadb", database)
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def sshd(parts: Parts) -> Iterator[SshServer]:
    """Yield a private SSH server on loopback for `wp --ssh`; stop it after the tests."""
    with short_folder() as folder, server_or_fail(ssh_server(folder / "ssh", parts)) as server:
        yield server


@pytest.fixture(scope="session")
def document(multisite_template: Multisite, shared_folder: Path) -> dict[str, Any]:
    """Return the snapshot of a real network for the fake ones; read it once a session and store it in a file."""
    kept = shared_folder / "document.json"
    with (shared_folder / "document.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(document_of(multisite_template)))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """Restore the signal handlers and the timer after a test that runs the program in this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """Yield a folder in memory if the system supports that."""
    with in_memory() as folder:
        yield folder


@pytest.fixture
def make_world(quick_folder: Path, document: dict[str, Any]) -> Iterator[Callable[..., World]]:
    """Yield a function that creates a world: a fake WordPress and a fake Closte, both with the domains in `mapped`.

    Each world of a test needs a name of its own. All of them end with the test.
    """
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
    """Yield a driver that runs commands in forks of a process with the program already loaded."""
    running = Driver()
    yield running
    running.end()


def pytest_configure(config: pytest.Config) -> None:
    """Restore the default SIGINT handler: child processes inherit an ignored SIGINT from a background test runner."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if durations := recorder(config):
        config.pluginmanager.register(durations)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first."""
    longest_first(items)


# CI repeats the same examples; other runs generate new ones, to find more bugs. Load the profile before pytest imports
# a test module, because each test reads its settings at import. The checks for slowness are off: the machine causes it.
settings.register_profile(
    "ours", derandomize=bool(os.environ.get("CI")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")
