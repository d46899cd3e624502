from __future__ import annotations

import json
from typing import TYPE_CHECKING

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.events import copy_events, known_events, quarantined, read_events, to_acknowledge
from closte_bridge.ledger.state import FailedChange
from closte_bridge.wordpress.snapshot import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0


def event(uid: str, domain: str = "x.com", kind: str = "mapping_removed", detail: str = "") -> Event:
    return Event(uid, 1_700_000_000, kind, 1, domain, detail)


def took(ledger: Ledger, events: Sequence[Event], now: float = NOW) -> int:
    """Copy `events` and return how many are new."""
    before, new = ledger.state(NOW), read_events(events, known_events(ledger))
    with ledger.transaction():
        copy_events(ledger, events, new, now)
    # A plan is made before the events are copied, with the same evidence and the same failed changes.
    assert new.after(before.evidence, now) == ledger.state(NOW).evidence
    assert new.without_back_off(before.failed_changes, now) == ledger.state(NOW).failed_changes
    return len(new.events)


def test_event_is_copied_once_with_its_evidence(ledger: Ledger) -> None:
    assert took(ledger, [event("1")]) == 1
    assert took(ledger, [event("1")], NOW + 60) == 0
    assert {name: evidence.received for name, evidence in ledger.state(NOW).evidence.items()} == {
        "x.com": NOW,
        "www.x.com": NOW,
    }
    assert to_acknowledge(ledger) == ["1"]
    assert known_events(ledger) == {"1"}


def test_event_is_done_once_its_row_is_gone(ledger: Ledger) -> None:
    took(ledger, [event("1"), event("2")])
    took(ledger, [event("2")])
    assert to_acknowledge(ledger) == ["2"]
    took(ledger, [])
    assert to_acknowledge(ledger) == []


def test_returning_row_is_acknowledged_again_without_new_evidence(ledger: Ledger) -> None:
    took(ledger, [event("1"), event("2", kind="made-up")])
    took(ledger, [])
    with ledger.transaction():
        ledger.clear("evidence", ["x.com", "www.x.com"])
    assert took(ledger, [event("1"), event("2", kind="made-up")]) == 0
    assert sorted(to_acknowledge(ledger)) == ["1", "2"]
    assert ledger.state(NOW).evidence == {}
    assert quarantined(ledger) == 1


def test_unknown_event_is_quarantined_and_blocks_no_other(ledger: Ledger) -> None:
    assert took(ledger, [event("1", kind="made-up"), event("2", "not a name"), event("3")]) == 3
    assert quarantined(ledger) == 2
    assert sorted(to_acknowledge(ledger)) == ["1", "2", "3"]
    assert "x.com" in ledger.state(NOW).evidence
    took(ledger, [])
    assert quarantined(ledger) == 2
    assert to_acknowledge(ledger) == []


def test_duplicate_row_blocks_no_other(ledger: Ledger) -> None:
    assert took(ledger, [event("1"), event("1"), event("2")]) == 2


def test_overlong_fields_are_truncated(ledger: Ledger) -> None:
    detail = json.dumps({"domains": ["a.com"] * 1000})
    took(ledger, [event("1", "x" * 1000, "site_deleted", detail), event("2", kind="k" * 1000)])
    assert ledger.query("SELECT length(domain), length(detail), length(kind) FROM events ORDER BY uid") == [
        (255, 2000, 12),
        (5, 0, 64),
    ]
    assert "a.com" in ledger.state(NOW).evidence


def test_second_event_for_a_domain_restarts_its_wait(ledger: Ledger) -> None:
    took(ledger, [event("1")])
    took(ledger, [event("2")], NOW + 60)
    assert ledger.state(NOW).evidence["x.com"].received == NOW + 60


