from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.engine.problems import open_problems
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger.schema import MIGRATIONS, Migration, migrate
from closte_bridge.ledger.state import AliasPhase, FailedChange, Origin
from closte_bridge.ledger.store import FILE_NAME, Ledger
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = "CREATE TABLE more (x TEXT);\nINSERT INTO more VALUES ('half; way');\n"
TRIGGER = "CREATE TRIGGER t BEFORE DELETE ON more BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n"


def made_of(*scripts: str, after: int = 0) -> tuple[Migration, ...]:
    """Return migrations with these scripts, numbered from `after` + 1."""
    return tuple(Migration(after + place, f"test {place}", script) for place, script in enumerate(scripts, 1))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "ledger", isolation_level=None)
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.mark.parametrize("start", range(len(MIGRATIONS)))
def test_every_older_ledger_is_migrated_to_the_newest(connection: sqlite3.Connection, start: int) -> None:
    migrate(connection, MIGRATIONS[:start])
    migrate(connection)
    assert version(connection) == len(MIGRATIONS)
    assert {"aliases", "events", "log", "check_state"} <= tables(connection)


def test_failures_of_an_older_ledger_count_for_every_action(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as ledger:
        path = ledger.path
    path.unlink()
    older = sqlite3.connect(path, isolation_level=None)
    migrate(older, MIGRATIONS[:3])
    older.execute("INSERT INTO troubles VALUES ('x.com', 2, 5.0, 1, 'No.', 1.0), ('y.com', 9, 5.0, 0, 'Hm.', 1.0)")
    older.close()
    with opened(tmp_path / "state") as ledger:
        failed_changes = ledger.state(1.0).failed_changes
    assert failed_changes == {
        "x.com": FailedChange(2, 5.0, True, "No.", 1.0, "", 2),
        "y.com": FailedChange(9, 5.0, False, "Hm.", 1.0),
    }


def test_migrations_are_numbered_in_order_with_unique_names() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert len({migration.name for migration in MIGRATIONS}) == len(MIGRATIONS)


def test_migration_keeps_checks_flags_and_events_under_new_names(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as ledger:
        path = ledger.path
    path.unlink()
    older = sqlite3.connect(path, isolation_level=None)
    migrate(older, MIGRATIONS[:5])
    older.execute(
        "INSERT INTO histories VALUES ('x.com', 1, 9, 5, 5, 'right', 'right', 1, 2, 1, 99, 0, NULL, NULL, ''),"
        " ('y.com', 1, 9, NULL, 5, 'one-family-right', '', 0, NULL, 0, NULL, 3, 4, 4, 'Add \"\\a\".')"
    )
    older.execute("INSERT INTO marks VALUES ('1', 'looked-first', 3), ('pinned.com', 'pin', 3)")
    older.execute("INSERT INTO troubles VALUES ('x.com', 1, 5, 0, 'No.', 1, 'add', 0, 'not-shown')")
    older.execute("INSERT INTO events VALUES ('odd', 1, 1, 'odd', 1, '', '', 'set-aside')")
    older.execute(
        "INSERT INTO meta VALUES ('told', 'withheld'), ('told_at', '7.0'), ('problems', '{\"withheld\": 7.0}')"
    )
    older.close()
    with opened(tmp_path / "state") as ledger:
        found = check_states.load(ledger, ["x.com", "y.com"])
        assert found["x.com"] == CheckState(1, 9, 5, 5, "ok", "ok", True, 2, True, 99, warn_at=99 - 14 * 86_400)
        assert (found["y.com"].dns, found["y.com"].failures) == ("one-family-ok", 3)
        assert found["y.com"].next_step.text == 'Add "\\a".'
        assert ledger.query("SELECT kind FROM flags ORDER BY kind") == [("pin",), ("rechecked",)]
        assert ledger.state(1.0).failed_changes["x.com"].code == "not-listed"
        assert ledger_events.quarantined(ledger) == 1
        assert open_problems(ledger) == {"needs-approval": 7.0, "not-listed": 1.0}
        meta = ledger.meta()
        assert (meta["notified"], meta["notified_at"]) == ("needs-approval", "7.0")
        ledger.check()


def test_second_migration_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before = connection.execute("PRAGMA schema_version").fetchone()
    migrate(connection)
    assert connection.execute("PRAGMA schema_version").fetchone() == before


def test_migration_may_contain_semicolons_inside_statements(connection: sqlite3.Connection) -> None:
    migrate(connection, made_of(MORE + TRIGGER))
    assert connection.execute("SELECT x FROM more").fetchall() == [("half; way",)]
    assert version(connection) == 1


@pytest.mark.parametrize("broken", ["CREATE TABLE meta (x TEXT);\n", "THIS IS NO SQL;\n"])
def test_failed_migration_leaves_the_old_ledger(connection: sqlite3.Connection, broken: str) -> None:
    migrate(connection)
    before = tables(connection)
    with pytest.raises(sqlite3.Error):
        migrate(connection, (*MIGRATIONS, *made_of(MORE + broken, after=len(MIGRATIONS))))
    assert not connection.in_transaction
    assert version(connection) == len(MIGRATIONS)
    assert tables(connection) == before
    migrate(connection, (*MIGRATIONS, *made_of(MORE, after=len(MIGRATIONS))))
    assert version(connection) == len(MIGRATIONS) + 1


def test_migration_that_cannot_begin_leaves_the_old_ledger(connection: sqlite3.Connection) -> None:
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        migrate(connection)
    other.close()
    assert version(connection) == 0


def test_completed_migrations_before_a_failed_one_stay(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.Error):
        migrate(connection, made_of(MORE, "CREATE TABLE even_more (x TEXT);\n", "THIS IS NO SQL;\n"))
    assert version(connection) == 2
    assert tables(connection) == {"more", "even_more"}


def test_newer_ledger_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with opened(folder) as ledger:
        ledger.put_aliases([("x.com", Origin.PIN)], AliasPhase.PRESENT, 0)
        ledger.query(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(BridgeError) as caught:
        Ledger.create(folder)
    assert caught.value.code == "ledger-newer"
    assert "Upgrade" in caught.value.hint
    connection = sqlite3.connect(folder / FILE_NAME)
    assert connection.execute("SELECT name FROM aliases").fetchall() == [("x.com",)]
    connection.close()


def test_concurrent_processes_migrate_once(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    first = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    first.execute("PRAGMA journal_mode = WAL")
    first.execute("BEGIN IMMEDIATE")
    found: list[object] = []
    waiting = threading.Event()

    def second() -> None:
        connection = sqlite3.connect(folder / FILE_NAME, isolation_level=None, timeout=60)
        connection.set_trace_callback(lambda sql: waiting.set() if sql.startswith("BEGIN") else None)
        try:
            migrate(connection, made_of(MORE))
            found.append(version(connection))
        except sqlite3.Error as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    # The second connection has read version 0 and waits to write.
    assert waiting.wait(60)
    first.execute("CREATE TABLE more (x TEXT)")
    first.execute("PRAGMA user_version = 1")
    first.execute("COMMIT")
    thread.join()
    first.close()
    assert found == [1]
