from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger import meta as keys
from closte_bridge.ledger.flags import MOVED_BACK
from closte_bridge.ledger.missing_records import await_records, records_due
from closte_bridge.ledger.state import (
    DAY,
    LIST_LAG,
    WEEK,
    Absence,
    AliasPhase,
    Evidence,
    FailedChange,
    Identity,
    LedgerLocation,
    LedgerState,
    Origin,
    RemovalClass,
    Unsettled,
)
from closte_bridge.wordpress.events import EventKind
from tests.support.ledgers import code_of

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0


# -- transactions ----------------------------------------------------------------------------------------------------


def test_failed_transaction_stores_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction():
            ledger.save(("a", "1"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert ledger.meta() == {}
    with ledger.transaction():
        ledger.save(("a", "2"))
    assert ledger.meta() == {"a": "2"}


def test_connection_lost_in_a_transaction_is_an_error(ledger: Ledger) -> None:
    def commit() -> None:
        with ledger.transaction():
            ledger._connection.close()

    assert code_of(commit) == "ledger-damaged"


def test_failed_statement_never_shows_the_sqlite_error(ledger: Ledger) -> None:
    assert code_of(lambda: ledger.query("SELECT nothing")) == "ledger-damaged"
    assert code_of(lambda: ledger.write("INSERT INTO nothing VALUES (?)", [(1,)])) == "ledger-damaged"
    assert code_of(lambda: list(ledger.stream("SELECT nothing"))) == "ledger-damaged"


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("meta", ("identity", "{broken")),
        ("meta", ("identity", "[]")),
        ("meta", ("identity", '{"no": "such field"}')),
        ("meta", ("highest_site", "many")),
        ("aliases", ("x.com", 1, "floating", NOW, 0, 0)),
        ("aliases", ("x.com", 9, "adding", NOW, 0, 0)),
        ("removals", ("x.com", "made-up", NOW)),
    ],
)
def test_foreign_value_is_reported_as_damage(ledger: Ledger, table: str, values: tuple[object, ...]) -> None:
    marks = ", ".join("?" * len(values))
    ledger.write(f"INSERT INTO {table} VALUES ({marks})", [values])
    assert code_of(lambda: ledger.state(NOW)) == "ledger-damaged"


def test_flag_of_another_kind_does_not_change_the_planning_state(ledger: Ledger) -> None:
    before = ledger.state(NOW)
    with ledger.transaction():
        ledger.set_flag("stage-refused", ["7 checking-dns done"], NOW)
    assert ledger.state(NOW) == before


@pytest.mark.parametrize("identity", ["{broken", "[]", "{}", "7"])
def test_unreadable_engine_id_is_reported_as_damage(ledger: Ledger, identity: str) -> None:
    ledger.save(("identity", identity))
    assert code_of(ledger.engine_id) == "ledger-damaged"


# -- stored data -----------------------------------------------------------------------------------------------------


IDENTITY = Identity("engine", 1, "network.org", "digest", None, "key")
PLACE = LedgerLocation("host", "/state")
TROUBLE = FailedChange(3, NOW + 60, True, 'Closte answered "no".', NOW - 60, "remove", 2)


def write_everything(ledger: Ledger) -> None:
    seen = CheckState(first_seen=NOW, next_check=NOW, points_here=True)
    with ledger.transaction():
        ledger.save(keys.IDENTITY.to(IDENTITY))
        ledger.save(keys.LOCATION.to(PLACE))
        ledger.save(
            ("config_path", "/etc/c.yaml"), ("highest_site", "5"), ("highest_mapping", "7"), ("observed_count", "9")
        )
        ledger.put_aliases([("x.com", Origin.MAPPING), ("www.x.com", Origin.WWW)], AliasPhase.PRESENT, NOW)
        ledger.put_aliases([("y.com", Origin.PIN)], AliasPhase.ADDING, NOW, absent_before=True)
        ledger.put_absences({"x.com": Absence(NOW - 9, 2, NOW)})
        ledger.put_evidence({"x.com": Evidence(EventKind.SITE_DELETED, NOW)})
        ledger.put_failed_change("y.com", TROUBLE)
        for kind in ("pin", "leaving", "released", "former"):
            ledger.set_flag(kind, [f"{kind}.com"], NOW)
        ledger.count_removal("z.com", RemovalClass.EVENT, NOW)
        ledger.count_addition("y.com", "y.com", NOW)
        check_states.save(ledger, {"x.com": seen, "www.x.com": seen, "www.z.com": seen})