def test_domain_in_use_again_loses_its_evidence(ledger: Ledger) -> None:
    took(ledger, [event("1"), event("2", kind="mapping_added")])
    assert ledger.state(NOW).evidence == {}
    took(ledger, [event("3")])
    took(ledger, [event("4", "y.com"), event("5", "x.com", "mapping_renamed", '{"from": "z.com"}')])
    assert sorted(ledger.state(NOW).evidence) == ["www.y.com", "www.z.com", "y.com", "z.com"]
    took(ledger, [event("6")])
    assert "x.com" in ledger.state(NOW).evidence


def test_event_overflow_voids_all_earlier_evidence(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.set_flag("leaving", ["x.com"], NOW)
    took(ledger, [event("1")])
    many = event("3", "", "everything")
    took(ledger, [event("2", "y.com"), many, event("4", "z.com")])
    assert sorted(ledger.state(NOW).evidence) == ["www.z.com", "z.com"]
    took(ledger, [many])
    assert sorted(ledger.state(NOW).evidence) == ["www.z.com", "z.com"]
    took(ledger, [event("5", "", "everything")])
    assert ledger.state(NOW).evidence == {}
    assert ledger.state(NOW).leaving == {"x.com"}


def remember(ledger: Ledger, *names: str) -> None:
    """Save a failed addition and a check of each domain; both are due in an hour."""
    with ledger.transaction():
        for name in names:
            ledger.put_failed_change(name, FailedChange(3, NOW + 3600, refused=False, message="no", since=NOW))
        check_states.save(ledger, {name: CheckState(first_seen=NOW, next_check=NOW + 3600) for name in names})


def due(ledger: Ledger) -> tuple[list[str], list[str]]:
    """Return the domains whose check is due, and those whose failed change is due."""
    checks = [name for name, at in check_states.next_checks(ledger) if at <= NOW]
    return sorted(checks), sorted(n for n, f in ledger.state(NOW).failed_changes.items() if f.next_try <= NOW)


def test_request_makes_only_its_domain_due(ledger: Ledger) -> None:
    remember(ledger, "x.com", "www.x.com", "y.com")
    took(ledger, [event("1", "X.com", "check")])
    assert due(ledger) == (["www.x.com", "x.com"], [])
    took(ledger, [event("2", "y.com", "retry")])
    assert due(ledger) == (["www.x.com", "x.com"], ["y.com"])
    assert ledger.state(NOW).failed_changes["y.com"] == FailedChange(3, NOW, refused=False, message="no", since=NOW)


def test_request_counts_once_and_never_delays(ledger: Ledger) -> None:
    remember(ledger, "x.com")
    asked = [event("1", "x.com", "check"), event("2", "x.com", "retry")]
    took(ledger, asked)
    took(ledger, asked, NOW + 60)
    assert due(ledger) == (["x.com"], ["x.com"])
    remember(ledger, "x.com")
    took(ledger, asked)
    assert due(ledger) == ([], []), "the row is still in WordPress"


def test_forged_requests_change_nothing_else(ledger: Ledger) -> None:
    """A request proves nothing: no evidence, no alias, no quarantined row."""
    remember(ledger, "x.com")
    took(ledger, [event("1", "x.com")])
    before = ledger.state(NOW)
    names = ("unknown.example.org", "", "not a name", "x" * 300, "%", "' OR 1=1 --", "*.x.com", "\udc80.com")
    forged = [event(f"{kind}{number}", name, kind) for kind in ("check", "retry") for number, name in enumerate(names)]
    forged += [event("detail", "y.org", "check", json.dumps({"domains": ["x.com"], "from": "x.com"}))]
    took(ledger, [one for one in forged if one.domain.isprintable()])
    assert ledger.state(NOW) == before
    assert due(ledger) == ([], [])
    assert quarantined(ledger) == 0


def test_thousand_requests_are_one_due_check(ledger: Ledger) -> None:
    remember(ledger, "x.com")
    assert took(ledger, [event(str(number), "x.com", "check") for number in range(1000)]) == 1000
    assert due(ledger) == (["x.com"], [])
