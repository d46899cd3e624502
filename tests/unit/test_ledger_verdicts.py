from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.model import DnsCode
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.missing_records import await_records, forget_records, records_due
from closte_bridge.ledger.verdicts import MOST_VERDICTS, verdicts

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NOW = 1_800_000_000.0
RIGHT = CheckState(NOW - 9, NOW + 9, checked_at=NOW - 5, changed=NOW - 5, dns="ok", tls="ok", points_here=True)
WRONG = RIGHT._replace(dns="points-elsewhere", tls="", points_here=False)


@pytest.mark.parametrize("code", DnsCode)
def test_only_what_was_proven_is_told(ledger: Ledger, code: DnsCode) -> None:
    for right in (True, False):
        check_states.save(ledger, {"a.com": RIGHT._replace(dns=code.value, points_here=right)})
        assert verdicts(ledger, NOW) == ({"a.com": right} if code.conclusive else {})


def test_a_name_that_was_never_looked_at_has_no_verdict(ledger: Ledger) -> None:
    check_states.save(ledger, {"a.com": CheckState(NOW, NOW), "b.com": RIGHT._replace(checked_at=None)})
    assert verdicts(ledger, NOW) == {}


def test_a_verdict_is_no_longer_told_when_it_is_old(ledger: Ledger) -> None:
    check_states.save(ledger, {"right.com": RIGHT, "wrong.com": WRONG})
    assert verdicts(ledger, NOW) == {"right.com": True, "wrong.com": False}
    assert verdicts(ledger, NOW + 3000) == {"right.com": True, "wrong.com": False}
    assert verdicts(ledger, NOW + 4000) == {}
    assert verdicts(ledger, NOW - 10) == {}, "the clock was set back: nobody knows how old it is"


def test_the_newest_are_told_when_there_are_too_many(ledger: Ledger) -> None:
    many = {f"n{number}.com": RIGHT._replace(changed=NOW - number) for number in range(MOST_VERDICTS + 9)}
    check_states.save(ledger, {**many, "silent.com": RIGHT._replace(changed=NOW + 1, dns="time-out")})
    assert verdicts(ledger, NOW).keys() == {f"n{number}.com" for number in range(MOST_VERDICTS)}


def test_what_is_right_is_told_first_when_there_are_too_many(ledger: Ledger) -> None:
    wrong = {f"n{number}.com": WRONG._replace(changed=NOW - number) for number in range(MOST_VERDICTS)}
    check_states.save(ledger, {**wrong, "right.com": RIGHT._replace(changed=NOW - MOST_VERDICTS)})
    told = verdicts(ledger, NOW)
    assert told["right.com"]
    assert len(told) == MOST_VERDICTS


def test_sites_that_wait_for_their_record(ledger: Ledger) -> None:
    assert records_due(ledger) == {}
    await_records(ledger, {2: NOW, 3: NOW})
    await_records(ledger, {3: NOW + 5})
    assert records_due(ledger) == {2: NOW, 3: NOW + 5}
    forget_records(ledger, [2, 9])
    assert records_due(ledger) == {3: NOW + 5}
    # It is no mark that the planner knows.
    assert ledger.state(NOW).pins == frozenset()
