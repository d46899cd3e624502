from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.checks.life import History
from closte_bridge.ledger import histories

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
FRESH = History(first_seen=NOW, next_look=NOW + 60)
FAILING = FRESH._replace(failures=2, failing_since=NOW - 9, failed_at=NOW, dns="elsewhere", advice="Point it here.")
SERVING = FRESH._replace(leads_here=True, serves=True, looked=NOW, right_since=NOW, not_after=NOW + 9, next_look=NOW)


def test_a_history_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    written = {"a.com": FRESH, "b.com": FAILING, "www.b.com": SERVING}
    histories.save(ledger, written)
    assert histories.load(ledger, ["a.com", "b.com", "www.b.com", "c.com"]) == written
    assert histories.load(ledger, []) == {}


def test_very_many_are_read_in_parts(ledger: Ledger) -> None:
    names = [f"n{number}.com" for number in range(1201)]
    histories.save(ledger, dict.fromkeys(names, FRESH))
    assert histories.load(ledger, names).keys() == set(names)


def test_the_next_look_and_what_failed_are_known(ledger: Ledger) -> None:
    assert histories.first_look(ledger) is None
    histories.save(ledger, {"a.com": FRESH, "b.com": FAILING, "c.com": SERVING})
    assert dict(histories.next_looks(ledger)) == {"a.com": NOW + 60, "b.com": NOW + 60, "c.com": NOW}
    assert histories.first_look(ledger) == NOW
    assert histories.troubled(ledger) == {"b.com": FAILING}


def test_certificates_that_end_soon_are_told_the_first_first(ledger: Ledger) -> None:
    ends = SERVING._replace(tls="right")
    histories.save(
        ledger,
        {
            "late.com": ends._replace(not_after=NOW + 99),
            "second.com": ends._replace(not_after=NOW + 5),
            "first.com": ends._replace(not_after=NOW, tls="expired"),
            "elsewhere.com": ends._replace(not_after=NOW, leads_here=False),
            "wrong.com": ends._replace(not_after=NOW, tls="wrong-name"),
        },
    )
    assert histories.expiring(ledger, NOW + 9) == [("first.com", NOW), ("second.com", NOW + 5)]


def test_domains_that_point_elsewhere_or_lack_valid_https_are_found(ledger: Ledger) -> None:
    no_https = SERVING._replace(tls="wrong-name")
    histories.save(
        ledger,
        {
            "nowhere.com": FAILING._replace(dns="missing"),
            "elsewhere.com": FAILING,
            "not-checked.com": FRESH,
            "unclear.com": FAILING._replace(dns="unknown"),
            "no-https.com": no_https,
            "new.com": no_https._replace(right_since=NOW + 60),
            "good.com": SERVING._replace(tls="right"),
            "tls-unclear.com": SERVING._replace(tls="unknown"),
        },
    )
    assert histories.astray(ledger) == ["elsewhere.com", "nowhere.com"]
    assert histories.without_padlock(ledger, NOW + 1) == ["no-https.com"]


def test_what_nobody_wants_any_more_is_dropped(ledger: Ledger) -> None:
    histories.save(ledger, {"a.com": FRESH, "b.com": FRESH})
    histories.forget(ledger, ["a.com", "c.com"])
    assert dict(histories.next_looks(ledger)) == {"b.com": NOW + 60}


def test_what_is_due_is_known_and_the_rest_is_told_apart_without_being_kept(ledger: Ledger) -> None:
    later = FRESH._replace(next_look=NOW + 5)
    ends = SERVING._replace(tls="right", not_after=NOW + 9)
    histories.save(ledger, {"due.com": ends, "a.com": FRESH, "b.com": later})
    found = histories.ahead(ledger, NOW, warn_until=NOW + 10)
    assert (found.due, found.first, found.expiring) == ({"due.com": NOW}, NOW + 5, [("due.com", NOW + 9)])
    assert found.are_the_others({"b.com", "a.com"})
    assert not found.are_the_others({"a.com"})
    assert not found.are_the_others({"a.com", "c.com"})
    assert not found.are_the_others({"a.com", "b.com", "c.com"})


def test_nothing_is_ahead_of_a_ledger_that_knows_no_name(ledger: Ledger) -> None:
    found = histories.ahead(ledger, NOW, warn_until=NOW)
    assert (found.due, found.first, found.expiring) == ({}, None, [])
    assert found.are_the_others(set())