def test_all_written_data_is_read_back(ledger: Ledger) -> None:
    write_everything(ledger)
    assert ledger.engine_id() == "engine"
    assert ledger.state(NOW) == LedgerState(
        identity=IDENTITY,
        location=PLACE,
        config_path="/etc/c.yaml",
        managed={"x.com": Origin.MAPPING, "www.x.com": Origin.WWW},
        unsettled={"y.com": Unsettled(AliasPhase.ADDING, Origin.PIN, NOW, True)},
        absences={"x.com": Absence(NOW - 9, 2, NOW)},
        evidence={"x.com": Evidence(EventKind.SITE_DELETED, NOW)},
        failed_changes={"y.com": TROUBLE},
        pins=frozenset({"pin.com"}),
        leaving=frozenset({"leaving.com"}),
        released=frozenset({"released.com"}),
        former_domains=frozenset({"former.com"}),
        removals=((RemovalClass.EVENT, NOW),),
        removed_lately=frozenset({"z.com"}),
        added_per_registered={"y.com": 1},
        added_this_week=frozenset({"y.com"}),
        added_lately=frozenset({"y.com"}),
        highest_site=5,
        highest_mapping=7,
        observed_count=9,
        pointing_www=frozenset({"www.x.com"}),
    )


def test_meta_values_can_be_changed_and_removed(ledger: Ledger) -> None:
    ledger.save(("a", "1"), ("b", "2"))
    ledger.save(("a", "3"), ("b", None))
    assert ledger.meta() == {"a": "3"}


def test_unanswered_change_moves_to_another_phase(ledger: Ledger) -> None:
    ledger.put_aliases([("x.com", Origin.PIN)], AliasPhase.ADDING, NOW, absent_before=True)
    ledger.set_phase(["x.com", "unknown.com"], AliasPhase.UNCONFIRMED)
    assert ledger.state(NOW).unsettled == {"x.com": Unsettled(AliasPhase.UNCONFIRMED, Origin.PIN, NOW, True)}


def test_claim_is_dropped_for_unmanaged_aliases_only(ledger: Ledger) -> None:
    ledger.put_aliases([("x.com", Origin.PIN)], AliasPhase.UNCONFIRMED, NOW, absent_before=True)
    ledger.put_aliases([("y.com", Origin.PIN)], AliasPhase.PRESENT, NOW)
    ledger.disclaim(["x.com", "y.com"])
    assert ledger.state(NOW).unsettled["x.com"].absent_before is False
    assert "y.com" in ledger.state(NOW).managed


def test_forgotten_alias_leaves_only_its_counts(ledger: Ledger) -> None:
    ledger.put_aliases([("x.com", Origin.MAPPING)], AliasPhase.PRESENT, NOW)
    ledger.put_absences({"x.com": Absence(NOW, 1, NOW)})
    ledger.put_evidence({"x.com": Evidence(EventKind.REMOVED, NOW)})
    ledger.put_failed_change("x.com", FailedChange(1, NOW, False, "", NOW))
    ledger.set_flag("leaving", ["x.com"], NOW)
    ledger.set_flag("released", ["x.com"], NOW)
    ledger.count_removal("x.com", RemovalClass.COMMAND, NOW)
    ledger.forget(["x.com"])
    assert ledger.state(NOW) == LedgerState(
        released=frozenset({"x.com"}), removals=((RemovalClass.COMMAND, NOW),), removed_lately=frozenset({"x.com"})
    )


def test_latest_event_replaces_earlier_evidence(ledger: Ledger) -> None:
    ledger.put_evidence({"x.com": Evidence(EventKind.REMOVED, NOW)})
    ledger.put_evidence({"x.com": Evidence(EventKind.SITE_DELETED, NOW + 60)})
    assert ledger.state(NOW).evidence == {"x.com": Evidence(EventKind.SITE_DELETED, NOW + 60)}


