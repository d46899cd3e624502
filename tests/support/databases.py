"""The two kinds of database for test networks, accessed without WordPress."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, str | None]


class Database(Protocol):
    """A database that runs SQL for both kinds and returns every value as text, as WordPress sees it."""

    @property
    def constants(self) -> dict[str, str]:
        """The constants of `wp-config.php` that connect WordPress to this database."""
        ...

    def sql(self, script: str) -> list[Row]:
        """Run one statement (or several without rows) and return the rows of the last one."""
        ...


@dataclass(frozen=True)
class SqliteDatabase:
    """A database file of the SQLite driver, at `path`."""

    path: Path

    @property
    def constants(self) -> dict[str, str]:
        return {"DB_NAME": "wordpress", "DB_USER": "none", "DB_PASSWORD": "none", "DB_HOST": "localhost"}

    def sql(self, script: str) -> list[Row]:
        with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            statements = [part for part in script.split(";\n") if part.strip()]
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            return [
                {name: None if value is None else str(value) for name, value in zip(names, row, strict=True)}
                for row in cursor.fetchall()
            ]


@dataclass(frozen=True)
class MariaDatabase:
    """A database of a private MariaDB server. `client` is the command line of `mariadb` with its connection options."""

    client: tuple[str, ...]
    socket: Path
    name: str

    @property
    def constants(self) -> dict[str, str]:
        host = f"localhost:{self.socket}"
        return {"DB_NAME": self.name, "DB_USER": "root", "DB_PASSWORD": "", "DB_HOST": host}

    def sql(self, script: str) -> list[Row]:
        output = subprocess.run(
            [*self.client, "--xml", self.name], input=script, capture_output=True, text=True, check=True
        ).stdout
        if not output.strip():
            return []
        # Each statement with rows writes one document; only the last one counts.
        document = "<resultset" + output.rsplit("<resultset", 1)[1]
        return [_row(element) for element in ElementTree.fromstring(document).iter("row")]  # noqa: S314 - written by the test's server


def _row(element: ElementTree.Element) -> Row:
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    return {
        str(field.get("name")): None if field.get(nil) == "true" else (field.text or "")
        for field in element.iter("field")
    }
