"""Fixtures for every test: real WordPress networks, a private MariaDB server, a private SSH server."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import uuid
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases import MariaDatabase
from tests.support.mariadb import MariaServer, mariadb_server
from tests.support.parts import MissingPartError, Parts, find_parts
from tests.support.ssh import SshServer, ssh_server
from tests.support.wordpress import Multisite, build_template, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Where PHP, WordPress, WP-CLI and the SQLite driver are; a missing one fails the test."""
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
    # A folder of its own with a short path: a socket's path may have 107 bytes only.
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


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a temporary folder whose path is short."""
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        yield Path(name)


@contextmanager
def server_or_fail(server: AbstractContextManager[T]) -> Iterator[T]:
    """Enter a server's context; a missing program fails the test instead of skipping it."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except MissingPartError as error:
            pytest.fail(str(error))
        yield running


def pytest_configure() -> None:
    """Let tests interrupt what they start: a runner in the background hands an ignored SIGINT down to all."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# In CI the same examples every time; elsewhere new ones, to find what nobody thought of. Before any test module is
# imported, because that is when a test takes its settings. Slowness is the machine's.
settings.register_profile(
    "ours", derandomize=bool(os.environ.get("CI")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")
