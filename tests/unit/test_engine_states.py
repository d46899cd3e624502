"""Rows of domain states: what people in WordPress see, within the limits of its table."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.checks.advice_text import Advice, AdviceCode
from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.records import RecordToSet
from closte_bridge.engine.publish import _note_changes
from closte_bridge.engine.states import MOST_ARGS, MOST_HISTORY, StateRow, counts_of, inputs, state_rows
from closte_bridge.engine.summary import MOST_SUMMARY, _bounded
from closte_bridge.ledger import published
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import Authority, Mode
from tests.support.check_states import MAIN, a_ledger, a_list, a_plan, a_row, a_site, a_snapshot

if TYPE_CHECKING:
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import Plan

NOW = 1_800_000_000.0
FULL = Authority(Mode.FULL)
RECORD = RecordToSet("A", "bad.com", ("192.0.2.10",), ("203.0.113.9", "203.0.113.8"))
BAD = CheckState(
    NOW - 9,
    NOW + 300,
    checked_at=NOW,
    changed=NOW - 5,
    dns="points-elsewhere",
    next_step=Advice(AdviceCode.A_ELSEWHERE, {}, (RECORD,)),
    evidence={"addresses": ["203.0.113.9"]},
)


def sides(*rows: Any, on_closte: tuple[str, ...] = ()) -> tuple[Observation, Plan]:  # noqa: ANN401 - as `a_snapshot`
    snapshot, observed, ledger = a_snapshot(*rows, sites=[a_site(2, network=2)]), a_list(*on_closte), a_ledger()
    plan = a_plan(snapshot, observed, ledger, authority=FULL, config={})
    desire = desired(snapshot, DomainPolicy(), ledger)
    view = SimpleNamespace(snapshot=snapshot, observed=observed, ledger=ledger, desire=desire)
    return cast("Observation", view), plan


def rows_of(*rows: Any, on_closte: tuple[str, ...] = (), **checks: CheckState) -> dict[str, StateRow]:  # noqa: ANN401
    view, plan = sides(*rows, on_closte=on_closte)
    named = {name.replace("_", "."): check for name, check in checks.items()}
    return {row.domain: row for row in state_rows(view, plan, named, NOW)}


def test_row_names_who_has_to_act_and_the_records() -> None:
    row = rows_of("bad.com", on_closte=("bad.com",), bad_com=BAD)["bad.com"]
    assert (row.state, row.status, row.code, row.needs) == ("blocked", "in-sync", "points-elsewhere", "customer")
    assert (row.since, row.next_check, row.args["plan_step"]) == (int(NOW - 5), int(NOW + 300), "")
    assert row.args["step"]["records"] == [RECORD.as_data()]
    assert row.args["evidence"] == {"addresses": ["203.0.113.9"]}


def test_domains_of_other_networks_are_left_out() -> None:
    found = rows_of("a.com", a_row("other.com", 2), on_closte=("a.com", "other.com", "strange.com"))
    assert "other.com" not in found
    assert (found["strange.com"].status, found["strange.com"].state) == ("unmanaged", "")
    assert (found[MAIN].blog_id, found["a.com"].blog_id) == (1, 1)


def test_order_of_addresses_and_the_next_check_are_not_seen_first() -> None:
    """DNS servers rotate addresses, and each check changes its times: neither is worth a call of its own."""
    turned = RecordToSet("A", "bad.com", RECORD.value, RECORD.current[::-1])
    later = BAD._replace(next_check=NOW + 900, next_step=Advice(AdviceCode.A_ELSEWHERE, {}, (turned,)))
    one, two = (rows_of("bad.com", on_closte=("bad.com",), bad_com=check)["bad.com"] for check in (BAD, later))
    assert (one.digest == two.digest, one.whole == two.whole) == (True, False)
    other = BAD._replace(next_step=Advice(AdviceCode.A_MISSING, {}, (turned,)))
    assert rows_of("bad.com", on_closte=("bad.com",), bad_com=other)["bad.com"].digest != one.digest


def test_arguments_stay_below_their_limit() -> None:
    many = tuple(RecordToSet("A", "x" * 200, tuple("y" * 60 for _ in range(8))) for _ in range(9))
    large = BAD._replace(next_step=Advice(AdviceCode.RECORDS, {}, many))
    row = rows_of("bad.com", on_closte=("bad.com",), bad_com=large)["bad.com"]
    columns = row.columns([[int(NOW), "blocked", "x" * 40]] * 99)
    assert len(columns[6]) <= MOST_ARGS
    assert json.loads(columns[6])["dns"] == "points-elsewhere"
    small = rows_of("bad.com", on_closte=("bad.com",), bad_com=BAD)["bad.com"]
    assert len(json.loads(small.columns([[1, "x", ""]] * 99)[6])["history"]) == MOST_HISTORY


def test_history_keeps_the_beginning_of_each_state(ledger: Ledger) -> None:
    def noted(now: float, **changes: Any) -> tuple[bool, published.Published]:  # noqa: ANN401 - fields of a row
        row = rows_of("bad.com", on_closte=("bad.com",), bad_com=BAD)["bad.com"]
        for name, value in changes.items():
            setattr(row, name, value)
        seen = _note_changes(ledger, [row], published.load(ledger), now)
        return seen, published.load(ledger)["bad.com"]

    assert noted(NOW)[0]
    # The same state of a later check: nothing to see first, and it began when it began.
    seen, known = noted(NOW + 60, since=int(NOW + 60), next_check=5)
    assert (seen, known.since) == (False, int(NOW - 5))
    seen, known = noted(NOW + 90, state="live", code="", since=int(NOW + 80))
    assert (seen, known.since) == (True, int(NOW + 80))
    # A clock that went back must not make a history that runs backwards.
    noted(NOW + 99, state="blocked", code="x", since=5)
    history = published.histories(ledger, ["bad.com"])["bad.com"]
    assert [entry[1:] for entry in history] == [["blocked", "x"], ["live", ""], ["blocked", "points-elsewhere"]]
    assert [entry[0] for entry in history] == sorted((entry[0] for entry in history), reverse=True)


def test_gone_domain_is_deleted_only_if_wordpress_had_it(ledger: Ledger) -> None:
    rows = [*rows_of("a.com", on_closte=("a.com",)).values()]
    _note_changes(ledger, rows, {}, NOW)
    batch = published.pending(ledger, 99)
    with ledger.transaction():
        published.note_written(ledger, batch, 7)
    assert published.count_pending(ledger) == 0
    assert _note_changes(ledger, [], published.load(ledger), NOW)
    assert sorted(published.pending(ledger, 99).gone) == sorted(batch.names)
    # It is used again before the deletion was sent.
    _note_changes(ledger, rows, published.load(ledger), NOW)
    assert (published.pending(ledger, 99).gone, published.count_sent(ledger)) == ([], len(rows))
    with ledger.transaction():
        published.start_over(ledger)
    assert (published.count_sent(ledger), published.count_pending(ledger)) == (0, 0)
    assert not _note_changes(ledger, [], published.load(ledger), NOW)
    assert published.load(ledger).keys() == {row.domain for row in rows}


def test_inputs_change_with_each_side() -> None:
    def digest(*rows: Any, on_closte: tuple[str, ...] = (), entry: int = 1) -> str:  # noqa: ANN401
        return inputs(*sides(*rows, on_closte=on_closte), entry)

    before = digest("a.com", on_closte=("a.com",))
    assert before == digest("a.com", on_closte=("a.com",))
    others = [
        digest("b.com", on_closte=("a.com",)),
        digest("a.com"),
        digest("a.com", on_closte=("a.com", "x.com")),
        digest(a_row("a.com", 2), on_closte=("a.com",)),
        digest("a.com", on_closte=("a.com",), entry=2),
    ]
    assert len({before, *others}) == 6


def test_counts_and_summary_have_their_size() -> None:
    rows = rows_of("a.com", "bad.com", on_closte=("a.com", "bad.com", "strange.com"), bad_com=BAD)
    found = counts_of(rows.values())
    assert (found.views["needs-customer"], found.views["unmanaged"], found.views["all"]) == (1, 1, len(rows))
    names = [f"{number}.{'x' * 200}.com" for number in range(50)]
    lists: list[dict[str, Any]] = [{"domains": [*names], "more": 0, "digest": "d"} for _ in range(3)]
    summary = _bounded({"approval": lists})
    assert len(json.dumps(summary)) <= MOST_SUMMARY
    assert all(len(one["domains"]) + one["more"] == 50 for one in lists)


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]"])
def test_history_in_another_form_counts_as_empty(ledger: Ledger, text: str) -> None:
    with ledger.transaction():
        published.put(ledger, [published.Published("a.com", "", "", int(NOW), text, "", False)])
    assert published.histories(ledger, ["a.com"]) == {"a.com": []}