def test_flags_are_set_once_and_cleared(ledger: Ledger) -> None:
    ledger.set_flag("pin", ["x.com", "x.com", "y.com"], NOW)
    ledger.set_flag("pin", ["x.com"], NOW + 1)
    ledger.clear_flag("pin", ["y.com"])
    assert ledger.query("SELECT name, kind, since FROM flags") == [("x.com", "pin", NOW)]


@pytest.mark.parametrize("table", ["absences", "evidence", "failed_changes"])
def test_single_domains_are_cleared_from_a_table(ledger: Ledger, table: str) -> None:
    ledger.put_absences({"x.com": Absence(NOW, 1, NOW), "y.com": Absence(NOW, 1, NOW)})
    ledger.put_evidence({"x.com": Evidence(EventKind.REMOVED, NOW), "y.com": Evidence(EventKind.REMOVED, NOW)})
    for name in ("x.com", "y.com"):
        ledger.put_failed_change(name, FailedChange(1, NOW, False, "", NOW))
    ledger.clear(table, ["x.com"])
    assert set(getattr(ledger.state(NOW), table)) == {"y.com"}


def test_protected_table_cannot_be_cleared(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="aliases"):
        ledger.clear("aliases", ["x.com"])


def test_counts_cover_their_time_windows(ledger: Ledger) -> None:
    for number, ago in enumerate((0, LIST_LAG - 1, LIST_LAG, DAY, WEEK - 1, WEEK)):
        ledger.count_addition(f"n{number}.x.com", "x.com", NOW - ago)
        ledger.count_removal(f"n{number}.x.com", RemovalClass.INFERENCE, NOW - ago)
    ledger.count_addition("n0.x.com", "x.com", NOW)
    state = ledger.state(NOW)
    assert state.added_lately == {"n0.x.com", "n1.x.com"}
    assert len(state.added_this_week) == 5
    assert state.added_per_registered == {"x.com": 5}
    assert sorted(NOW - at for _, at in state.removals) == [0, LIST_LAG - 1, LIST_LAG]


def test_all_removals_count_after_a_clock_jump(ledger: Ledger) -> None:
    ledger.count_removal("x.com", RemovalClass.EVENT, NOW - 400 * DAY)
    assert ledger.state(NOW).removals == ()
    state = ledger.state(NOW, clock_jumped=True)
    assert state.clock_jumped
    assert state.removals == ((RemovalClass.EVENT, NOW - 400 * DAY),)


def test_all_additions_count_for_the_budget_after_a_clock_jump(ledger: Ledger) -> None:
    ledger.count_addition("n.x.com", "x.com", NOW - 8 * DAY)
    assert ledger.state(NOW).added_per_registered == {}
    state = ledger.state(NOW, clock_jumped=True)
    assert state.added_per_registered == {"x.com": 1}
    assert state.added_this_week == {"n.x.com"}


def test_temporary_step_back_of_the_clock_keeps_the_budget(ledger: Ledger) -> None:
    ledger.count_addition("n.x.com", "x.com", NOW)
    for now in (NOW - 30 * DAY, NOW):
        ledger.start_over(now)
        ledger.prune(now)
    assert ledger.state(NOW).added_per_registered == {"x.com": 1}


