"""The domain states that WordPress has, and the rows that wait to be sent there.

A row that waits is text, so that the next call of `wp` can send it before the engine knows anything else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.ledger.meta import GENERATION, PUBLISHED
from closte_bridge.wordpress.states import Batch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.ledger.store import Ledger

GONE = "gone"
"""The pending text of a row to delete."""


class Published(NamedTuple):
    """A domain as WordPress has it, or will have it after the next call.

    `digest` is of what people see first, `whole` of the complete row. `since` is when its state began, in seconds since
    the epoch. `history` is a JSON array. `pending` is the row to send, `GONE`, or empty; `sent`: the table has a row.
    """

    name: str
    digest: str
    whole: str
    since: int
    history: str
    pending: str
    sent: bool


_COLUMNS = "name, digest, whole, since, '', '', sent"


def load(ledger: Ledger, only: Collection[str] | None = None) -> dict[str, Published]:
    """Return published domains, all or `only` these, without their histories and pending rows (see `histories`)."""
    sql = f"SELECT {_COLUMNS} FROM published_states"  # noqa: S608 - fixed columns
    rows = (
        ledger.query(sql)
        if only is None
        else [row for name in only for row in ledger.query(f"{sql} WHERE name = ?", name)]
    )
    return {
        str(name): Published(name, digest, whole, since, history, waits, bool(sent))
        for name, digest, whole, since, history, waits, sent in rows
    }


def histories(ledger: Ledger, names: Collection[str]) -> dict[str, list[list[Any]]]:
    """Return the history of some domains, newest first. An invalid one counts as empty."""
    found = {}
    for name in names:
        for (text,) in ledger.query("SELECT history FROM published_states WHERE name = ?", name):
            found[name] = _entries(text)
    return found


def _entries(text: object) -> list[list[Any]]:
    try:
        entries = json.loads(str(text))
    except ValueError:
        return []
    return entries if isinstance(entries, list) and all(isinstance(entry, list) for entry in entries) else []


def count_sent(ledger: Ledger) -> int:
    """Return the number of rows that WordPress should have."""
    ((number,),) = ledger.query("SELECT COUNT(*) FROM published_states WHERE sent = 1")
    return int(number)


def count_pending(ledger: Ledger) -> int:
    """Return the number of rows that wait."""
    ((number,),) = ledger.query("SELECT COUNT(*) FROM published_states WHERE pending <> ''")
    return int(number)


def pending(ledger: Ledger, limit: int) -> Batch:
    """Return at most `limit` rows that wait."""
    rows: list[list[Any]] = []
    gone: list[str] = []
    for name, text in ledger.query(
        "SELECT name, pending FROM published_states WHERE pending <> '' ORDER BY name LIMIT ?", limit
    ):
        if text == GONE:
            gone.append(str(name))
        else:
            rows.append(json.loads(text))
    return Batch(rows, gone)


def put(ledger: Ledger, rows: Iterable[Published]) -> None:
    """Save rows, inside a transaction."""
    ledger.write("INSERT OR REPLACE INTO published_states VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def drop(ledger: Ledger, names: Iterable[str]) -> None:
    """Delete rows that WordPress never had, inside a transaction."""
    ledger.write("DELETE FROM published_states WHERE name = ?", [(name,) for name in names])


def note_written(ledger: Ledger, batch: Batch, generation: int) -> None:
    """Record that WordPress has these rows now, and the table's new generation; inside a transaction."""
    ledger.write(
        "UPDATE published_states SET pending = '', sent = 1 WHERE name = ?", [(str(r[0]),) for r in batch.rows]
    )
    ledger.write("DELETE FROM published_states WHERE name = ?", [(name,) for name in batch.gone])
    ledger.save(GENERATION.to(generation))


def start_over(ledger: Ledger) -> None:
    """Record that WordPress has no row: all are sent again. Inside a transaction. Histories stay."""
    ledger.write("DELETE FROM published_states WHERE pending = ?", [(GONE,)])
    ledger.write("UPDATE published_states SET digest = ?, whole = '', pending = '', sent = 0", [("",)])
    ledger.save(GENERATION.to(0), PUBLISHED.to(""))
