from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.checks.advice_text import Advice, AdviceCode
from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.records import RecordToSet
from closte_bridge.ledger import check_state as check_states

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
FRESH = CheckState(first_seen=NOW, next_check=NOW + 60)
STEP = Advice(
    AdviceCode.NO_ADDRESS,
    {"in_zone": "b.com", "alternative": {"type": "ALIAS", "value": "network.org", "provider": "DNSimple"}},
    (RecordToSet("A", "b.com", ("192.0.2.10",)),),
)
FAILING = FRESH._replace(failures=2, failing_since=NOW - 9, failed_at=NOW, dns="elsewhere", next_step=STEP)
SERVING = FRESH._replace(points_here=True, serves=True, checked_at=NOW, ok_since=NOW, not_after=NOW + 9, next_check=NOW)


def test_saved_state_is_read_back_unchanged(ledger: Ledger) -> None:
    written = {"a.com": FRESH, "b.com": FAILING, "www.b.com": SERVING}
    check_states.save(ledger, written)
    assert check_states.load(ledger, ["a.com", "b.com", "www.b.com", "c.com"]) == written
    assert check_states.load(ledger, []) == {}


def test_many_domains_are_read_in_batches(ledger: Ledger) -> None:
    names = [f"n{number}.com" for number in range(1201)]
    check_states.save(ledger, dict.fromkeys(names, FRESH))
    assert check_states.load(ledger, names).keys() == set(names)


def test_next_check_and_failing_domains_are_known(ledger: Ledger) -> None:
    assert check_states.first_check(ledger) is None
    check_states.save(ledger, {"a.com": FRESH, "b.com": FAILING, "c.com": SERVING})
    assert dict(check_states.next_checks(ledger)) == {"a.com": NOW + 60, "b.com": NOW + 60, "c.com": NOW}
    assert check_states.first_check(ledger) == NOW
    assert check_states.failing(ledger) == {"b.com": FAILING}


def test_expiring_certificates_are_listed_soonest_first(ledger: Ledger) -> None:
    ends = SERVING._replace(tls="ok")
    check_states.save(
        ledger,
        {
            "late.com": ends._replace(warn_at=NOW + 10, not_after=NOW + 99),
            "second.com": ends._replace(warn_at=NOW + 9, not_after=NOW + 15),
            "first.com": ends._replace(warn_at=NOW, not_after=NOW, tls="expired"),
            "elsewhere.com": ends._replace(warn_at=NOW, not_after=NOW, points_here=False),
            "wrong.com": ends._replace(warn_at=NOW, not_after=NOW, tls="wrong-name"),
        },
    )
    assert check_states.expiring(ledger, NOW + 9) == [("first.com", NOW), ("second.com", NOW + 15)]


def test_domains_that_point_elsewhere_or_lack_valid_https_are_found(ledger: Ledger) -> None:
    no_https = SERVING._replace(tls="wrong-name")
    check_states.save(
        ledger,
        {
            "nowhere.com": FAILING._replace(dns="missing"),
            "elsewhere.com": FAILING,
            "not-checked.com": FRESH,
            "unclear.com": FAILING._replace(dns="unknown"),
            "no-https.com": no_https,
            "new.com": no_https._replace(ok_since=NOW + 60),
            "good.com": SERVING._replace(tls="ok"),
            "tls-unclear.com": SERVING._replace(tls="unknown"),
        },
    )
    assert check_states.pointing_elsewhere(ledger) == ["elsewhere.com", "nowhere.com"]
    assert check_states.without_https(ledger, NOW + 1) == ["no-https.com"]


def test_forgotten_domain_is_deleted(ledger: Ledger) -> None:
    check_states.save(ledger, {"a.com": FRESH, "b.com": FRESH})
    check_states.forget(ledger, ["a.com", "c.com"])
    assert dict(check_states.next_checks(ledger)) == {"b.com": NOW + 60}


def test_due_preview_separates_due_domains_from_the_others(ledger: Ledger) -> None:
    later = FRESH._replace(next_check=NOW + 5)
    ends = SERVING._replace(tls="ok", warn_at=NOW, not_after=NOW + 9)
    check_states.save(ledger, {"due.com": ends, "a.com": FRESH, "b.com": later})
    found = check_states.due_preview(ledger, NOW)
    assert found == ({"due.com": NOW}, {"a.com", "b.com"}, NOW + 5, [("due.com", NOW + 9)])


def test_empty_ledger_has_nothing_due(ledger: Ledger) -> None:
    assert check_states.due_preview(ledger, NOW) == ({}, set(), None, [])


def test_secure_domains_that_show_something_wrong_are_found(ledger: Ledger) -> None:
    secure = SERVING._replace(tls="ok")
    check_states.save(
        ledger,
        {
            "b.com": secure._replace(http="sign-up"),
            "a.com": secure._replace(http="loop"),
            "ok.com": secure._replace(http="ok", live=True),
            "insecure.com": SERVING._replace(tls="expired", http="loop"),
        },
    )
    assert check_states.not_live(ledger, ["sign-up", "loop"]) == ["a.com", "b.com"]
