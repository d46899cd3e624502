"""Check that a ledger contains only data that this package writes.

SQLite accepts any value in a column. A full check takes too long for each run, so it runs only after an unexpected
error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.domains import normalise
from closte_bridge.ledger.check_state import advice_of, evidence_in
from closte_bridge.ledger.flags import (
    GIVEN_UP_BEFORE,
    MOVED_BACK,
    RECORD_DUE,
    RECORD_HAD,
    RECORD_MADE,
    RECORD_UNSEEN,
    WAS_DONE,
)
from closte_bridge.ledger.log import LogAction
from closte_bridge.ledger.meta import IDENTITY, LATEST, LOCATION
from closte_bridge.ledger.published import pending
from closte_bridge.ledger.state import AliasPhase, FailureCode, Origin, RemovalClass
from closte_bridge.wordpress.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from closte_bridge.ledger.meta import MetaKey
    from closte_bridge.ledger.state import Identity, LedgerLocation
    from closte_bridge.ledger.store import Ledger

_TABLES = (
    "absences", "additions", "aliases", "events", "evidence", "check_state", "log", "flags", "meta", "removals",
    "failed_changes", "site_addresses", "published_states", "reported", "notifications",
)  # fmt: skip
# Tables in which every name is a normalised domain.
_OF_DOMAINS = (
    "absences", "additions", "aliases", "evidence", "check_state", "removals", "failed_changes", "published_states",
    "reported",
)  # fmt: skip
# Flags whose names are ids.
_OF_IDS = (GIVEN_UP_BEFORE, MOVED_BACK, RECORD_DUE, RECORD_HAD, RECORD_MADE, RECORD_UNSEEN, WAS_DONE)
_KINDS = {
    "INTEGER": "typeof({0}) = 'integer' AND abs({0} + 0.0) < 1e18",
    "REAL": f"typeof({{0}}) IN ('real', 'integer') AND abs({{0}}) < {LATEST}",
    "TEXT": "typeof({0}) = 'text'",
}
_WORDS: tuple[tuple[str, str, frozenset[object]], ...] = (
    ("aliases", "origin", frozenset(Origin)),
    ("aliases", "phase", frozenset(AliasPhase)),
    ("removals", "class", frozenset(RemovalClass)),
    ("failed_changes", "code", frozenset({"", *FailureCode})),
    ("evidence", "kind", frozenset(EventKind)),
    ("log", "action", frozenset(LogAction)),
)


def is_intact(ledger: Ledger) -> bool:
    """Return whether the ledger contains only valid data. Raises BridgeError for invalid values in `meta`."""
    meta = ledger.meta()
    return (
        all(map(_of_its_kinds, [ledger] * len(_TABLES), _TABLES))
        and _is_valid(meta, IDENTITY)
        and _is_valid(meta, LOCATION)
        and all(_holds_only(ledger, table, column, words) for table, column, words in _WORDS)
        and all(_are_domains(ledger, table) for table in _OF_DOMAINS)
        and _are_ids(ledger)
        and _are_steps(ledger)
    )


def _of_its_kinds(ledger: Ledger, table: str) -> bool:
    rules = []
    for _, column, kind, required, _, key in ledger.query(f"PRAGMA table_info({table})"):
        rule = f"({_KINDS[kind].format(column)})"
        rules.append(rule if required or key else f"({column} IS NULL OR {rule})")
    invalid = f"SELECT 1 FROM {table} WHERE NOT ({' AND '.join(rules)}) LIMIT 1"  # noqa: S608 - fixed names
    return not ledger.query(invalid)


def _is_valid(meta: Mapping[str, str], key: MetaKey[Identity | None] | MetaKey[LedgerLocation | None]) -> bool:
    try:
        key.of(meta)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _holds_only(ledger: Ledger, table: str, column: str, words: Collection[object]) -> bool:
    return all(value in words for (value,) in ledger.query(f"SELECT DISTINCT {column} FROM {table}"))  # noqa: S608 - fixed names


def _are_domains(ledger: Ledger, table: str) -> bool:
    return all(_is_domain(name) for (name,) in ledger.stream(f"SELECT DISTINCT name FROM {table}"))  # noqa: S608 - fixed names


def _is_domain(name: str) -> bool:
    try:
        return normalise(name) == name
    except ValueError:
        return False


def _are_ids(ledger: Ledger) -> bool:
    placeholders = ", ".join("?" * len(_OF_IDS))
    rows = ledger.query(f"SELECT name FROM flags WHERE kind IN ({placeholders})", *_OF_IDS)  # noqa: S608 - fixed text
    return all(name.isascii() and name.isdigit() for (name,) in rows)


def _are_steps(ledger: Ledger) -> bool:
    try:
        for (text,) in ledger.stream("SELECT DISTINCT next_step FROM check_state"):
            advice_of(text)
        for (text,) in ledger.stream("SELECT DISTINCT evidence FROM check_state WHERE evidence <> ''"):
            evidence_in(text)
        pending(ledger, -1)
    except (ValueError, RecursionError):
        return False
    return True
