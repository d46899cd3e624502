"""The ledger's file: open it safely, read its state, and commit what happened.

SQLite in WAL mode with full synchronisation: a committed intent survives kill -9 and a power cut (an outcome kill -9
alone, see `Ledger.transaction`). One process writes at a time (the lock of `closte_bridge.engine.lock`); others may
read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING, Any

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.flags import LEAVING, MOVED_BACK, RECORD_DUE, RECORD_MADE, RECORD_UNSEEN, REMOVED
from closte_bridge.ledger.folder import check_folder, make_folder, unusable
from closte_bridge.ledger.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from closte_bridge.ledger.state import (
        Absence,
        AliasPhase,
        Evidence,
        FailedChange,
        Identity,
        LedgerLocation,
        LedgerState,
        RemovalClass,
    )

WEEK = 7 * 86400.0
DAY = 86400.0
# How long a list may take to show what was just added, in seconds: not known of Closte, so generous.
LIST_LAG = 600.0
# After a jump of the clock nobody knows how old a site is: so long it may still be in the making, in seconds.
_IN_THE_MAKING = 600.0
# Of the log so many entries are kept.
LONGEST_LOG = 1_000_000
FILE_NAME = "ledger.sqlite3"
# In seconds since the epoch: the year 5138. `datetime` knows none that is much later.
LATEST = 1e11
# Small facts that are numbers.
_NUMBERS = frozenset(
    {
        "able", "adopted_at", "highest_mapping", "highest_site", "last_run", "last_success", "last_try",
        "observed_count", "notified_at",
    }
)  # fmt: skip

# The `www.` names that lead where their names lead, by the last looks at both.
_LEADING_WWW = """
SELECT www.name FROM check_state AS www JOIN check_state AS name ON name.name = substr(www.name, 5)
WHERE www.name >= 'www.' AND www.name < 'www/' AND www.points_here = 1 AND name.points_here = 1
"""

# SQLite's words about a damaged schema quote it, and what is damaged need not be text.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
# I/O errors that come from the file itself.
_DAMAGE = frozenset({"SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_DATA"})
_DAMAGED = (
    "Move the file away and run `closte-bridge adopt --take-over`: aliases that are still wanted are adopted again."
)


def _translate(error: Exception, path: Path) -> BridgeError:
    text = str(error)
    if "full" in text:
        return BridgeError(
            f'The ledger "{path}" cannot be written: the disk is full.',
            code="disk-full",
            hint="Free some space and run again: nothing is lost.",
        )
    if "locked" in text or "busy" in text:
        return BridgeError(
            f'The ledger "{path}" is in use by another program.',
            code="ledger-busy",
            hint="End whatever has the file open, for example an `sqlite3` shell.",
        )
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_IOERR") and name not in _DAMAGE:
        # A quota and a limit of the process end here, and so does a disk with no room for SQLite's index of its log.
        return BridgeError(
            f'The ledger "{path}" cannot be read or written: the disk reports an error.',
            code="disk-error",
            hint="Check its free space, your quota and the kernel's messages, then run again: nothing is lost.",
        )
    if "readonly" in text or "unable to open" in text:
        return BridgeError(
            f'The ledger "{path}" cannot be written.',
            code="ledger-not-writable",
            hint="Check the owner and the mode of the state folder and of the file system.",
        )
    return BridgeError(
        f'The ledger "{path}" is damaged or not a ledger ({type(error).__name__}).',
        code="ledger-damaged",
        hint=_DAMAGED,
    )


def _make(path: Path) -> None:
    # With its mode from the start; SQLite gives the files beside it the same. Not by the umask, which is the whole
    # process's: other threads are at work. What keeps the file from being made keeps SQLite from it too, and SQLite
    # says what it is.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _is_number(text: str) -> bool:
    try:
        # Not so of what is no number (`nan`) either.
        return abs(float(text)) < LATEST
    except ValueError:
        return False


class Ledger:
    """An open ledger. Use it as a context manager; every method may raise BridgeError for a full or broken disk."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, *, create: bool) -> Ledger | None:
        """Open the ledger in `folder`; without `create`, return None when there is none."""
        path = folder / FILE_NAME
        try:
            if create:
                make_folder(folder)
            elif not path.exists():
                return None
            else:
                check_folder(folder)
            if path.is_symlink() or (path.exists() and path.lstat().st_uid != os.geteuid()):
                raise BridgeError(
                    f'The ledger "{path}" is not a file of this user.',
                    code="other-user",
                    hint=f"As root, give all of it to the folder's owner: `chown -R … {quote(str(folder))}`.",
                )
        except OSError as error:
            raise unusable(folder, error) from None
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
        """Commit everything inside at once, or nothing of it.

        One that is not `durable` does not wait for the disk: no kill can lose it, but a power cut can until the next
        one that is. That is for what the next list tells as well.
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
        """Return the rows of one statement of this package's own."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Give the rows of one statement one by one, for those that can be very many."""
        try:
            yield from self._connection.execute(sql)
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    def write(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement of this package's own, once a row; inside `transaction`."""
        try:
            self._connection.executemany(sql, rows)
        except _ERRORS as error:
            raise _translate(error, self.path) from None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Call what the body fails at, for a reason that nobody thought of, by its name if the ledger is damaged."""
        try:
            yield
        except BridgeError:
            raise
        except Exception:
            self.check()
            raise

    def check(self) -> None:
        """Look through all of it. Raises BridgeError if something in it is of a kind that this package never writes."""
        from closte_bridge.ledger.integrity import is_intact  # noqa: PLC0415 - hardly ever needed

        if not is_intact(self):
            raise self._odd()

    # -- reading ------------------------------------------------------------------------------------------------

    def state(self, now: float, *, clock_jumped: bool = False) -> LedgerState:
        """Return everything the planner may know, as of `now`."""
        # The classes behind it are many: loaded while `wp` runs.
        from closte_bridge.ledger.reading import read_state  # noqa: PLC0415

        meta = self.meta()
        try:
            return read_state(self, meta, now, clock_jumped=clock_jumped)
        except (ValueError, KeyError, TypeError):
            raise self._odd() from None

    def _odd(self) -> BridgeError:
        return BridgeError(
            f'The ledger "{self.path}" holds something that closte-bridge did not write.',
            code="ledger-damaged",
            hint=_DAMAGED,
        )

    def meta(self) -> dict[str, str]:
        """Return the small facts: identity, counters, last looks."""
        meta = dict(self.query("SELECT key, value FROM meta"))
        numbers = [value for key, value in meta.items() if key in _NUMBERS]
        if not (all(isinstance(value, str) for value in meta.values()) and all(map(_is_number, numbers))):
            raise self._odd()
        return meta

    def pointing_www(self) -> frozenset[str]:
        """Return the `www.` names that lead where their names lead, by the last looks at both."""
        return frozenset(str(name) for (name,) in self.query(_LEADING_WWW))

    def engine_id(self) -> str | None:
        """Return the id of the engine that this ledger is, or None before adoption."""
        identity = self.meta().get("identity")
        try:
            return str(json.loads(identity)["engine"]) if identity else None
        except (ValueError, KeyError, TypeError):
            raise self._odd() from None

    # -- writing: call these inside `transaction` ----------------------------------------------------------------

    def set_meta(self, **values: str | None) -> None:
        """Set small facts; None removes one."""
        self.write("DELETE FROM meta WHERE key = ?", [(k,) for k, v in values.items() if v is None])
        self.write(
            "INSERT INTO meta VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
            [(k, v) for k, v in values.items() if v is not None],
        )

    def set_identity(self, identity: Identity) -> None:
        """Bind the ledger."""
        self.set_meta(identity=json.dumps(asdict(identity)))

    def set_place(self, location: LedgerLocation) -> None:
        """Remember where the ledger lies."""
        self.set_meta(location=json.dumps(asdict(location)))

    def put_aliases(
        self,
        rows: Iterable[tuple[str, int]],
        phase: AliasPhase,
        now: float,
        *,
        absent_before: bool = False,
        adopted: bool = False,
    ) -> None:
        """Write (name, origin) pairs into a phase; what was there of the name is replaced."""
        self.write(
            "INSERT OR REPLACE INTO aliases (name, origin, phase, since, absent_before, adopted) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(name, int(origin), phase.value, now, int(absent_before), int(adopted)) for name, origin in rows],
        )

    def set_phase(self, names: Iterable[str], phase: AliasPhase) -> None:
        """Move aliases that are in the ledger to another phase."""
        self.write("UPDATE aliases SET phase = ? WHERE name = ?", [(phase.value, name) for name in names])

    def disclaim(self, names: Iterable[str]) -> None:
        """Take note that these unsettled names would not be ours if they showed up now."""
        self.write("UPDATE aliases SET absent_before = 0 WHERE name = ? AND phase <> 'present'", [(n,) for n in names])

    def forget(self, names: Iterable[str]) -> None:
        """Drop names with everything that was kept of them, but for the log and the counts."""
        names = list(names)
        rows = [(name,) for name in names]
        for table in ("aliases", "absences", "evidence", "failed_changes"):
            self.write(f"DELETE FROM {table} WHERE name = ?", rows)  # noqa: S608 - names of our own tables
        self.clear_flag(LEAVING, names)

    def put_absences(self, absences: dict[str, Absence]) -> None:
        """Remember what complete snapshots did not mention."""
        self.write("INSERT OR REPLACE INTO absences VALUES (?, ?, ?, ?)", [(n, *a) for n, a in absences.items()])

    def clear(self, table: str, names: Iterable[str]) -> None:
        """Delete names from one of `absences`, `evidence`, `troubles`."""
        if table not in {"absences", "evidence", "failed_changes"}:
            raise ValueError(table)
        self.write(f"DELETE FROM {table} WHERE name = ?", [(name,) for name in names])  # noqa: S608 - checked above

    def put_evidence(self, evidence: dict[str, Evidence]) -> None:
        """Remember removal events; the last one counts: between two of them the name was back."""
        self.write("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", [(n, *e) for n, e in evidence.items()])

    def put_failed_change(self, name: str, trouble: FailedChange) -> None:
        """Remember a failed change and when it is tried again."""
        self.write(
            "INSERT OR REPLACE INTO failed_changes "
            "(name, attempts, next_try, refused, message, since, action, refusals, code) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(name, *trouble)],
        )

    def set_flag(self, kind: str, names: Iterable[str], now: float) -> None:
        """Set a mark of one of the kinds in `ledger.marks`; where it is set already, its time stays."""
        self.write(
            "INSERT OR IGNORE INTO flags (name, kind, since) VALUES (?, ?, ?)",
            [(n, kind, now) for n in names],
        )

    def clear_flag(self, kind: str, names: Iterable[str]) -> None:
        """Take a mark away."""
        self.write("DELETE FROM flags WHERE kind = ? AND name = ?", [(kind, n) for n in names])

    def count_removal(self, name: str, removal_class: RemovalClass, now: float) -> None:
        """Count a removal for the limits of the gate, and remember it for lists that still show the name."""
        self.write("INSERT INTO removals VALUES (?, ?, ?)", [(name, removal_class.value, now)])
        self.write("INSERT OR REPLACE INTO flags (name, kind, since) VALUES (?, ?, ?)", [(name, REMOVED, now)])

    def count_addition(self, name: str, registered: str, now: float) -> None:
        """Count an addition for the certificate budget; one for no `registered` domain needs no new certificate."""
        self.write("INSERT INTO additions VALUES (?, ?, ?)", [(name, registered, now)])

    def start_over(self, now: float) -> None:
        """Forget how long ago things were: the clock jumped. Counts stay, and waiting begins anew."""
        self.write("DELETE FROM absences WHERE since <> ?", [(now,)])
        self.write("UPDATE evidence SET received = ?", [(now,)])
        self.write("UPDATE removals SET at = ?", [(now,)])
        self.write("UPDATE additions SET at = ?", [(now,)])
        self.write("UPDATE aliases SET since = ? WHERE phase <> 'present'", [(now,)])
        self.write("UPDATE failed_changes SET next_try = min(next_try, ?)", [(now,)])
        self.write("UPDATE check_state SET next_check = min(next_check, ?)", [(now,)])
        # For how long something has failed decides about stages: that is seen anew from the start.
        self.write(
            "UPDATE check_state SET failures = ?, failing_since = NULL, failed_at = NULL WHERE failures > 0", [(0,)]
        )
        self.write("UPDATE flags SET since = min(since, ?) WHERE kind = ?", [(now + _IN_THE_MAKING, RECORD_DUE)])
        # Nobody knows how long such a site has been there: it waits for the whole of its day.
        self.write("UPDATE flags SET since = ? WHERE kind = ?", [(now + DAY, RECORD_UNSEEN)])
        self.write("UPDATE flags SET since = ? WHERE kind = ?", [(now, MOVED_BACK), (now, RECORD_MADE)])

    def prune(self, now: float) -> None:
        """Delete counts, events and evidence that no rule looks at any more, and the oldest of a very long log."""
        self.write("DELETE FROM removals WHERE at < ?", [(now - 2 * DAY,)])
        self.write("DELETE FROM additions WHERE at < ?", [(now - 2 * WEEK,)])
        self.write("DELETE FROM flags WHERE kind = ? AND since < ?", [(REMOVED, now - 2 * WEEK)])
        self.write("DELETE FROM events WHERE state IN ('done', 'aside') AND received < ?", [(now - 4 * WEEK,)])
        # Of names that are not ours, some may become so; most never do.
        self.write(
            "DELETE FROM evidence WHERE received < ? AND name NOT IN (SELECT name FROM aliases)", [(now - 2 * WEEK,)]
        )
        self.write("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?", [(LONGEST_LOG,)])
