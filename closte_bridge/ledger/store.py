"""The ledger's file: open it safely, read its state, and commit changes.

SQLite runs in WAL mode with full synchronisation: a committed intent survives `kill -9` and a power failure (an outcome
only `kill -9`, see `Ledger.transaction`). One process writes at a time (the lock of `closte_bridge.engine.lock`);
others may read.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from shlex import quote
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.flags import LEAVING, MOVED_BACK, RECORD_DUE, RECORD_MADE, RECORD_UNSEEN, REMOVED
from closte_bridge.ledger.folder import check_folder, make_folder, unusable
from closte_bridge.ledger.integrity import is_intact
from closte_bridge.ledger.meta import IDENTITY, NUMBERS
from closte_bridge.ledger.reading import read_state
from closte_bridge.ledger.schema import migrate
from closte_bridge.ledger.state import DAY, WEEK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from closte_bridge.ledger.state import (
        Absence,
        AliasPhase,
        Evidence,
        FailedChange,
        LedgerState,
        RemovalClass,
    )

# After a clock jump, the age of a site is unknown. Seconds in which its creation may still be in progress.
_CREATION_TIME = 600.0
# Maximum number of log entries.
LONGEST_LOG = 1_000_000
FILE_NAME = "ledger.sqlite3"
# `www.` domains that point here, as do their domains, by the last checks.
_POINTING_WWW = """
SELECT www.name FROM check_state AS www JOIN check_state AS name ON name.name = substr(www.name, 5)
WHERE www.name >= 'www.' AND www.name < 'www/' AND www.points_here = 1 AND name.points_here = 1
"""

# SQLite's message about a damaged schema quotes the schema, which may not be valid text.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
# I/O errors that come from the file itself.
_DAMAGE = frozenset({"SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_DATA"})
_DAMAGED = (
    "Move the file away, then run `closte-bridge adopt --take-over`. Domains still in use are adopted again; "
    "pins and history are lost."
)


def _translate(error: Exception, path: Path) -> BridgeError:
    text = str(error)
    if "full" in text:
        return BridgeError(
            f'Could not write the ledger "{path}": the disk is full.',
            code="disk-full",
            hint="Free disk space and run the command again. Nothing is lost.",
        )
    if "locked" in text or "busy" in text:
        return BridgeError(
            f'The ledger "{path}" is in use by another program.',
            code="ledger-busy",
            hint="Close the program that has the file open, for example an `sqlite3` shell.",
        )
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_IOERR") and name not in _DAMAGE:
        # Also for a quota, a limit of the process, and a disk without space for the index of SQLite's WAL file.
        return BridgeError(
            f'Could not read or write the ledger "{path}": the disk reported an error.',
            code="disk-error",
            hint="Check free disk space, quotas and the kernel log, then run the command again. Nothing is lost.",
        )
    if "readonly" in text or "unable to open" in text:
        return BridgeError(
            f'Could not write the ledger "{path}".',
            code="ledger-not-writable",
            hint="Check the owner and the mode of the state folder, and whether its file system is read-only.",
        )
    return BridgeError(
        f'The ledger "{path}" is damaged or not a ledger ({type(error).__name__}).',
        code="ledger-damaged",
        hint=_DAMAGED,
    )


@contextmanager
def _using(folder: Path) -> Iterator[None]:
    """Context manager: translate an error of the state folder."""
    try:
        yield
    except OSError as error:
        raise unusable(folder, error) from None


def _refuse_another_users(path: Path) -> None:
    if path.is_symlink() or (path.exists() and path.lstat().st_uid != os.geteuid()):
        raise BridgeError(
            f'The ledger "{path}" is a symbolic link or belongs to another user.',
            code="other-user",
            hint=f"As root, give its files to the owner of the folder: `chown -R … {quote(str(path.parent))}`.",
        )


def _make(path: Path) -> None:
    # Create the file with its final mode, which SQLite copies to its other files. Changing the umask would affect other
    # threads. On an error, SQLite fails too and reports the reason.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class Ledger:
    """An open ledger. A context manager; every method may raise BridgeError for a full or faulty disk."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> Ledger | None:
        """Open the ledger in `folder`; return None if it does not exist."""
        path = folder / FILE_NAME
        with _using(folder):
            if not path.exists():
                return None
            check_folder(folder)
            _refuse_another_users(path)
        return cls._connected(path)

    @classmethod
    def create(cls, folder: Path) -> Ledger:
        """Open the ledger in `folder`; create what does not exist."""
        path = folder / FILE_NAME
        with _using(folder):
            make_folder(folder)
            _refuse_another_users(path)
        return cls._connected(path)

    @classmethod
    def _connected(cls, path: Path) -> Ledger:
        connection: sqlite3.Connection | None = None
        try:
            _make(path)
            connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, _ERRORS):
                raise _translate(error, path) from None
            raise
        return cls(path, connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Commit everything inside, or nothing.

        If it is not `durable`, it does not wait for the disk: `kill -9` cannot lose it, but a power failure can until
        the next durable transaction. Use this for facts that the next list also shows.
        """
        try:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass
            if isinstance(error, _ERRORS):
                raise _translate(error, self.path) from None
            raise

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of one statement of this package."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one statement one by one, for large results."""
        try:
            yield from self._connection.execute(sql)
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    def write(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement of this package for each row, inside `transaction`."""
        try:
            self._connection.executemany(sql, rows)
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Replace an unexpected exception of the body with the error for a damaged ledger, if the ledger is damaged."""
        try:
            yield
        except BridgeError:
            raise
        except Exception:
            self.check()
            raise

    def check(self) -> None:
        """Check all data. Raises BridgeError if something was not written by this package."""
        if not is_intact(self):
            raise self._damaged()

    # -- reading ------------------------------------------------------------------------------------------------

    def state(self, now: float, *, clock_jumped: bool = False) -> LedgerState:
        """Return the state for the planner, as of `now`."""
        meta = self.meta()
        try:
            return read_state(self, meta, now, clock_jumped=clock_jumped)
        except (ValueError, KeyError, TypeError):
            raise self._damaged() from None

    def _damaged(self) -> BridgeError:
        return BridgeError(
            f'The ledger "{self.path}" contains unexpected data.',
            code="ledger-damaged",
            hint=_DAMAGED,
        )

    def meta(self) -> dict[str, str]:
        """Return the single values as text; `ledger.meta` has a key for each."""
        meta = dict(self.query("SELECT key, value FROM meta"))
        try:
            for key in NUMBERS:
                key.of(meta)
        except (ValueError, TypeError):
            raise self._damaged() from None
        if not all(isinstance(value, str) for value in meta.values()):
            raise self._damaged()
        return meta

    def pointing_www(self) -> frozenset[str]:
        """Return the `www.` domains that point here, as do their domains, by the last checks."""
        return frozenset(str(name) for (name,) in self.query(_POINTING_WWW))

    def engine_id(self) -> str | None:
        """Return the id of the installation with this ledger, or None before adoption."""
        try:
            identity = IDENTITY.of(self.meta())
            return identity.engine if identity else None
        except (ValueError, KeyError, TypeError):
            raise self._damaged() from None

    # -- writing: call these inside `transaction` ----------------------------------------------------------------

    def save(self, *values: tuple[str, str | None]) -> None:
        """Save single values, made by `MetaKey.to`."""
        self.write("DELETE FROM meta WHERE key = ?", [(k,) for k, v in values if v is None])
        self.write(
            "INSERT INTO meta VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
            [(k, v) for k, v in values if v is not None],
        )

    def put_aliases(
        self,
        rows: Iterable[tuple[str, int]],
        phase: AliasPhase,
        now: float,
        *,
        absent_before: bool = False,
        adopted: bool = False,
    ) -> None:
        """Write (domain, origin) pairs into a phase, and replace existing rows of these domains."""
        self.write(
            "INSERT OR REPLACE INTO aliases (name, origin, phase, since, absent_before, adopted) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(name, int(origin), phase.value, now, int(absent_before), int(adopted)) for name, origin in rows],
        )

    def set_phase(self, names: Iterable[str], phase: AliasPhase) -> None:
        """Move existing aliases to another phase."""
        self.write("UPDATE aliases SET phase = ? WHERE name = ?", [(phase.value, name) for name in names])

    def disclaim(self, names: Iterable[str]) -> None:
        """Record that these unsettled aliases are unmanaged if they appear now."""
        self.write("UPDATE aliases SET absent_before = 0 WHERE name = ? AND phase <> 'present'", [(n,) for n in names])

    def forget(self, names: Iterable[str]) -> None:
        """Delete domains with all their data except the log and the counts."""
        names = list(names)
        rows = [(name,) for name in names]
        for table in ("aliases", "absences", "evidence", "failed_changes"):
            self.write(f"DELETE FROM {table} WHERE name = ?", rows)  # noqa: S608 - fixed names
        self.clear_flag(LEAVING, names)

    def put_absences(self, absences: dict[str, Absence]) -> None:
        """Save aliases that complete snapshots did not mention."""
        self.write("INSERT OR REPLACE INTO absences VALUES (?, ?, ?, ?)", [(n, *a) for n, a in absences.items()])

    def clear(self, table: str, names: Iterable[str]) -> None:
        """Delete domains from one of `absences`, `evidence`, `failed_changes`."""
        if table not in {"absences", "evidence", "failed_changes"}:
            raise ValueError(table)
        self.write(f"DELETE FROM {table} WHERE name = ?", [(name,) for name in names])  # noqa: S608 - checked above

    def put_evidence(self, evidence: dict[str, Evidence]) -> None:
        """Save removal events. The last one counts, because the domain was in use again before it."""
        self.write("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", [(n, *e) for n, e in evidence.items()])

    def put_failed_change(self, name: str, failed: FailedChange) -> None:
        """Save a failed change and the time of its retry."""
        self.write(
            "INSERT OR REPLACE INTO failed_changes "
            "(name, attempts, next_try, refused, message, since, action, refusals, code) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(name, *failed[:-1], failed.code or "")],
        )

    def set_flag(self, kind: str, names: Iterable[str], now: float) -> None:
        """Set a flag of one of the kinds in `ledger.flags`. An existing flag keeps its time."""
        self.write(
            "INSERT OR IGNORE INTO flags (name, kind, since) VALUES (?, ?, ?)",
            [(n, kind, now) for n in names],
        )

    def clear_flag(self, kind: str, names: Iterable[str]) -> None:
        """Clear a flag."""
        self.write("DELETE FROM flags WHERE kind = ? AND name = ?", [(kind, n) for n in names])

    def count_removal(self, name: str, removal_class: RemovalClass, now: float) -> None:
        """Count a removal for the removal limits, and flag it in case an outdated list still shows the domain."""
        self.write("INSERT INTO removals VALUES (?, ?, ?)", [(name, removal_class.value, now)])
        self.write("INSERT OR REPLACE INTO flags (name, kind, since) VALUES (?, ?, ?)", [(name, REMOVED, now)])

    def count_addition(self, name: str, registered: str, now: float) -> None:
        """Count an addition for the certificate budget. With an empty `registered`, it needs no new certificate."""
        self.write("INSERT INTO additions VALUES (?, ?, ?)", [(name, registered, now)])

    def start_over(self, now: float) -> None:
        """Restart all delays after a clock jump. Counts stay."""
        self.write("DELETE FROM absences WHERE since <> ?", [(now,)])
        self.write("UPDATE evidence SET received = ?", [(now,)])
        self.write("UPDATE removals SET at = ?", [(now,)])
        self.write("UPDATE additions SET at = ?", [(now,)])
        self.write("UPDATE aliases SET since = ? WHERE phase <> 'present'", [(now,)])
        self.write("UPDATE failed_changes SET next_try = min(next_try, ?)", [(now,)])
        self.write("UPDATE check_state SET next_check = min(next_check, ?)", [(now,)])
        # Stages depend on how long a check has failed, so this restarts too.
        self.write(
            "UPDATE check_state SET failures = ?, failing_since = NULL, failed_at = NULL WHERE failures > 0", [(0,)]
        )
        self.write("UPDATE flags SET since = min(since, ?) WHERE kind = ?", [(now + _CREATION_TIME, RECORD_DUE)])
        # The age of these sites is unknown, so they wait a whole day.
        self.write("UPDATE flags SET since = ? WHERE kind = ?", [(now + DAY, RECORD_UNSEEN)])
        self.write("UPDATE flags SET since = ? WHERE kind = ?", [(now, MOVED_BACK), (now, RECORD_MADE)])

    def prune(self, now: float) -> None:
        """Delete counts, events and evidence that no rule needs, and the oldest entries of a very long log."""
        self.write("DELETE FROM removals WHERE at < ?", [(now - 2 * DAY,)])
        self.write("DELETE FROM additions WHERE at < ?", [(now - 2 * WEEK,)])
        self.write("DELETE FROM flags WHERE kind = ? AND since < ?", [(REMOVED, now - 2 * WEEK)])
        self.write("DELETE FROM events WHERE state IN ('done', 'aside') AND received < ?", [(now - 4 * WEEK,)])
        # Evidence about unmanaged domains may become useful, but rarely does.
        self.write(
            "DELETE FROM evidence WHERE received < ? AND name NOT IN (SELECT name FROM aliases)", [(now - 2 * WEEK,)]
        )
        self.write("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?", [(LONGEST_LOG,)])
