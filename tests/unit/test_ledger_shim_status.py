from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.model import DnsCode
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.meta import SUMMARY
from closte_bridge.ledger.missing_records import await_records, forget_records, records_due
from closte_bridge.ledger.shim_status import MOST_VERDICTS, save_addresses, shim_status, summary, verdicts

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
RIGHT = CheckState(NOW - 9, NOW + 9, checked_at=NOW - 5, changed=NOW - 5, dns="ok", tls="ok", points_here=True)
WRONG = RIGHT._replace(dns="points-elsewhere", tls="", points_here=False)


@pytest.mark.parametrize("code", DnsCode)
def test_only_conclusive_verdicts_are_returned(ledger: Ledger, code: DnsCode) -> None:
    for right in (True, False):
        check_states.save(ledger, {"a.com": RIGHT._replace(dns=code.value, points_here=right)})
        assert verdicts(ledger, NOW) == ({"a.com": right} if code.conclusive else {})


def test_unchecked_domain_has_no_verdict(ledger: Ledger) -> None:
    check_states.save(ledger, {"a.com": CheckState(NOW, NOW), "b.com": RIGHT._replace(checked_at=None)})
    assert verdicts(ledger, NOW) == {}


def test_old_verdict_is_not_returned(ledger: Ledger) -> None:
    check_states.save(ledger, {"right.com": RIGHT, "wrong.com": WRONG})
    assert verdicts(ledger, NOW) == {"right.com": True, "wrong.com": False}
    assert verdicts(ledger, NOW + 3000) == {"right.com": True, "wrong.com": False}
    assert verdicts(ledger, NOW + 4000) == {}
    assert verdicts(ledger, NOW - 10) == {}, "the clock was set back: nobody knows how old it is"


def test_newest_verdicts_are_returned_above_the_limit(ledger: Ledger) -> None:
    many = {f"n{number}.com": RIGHT._replace(changed=NOW - number) for number in range(MOST_VERDICTS + 9)}
    check_states.save(ledger, {**many, "silent.com": RIGHT._replace(changed=NOW + 1, dns="time-out")})
    assert verdicts(ledger, NOW).keys() == {f"n{number}.com" for number in range(MOST_VERDICTS)}


def test_correct_verdicts_come_first_above_the_limit(ledger: Ledger) -> None:
    wrong = {f"n{number}.com": WRONG._replace(changed=NOW - number) for number in range(MOST_VERDICTS)}
    check_states.save(ledger, {**wrong, "right.com": RIGHT._replace(changed=NOW - MOST_VERDICTS)})
    told = verdicts(ledger, NOW)
    assert told["right.com"]
    assert len(told) == MOST_VERDICTS


def test_sites_waiting_for_their_record_are_stored(ledger: Ledger) -> None:
    assert records_due(ledger) == {}
    await_records(ledger, {2: NOW, 3: NOW})
    await_records(ledger, {3: NOW + 5})
    assert records_due(ledger) == {2: NOW, 3: NOW + 5}
    forget_records(ledger, [2, 9])
    assert records_due(ledger) == {3: NOW + 5}
    # The planner does not read this flag.
    assert ledger.state(NOW).pins == frozenset()


def test_observed_addresses_are_part_of_the_status(ledger: Ledger) -> None:
    check_states.save(ledger, {"right.com": RIGHT})
    assert shim_status(ledger, NOW) == {"verdicts": {"right.com": True}, "addresses": [], "summary": {}}
    save_addresses(ledger, ("192.0.2.10", "2001:db8::1"))
    save_addresses(ledger, ("192.0.2.10", "2001:db8::1"))
    assert shim_status(ledger, NOW)["addresses"] == ["192.0.2.10", "2001:db8::1"]


@pytest.mark.parametrize(("text", "found"), [("", {}), ("{", {}), ("[]", {}), ('{"at": 1}', {"at": 1})])
def test_summary_in_another_form_counts_as_none(ledger: Ledger, text: str, found: object) -> None:
    with ledger.transaction():
        ledger.save(SUMMARY.to(text))
    assert summary(ledger) == found
