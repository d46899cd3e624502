"""The tables of the ledger and their migrations.

`PRAGMA user_version` counts the applied migrations. A released migration never changes; a new one is appended. Each
runs in one transaction with its count, so that a crash leaves either the old ledger or the new one.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INITIAL = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE aliases (
    name TEXT PRIMARY KEY,
    origin INTEGER NOT NULL,
    phase TEXT NOT NULL,
    since REAL NOT NULL,
    absent_before INTEGER NOT NULL DEFAULT 0,
    adopted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX aliases_unsettled ON aliases (phase) WHERE phase <> 'present';
CREATE TABLE absences (
    name TEXT PRIMARY KEY,
    since REAL NOT NULL,
    times INTEGER NOT NULL,
    last REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE evidence (name TEXT PRIMARY KEY, kind TEXT NOT NULL, received REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE troubles (
    name TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL,
    next_try REAL NOT NULL,
    refused INTEGER NOT NULL,
    message TEXT NOT NULL,
    since REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE marks (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE events (
    uid TEXT PRIMARY KEY,
    received REAL NOT NULL,
    created REAL NOT NULL,
    kind TEXT NOT NULL,
    blog_id INTEGER NOT NULL,
    domain TEXT NOT NULL,
    detail TEXT NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_state ON events (state) WHERE state IN ('waiting', 'set-aside');
CREATE TABLE removals (name TEXT NOT NULL, class TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX removals_at ON removals (at);
CREATE TABLE additions (name TEXT NOT NULL, registered TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX additions_at ON additions (at);
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    run TEXT NOT NULL,
    action TEXT NOT NULL,
    name TEXT NOT NULL,
    cause TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX log_name ON log (name);
CREATE TRIGGER log_is_append_only BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""

_DOMAIN_CHECKS = """
CREATE TABLE histories (
    name TEXT PRIMARY KEY,
    first_seen REAL NOT NULL,
    next_look REAL NOT NULL,
    looked REAL,
    changed REAL NOT NULL,
    dns TEXT NOT NULL,
    tls TEXT NOT NULL,
    leads_here INTEGER NOT NULL,
    right_since REAL,
    serves INTEGER NOT NULL,
    not_after REAL,
    failures INTEGER NOT NULL,
    failing_since REAL,
    failed_at REAL,
    advice TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX histories_failing ON histories (failures) WHERE failures > 0;
"""

_CHANGED_CHECKS = "CREATE INDEX histories_changed ON histories (changed);"

# The action of an existing failed change is unknown, so it still counts for every action.
_FAILURES_BY_ACTION = """
ALTER TABLE troubles ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE troubles ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
UPDATE troubles SET refusals = attempts WHERE refused = 1;
"""

_FAILURE_CODES = "ALTER TABLE troubles ADD COLUMN code TEXT NOT NULL DEFAULT '';"

_PLAIN_TERMS = """
ALTER TABLE histories RENAME TO check_state;
ALTER TABLE check_state RENAME COLUMN looked TO checked_at;
ALTER TABLE check_state RENAME COLUMN next_look TO next_check;
ALTER TABLE check_state RENAME COLUMN leads_here TO points_here;
ALTER TABLE check_state RENAME COLUMN right_since TO ok_since;
UPDATE check_state SET dns = 'ok' WHERE dns = 'right';
UPDATE check_state SET dns = 'one-family-ok' WHERE dns = 'one-family-right';
UPDATE check_state SET tls = 'ok' WHERE tls = 'right';
DROP INDEX histories_failing;
DROP INDEX histories_changed;
CREATE INDEX check_state_failing ON check_state (failures) WHERE failures > 0;
CREATE INDEX check_state_changed ON check_state (changed);
ALTER TABLE marks RENAME TO flags;
UPDATE flags SET kind = 'rechecked' WHERE kind = 'looked-first';
ALTER TABLE troubles RENAME TO failed_changes;
UPDATE failed_changes SET code = 'not-listed' WHERE code = 'not-shown';
DROP INDEX events_state;
UPDATE events SET state = 'quarantined' WHERE state = 'set-aside';
CREATE INDEX events_state ON events (state) WHERE state IN ('waiting', 'quarantined');
UPDATE meta SET key = 'location' WHERE key = 'place';
UPDATE meta SET key = 'notified' WHERE key = 'told';
UPDATE meta SET key = 'notified_at' WHERE key = 'told_at';
UPDATE meta SET value = replace(replace(value, 'withheld', 'needs-approval'), 'not-shown', 'not-listed')
    WHERE key IN ('problems', 'notified');
"""

# The lifetime of a known certificate is unknown until its next check.
_LIVE_DOMAINS = """
ALTER TABLE check_state ADD COLUMN warn_at REAL;
ALTER TABLE check_state ADD COLUMN http TEXT NOT NULL DEFAULT '';
ALTER TABLE check_state ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
UPDATE check_state SET warn_at = not_after - 14 * 86400.0;
"""

# The text of an earlier check is kept until the next one.
_ADVICE_AS_DATA = """
ALTER TABLE check_state RENAME COLUMN advice TO next_step;
UPDATE check_state
    SET next_step = json_object('code', 'text', 'args', json_object('text', next_step), 'records', json_array())
    WHERE next_step <> '';
"""

_SITE_ADDRESSES = "CREATE TABLE site_addresses (site INTEGER PRIMARY KEY, domain TEXT NOT NULL);"

# `digest` is of what people see first, `whole` of the complete row. `pending` is the row to send, or "gone".
_PUBLISHED_STATES = """
ALTER TABLE check_state ADD COLUMN evidence TEXT NOT NULL DEFAULT '';
CREATE TABLE published_states (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    whole TEXT NOT NULL,
    since INTEGER NOT NULL,
    history TEXT NOT NULL,
    pending TEXT NOT NULL,
    sent INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX published_states_pending ON published_states (name) WHERE pending <> '';
"""

# `reported`: what people were told about each domain. The notifications that a channel has not delivered yet are those
# after its last one.
_NOTIFICATIONS = """
CREATE TABLE reported (
    name TEXT PRIMARY KEY,
    live INTEGER NOT NULL,
    was_live INTEGER NOT NULL,
    step TEXT NOT NULL,
    step_at REAL NOT NULL,
    not_after REAL,
    turned REAL,
    breaks INTEGER NOT NULL,
    broke_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    data TEXT NOT NULL
);
"""


class Migration(NamedTuple):
    """One step from an older ledger to a newer one. `number` is the version after it."""

    number: int
    name: str
    script: str


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "initial", _INITIAL),
    Migration(2, "domain checks", _DOMAIN_CHECKS),
    Migration(3, "index of changed checks", _CHANGED_CHECKS),
    Migration(4, "failed changes by action", _FAILURES_BY_ACTION),
    Migration(5, "failed changes with a code", _FAILURE_CODES),
    Migration(6, "plain terms", _PLAIN_TERMS),
    Migration(7, "live domains", _LIVE_DOMAINS),
    Migration(8, "advice as data", _ADVICE_AS_DATA),
    Migration(9, "addresses of sites", _SITE_ADDRESSES),
    Migration(10, "states in WordPress", _PUBLISHED_STATES),
    Migration(11, "notifications", _NOTIFICATIONS),
)


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Migrate the ledger to the newest version. Raises BridgeError if a newer closte-bridge has written it."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise BridgeError(
            "The ledger was written by a newer version of closte-bridge.",
            code="ledger-newer",
            hint="Upgrade closte-bridge on this machine.",
        )
    for number in range(version, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while this one waited for the lock.
            if connection.execute("PRAGMA user_version").fetchone() == (number,):
                for statement in _statements(migrations[number].script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(script: str) -> Iterator[str]:
    """Split a migration into its statements: `executescript` would commit the open transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), "a migration ends with a semicolon"  # noqa: S101 - checked by every start
