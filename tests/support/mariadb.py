"""A private MariaDB server for tests, with its own data folder, socket and loopback port."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.databases import MariaDatabase
from tests.support.parts import find_program
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 120


@dataclass(frozen=True)
class MariaServer:
    """A running server. Every user with access to the socket is root, without a password."""

    socket: Path
    port: int
    client: tuple[str, ...]

    def create_database(self, name: str) -> MariaDatabase:
        """Create an empty database."""
        self._run(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return MariaDatabase(self.client, self.socket, name)

    def copy_database(self, source: MariaDatabase, name: str) -> MariaDatabase:
        """Create a copy of the database `source`."""
        copy = self.create_database(name)
        dump = subprocess.run(
            [find_program("mariadb-dump"), "--no-defaults", f"--socket={self.socket}", "--user=root", source.name],
            capture_output=True,
            check=True,
        ).stdout
        subprocess.run([*self.client, name], input=dump, check=True)
        return copy

    def drop_database(self, name: str) -> None:
        """Drop a database."""
        self._run(f"DROP DATABASE `{name}`")

    def _run(self, statement: str) -> None:
        subprocess.run([*self.client], input=statement, text=True, check=True)


@contextmanager
def mariadb_server(folder: Path) -> Iterator[MariaServer]:
    """Run a server with its data in the new folder `folder`; stop it after the body.

    Raises `MissingPartError` if MariaDB is not installed.
    """
    folder.mkdir(parents=True)
    data, socket, log = folder / "data", folder / "s", folder / "log"
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    installed = subprocess.run(
        [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *as_root, "--skip-test-db",
         "--auth-root-authentication-method=normal", "--skip-name-resolve", "--force"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    if installed.returncode:
        raise RuntimeError(f"MariaDB could not make its data folder:\n{installed.stdout}")
    port = free_port()
    # Tests do not need durability, which takes most of the time.
    fast = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--innodb-buffer-pool-size=64M"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [find_program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket}",
             f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}", *fast, *as_root],
            stdout=output,
            stderr=output,
        )  # fmt: skip
    options = (f"--socket={socket}", "--user=root", "--default-character-set=utf8mb4")
    client = (find_program("mariadb"), "--no-defaults", *options)
    try:
        _wait(server, client, log)
        yield MariaServer(socket, port, client)
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], client: tuple[str, ...], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run([*client, "--execute=SELECT 1"], capture_output=True, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"MariaDB did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)
