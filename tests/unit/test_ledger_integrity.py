"""The integrity check: unexpected errors mean damage if the ledger contains values that closte-bridge never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.config.model import Settings
from closte_bridge.engine.engine import Engine
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger import notifications, published
from closte_bridge.ledger.flags import GIVEN_UP_BEFORE, LEAVING, PIN, RECORD_DUE, WAS_DONE
from closte_bridge.ledger.integrity import is_intact
from closte_bridge.ledger.meta import IDENTITY, LOCATION
from closte_bridge.ledger.published import Published
from closte_bridge.ledger.site_addresses import keep_addresses
from closte_bridge.ledger.state import (
    Absence,
    AliasPhase,
    Evidence,
    FailedChange,
    Identity,
    LedgerLocation,
    Origin,
    RemovalClass,
)
from closte_bridge.ledger.store import Ledger
from closte_bridge.wordpress.events import EventKind
from closte_bridge.wordpress.snapshot import Event
from tests.support.ledgers import code_of

if TYPE_CHECKING:
    from pathlib import Path


NOW = 1_800_000_000.0
A, WILD = "a.example.org", "*.example.org"
TABLES = [
    "absences",
    "additions",
    "aliases",
    "events",
    "evidence",
    "check_state",
    "log",
    "flags",
    "meta",
    "removals",
    "failed_changes",
    "site_addresses",
    "published_states",
    "reported",
    "notifications",
]


def fill(ledger: Ledger) -> None:
    """Write a row to each table, as closte-bridge does."""
    with ledger.transaction():
        ledger.save(IDENTITY.to(Identity("e", 1, "example.net", "d", None, "k")))
        ledger.save(LOCATION.to(LedgerLocation("h", "/x")))
        ledger.save(
            ("adopted_at", repr(NOW)),
            ("last_run", repr(NOW)),
            ("last_steady", repr(9.5)),
            ("last_boot", "b"),
            ("highest_site", "4"),
            ("notified", ""),
        )
        ledger.put_aliases([(A, Origin.MAPPING), (WILD, Origin.CONFIG)], AliasPhase.PRESENT, NOW)
        ledger.put_aliases([("b.example.org", Origin.PIN)], AliasPhase.REMOVING, NOW)
        ledger.put_absences({A: Absence(NOW, 2, NOW)})
        ledger.put_evidence({A: Evidence(EventKind.REMOVED, NOW)})
        ledger.put_failed_change(A, FailedChange(3, NOW, True, "No.", NOW, "add", 1))
        for kind, name in ((PIN, A), (LEAVING, WILD), (GIVEN_UP_BEFORE, "7"), (WAS_DONE, "8"), (RECORD_DUE, "9")):
            ledger.set_flag(kind, [name], NOW)
        events = [Event("ab" * 16, int(NOW), "mapping_removed", 1, A, "")]
        ledger_events.copy_events(ledger, events, ledger_events.read_events(events, ()), NOW)
        ledger.count_removal(A, RemovalClass.EVENT, NOW)
        ledger.count_addition(A, "example.org", NOW)
        ledger_log.append(ledger, [ledger_log.LogEntry(NOW, "run", ledger_log.LogAction.ADD, A, "cause", "done")])
        check_states.save(ledger, {A: CheckState(NOW, NOW, points_here=True, evidence={"issuer": "CA"})})
        published.put(ledger, [Published(A, "d", "w", int(NOW), "[]", f'["{A}"]', sent=True)])
        notifications.save_reported(ledger, {A: notifications.Reported(live=True)})
        live = notifications.Notification(NOW, notifications.NotificationKind.LIVE, A)
        notifications.append(ledger, [live], NOW)
    keep_addresses(ledger, {1: "example.net"})


def test_values_written_by_the_package_are_intact(ledger: Ledger) -> None:
    assert is_intact(ledger)
    fill(ledger)
    assert is_intact(ledger)
    assert all(ledger.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)
    known = {str(name) for (name,) in ledger.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert known - {"sqlite_sequence"} == {*TABLES}


ODD: list[tuple[str, object]] = [
    ("UPDATE check_state SET evidence = ?", "[]"),
    ("UPDATE published_states SET pending = ?", "{"),
    ("UPDATE published_states SET since = ?", "x"),
    ("UPDATE aliases SET since = ?", "x"),
    ("UPDATE aliases SET since = ?", float("inf")),
    ("UPDATE aliases SET since = ?", 1e308),
    ("UPDATE aliases SET origin = ?", 9),
    ("UPDATE aliases SET phase = ?", "gone"),
    ("UPDATE aliases SET name = ? WHERE origin = 1", "[]"),
    ("UPDATE removals SET class = ?", "x"),
    ("UPDATE absences SET name = ?", "[]"),
    ("UPDATE absences SET times = ?", 10**18),
    ("UPDATE check_state SET first_seen = ?", b"\xff\xfe"),
    ("UPDATE check_state SET not_after = ?", "soon"),
    ("UPDATE check_state SET next_step = ?", "Add it."),
    ("UPDATE check_state SET next_step = ?", '{"code": "new", "args": {}, "records": []}'),
    ("UPDATE check_state SET next_step = ?", '{"code": "expired", "args": {}, "records": []}'),
    ("UPDATE check_state SET next_step = ?", '{"code": "no-address", "args": {"in_zone": null}, "records": [{}]}'),
    ("UPDATE flags SET name = ? WHERE kind = 'given-up'", "x"),
    ("UPDATE flags SET since = ? WHERE kind = 'record-due'", "x"),
    ("UPDATE meta SET value = ? WHERE key = 'identity'", "{}"),
    ("UPDATE meta SET value = ? WHERE key = 'location'", "[]"),
    ("UPDATE meta SET value = ? WHERE key = 'location'", "["),
]


@pytest.mark.parametrize(("statement", "value"), ODD)
def test_values_never_written_by_the_package_are_damage(ledger: Ledger, statement: str, value: object) -> None:
    fill(ledger)
    with ledger.transaction():
        ledger.write(statement, [(value,)])
    assert not is_intact(ledger)


@pytest.mark.parametrize("value", ["x", "nan", "inf", "[]", "9" * 400, b"\xff\xfe"])
@pytest.mark.parametrize("key", ["adopted_at", "highest_site"])
def test_invalid_number_in_meta_is_damage(ledger: Ledger, key: str, value: object) -> None:
    fill(ledger)
    with ledger.transaction():
        ledger.write("UPDATE meta SET value = ? WHERE key = ?", [(value, key)])
    assert code_of(ledger.meta) == "ledger-damaged"


def test_bytes_in_place_of_text_in_meta_are_damage(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.transaction():
        ledger.write("UPDATE meta SET value = ? WHERE key = ?", [(b"\xff", "identity")])
    assert code_of(ledger.meta) == "ledger-damaged"


def test_unexpected_error_means_damage_only_in_a_damaged_ledger(folder: Path) -> None:
    engine = Engine(Settings(state_dir=folder), {})

    def fails() -> NoReturn:
        with engine.opened():
            raise KeyError("x")

    with engine.opened():
        fill(engine.created_ledger())
    with pytest.raises(KeyError):
        fails()
    with engine.opened():
        ledger = engine.created_ledger()
        with ledger.transaction():
            ledger.write("UPDATE aliases SET since = ?", [("x",)])
    assert code_of(fails) == "ledger-damaged"


def test_bridge_error_keeps_its_own_code(folder: Path) -> None:
    Ledger.create(folder).close()

    def fails() -> NoReturn:
        with Engine(Settings(state_dir=folder), {}).opened():
            raise BridgeError("No.", code="no", hint="Yes.")

    assert code_of(fails) == "no"