def test_record_is_not_postponed_by_a_wrong_clock(ledger: Ledger) -> None:
    await_records(ledger, {2: NOW + 400 * DAY, 3: NOW + 60})
    ledger.set_flag("released", ["y.com"], NOW + 400 * DAY)
    ledger.start_over(NOW)
    assert records_due(ledger) == {2: NOW + 600, 3: NOW + 60}
    assert ledger.query("SELECT since FROM flags WHERE kind = 'released'") == [(NOW + 400 * DAY,)]


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY], ids=["back", "forward"])
def test_clock_jump_restarts_waits_and_postpones_nothing(ledger: Ledger, jump: float) -> None:
    now = NOW + jump
    ledger.put_aliases([("x.com", Origin.PIN)], AliasPhase.ADDING, NOW)
    ledger.put_aliases([("y.com", Origin.PIN)], AliasPhase.PRESENT, NOW)
    ledger.put_absences({"y.com": Absence(NOW - DAY, 2, NOW)})
    ledger.put_evidence({"y.com": Evidence(EventKind.REMOVED, NOW)})
    ledger.put_failed_change("x.com", FailedChange(1, NOW + DAY, False, "", NOW))
    ledger.count_removal("z.com", RemovalClass.EVENT, NOW)
    ledger.count_addition("x.com", "x.com", NOW)
    ledger.set_flag(MOVED_BACK, ["7"], NOW)
    check_states.save(ledger, {"x.com": CheckState(first_seen=NOW, next_check=NOW + DAY)})
    ledger.start_over(now)
    state = ledger.state(now)
    assert state.absences == {}
    assert state.evidence["y.com"].received == now
    assert state.unsettled["x.com"].since == now
    assert state.failed_changes["x.com"].next_try == min(NOW + DAY, now)
    assert state.removals == ((RemovalClass.EVENT, now),)
    assert ledger.query("SELECT at FROM additions") == [(now,)]
    assert ledger.query("SELECT since FROM flags WHERE kind = ?", MOVED_BACK) == [(now,)]
    assert dict(check_states.next_checks(ledger))["x.com"] == min(NOW + DAY, now)


def test_clock_jump_resets_failure_counts(ledger: Ledger) -> None:
    """The time between the failures is unknown: two minutes of failures must not move a mapping from "done"."""
    fresh = CheckState(NOW - DAY, NOW + 60, checked_at=NOW, dns="nxdomain")
    failing = fresh._replace(failures=2, failing_since=NOW - 60, failed_at=NOW)
    check_states.save(ledger, {"x.com": failing})
    ledger.start_over(NOW + 3600)
    (after,) = check_states.load(ledger, ["x.com"]).values()
    assert after == fresh
    assert check_states.failing(ledger) == {}


def test_outdated_entries_are_deleted(ledger: Ledger) -> None:
    for ago in (0.0, 2 * DAY + 1, 2 * WEEK + 1):
        ledger.count_removal(f"x{ago:.0f}.com", RemovalClass.EVENT, NOW - ago)
        ledger.count_addition("x.com", "x.com", NOW - ago)
    for number, (state, ago) in enumerate(
        (("done", 0), ("done", 4 * WEEK + 1), ("quarantined", 4 * WEEK + 1), ("aside", 0), ("aside", 4 * WEEK + 1))
    ):
        ledger.write(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(str(number), NOW - ago, 0, "k", 1, "", "", state)]
        )
    ledger.prune(NOW)
    assert ledger.query("SELECT COUNT(*) FROM removals") == [(1,)]
    assert ledger.state(NOW).removed_lately == {"x0.com", "x172801.com"}
    assert ledger.query("SELECT COUNT(*) FROM additions") == [(2,)]
    assert ledger.query("SELECT uid FROM events ORDER BY uid") == [("0",), ("2",), ("3",)]


def test_old_evidence_of_unmanaged_domains_is_deleted(ledger: Ledger) -> None:
    ledger.put_aliases([("ours.com", Origin.MAPPING)], AliasPhase.PRESENT, NOW)
    ledger.put_aliases([("coming.com", Origin.MAPPING)], AliasPhase.ADDING, NOW)
    old, new = (Evidence(EventKind.REMOVED, NOW - 2 * WEEK - ago) for ago in (1, 0))
    ledger.put_evidence({"ours.com": old, "coming.com": old, "trial.com": old, "new.com": new})
    ledger.prune(NOW)
    assert ledger.state(NOW).evidence.keys() == {"ours.com", "coming.com", "new.com"}


def test_long_log_keeps_its_newest_entries(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closte_bridge.ledger.store.LONGEST_LOG", 3)
    for number in range(5):
        ledger_log.append(
            ledger, [ledger_log.LogEntry(NOW, "run", ledger_log.LogAction.ADD, f"{number}.com", "", "done")]
        )
    ledger.prune(NOW)
    assert [entry.name for entry in ledger_log.read(ledger)] == ["2.com", "3.com", "4.com"]


def test_log_is_append_only(ledger: Ledger) -> None:
    ledger.write("INSERT INTO log (at, run, action, name, cause, outcome, detail) VALUES (0,'','','','','','')", [()])
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        ledger._connection.execute("UPDATE log SET name = 'x.com'")
