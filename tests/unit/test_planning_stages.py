from __future__ import annotations

from closte_bridge.checks.life import History
from closte_bridge.planning.stages import TOO_MANY, names_to_know, plan_stages, room_backwards
from closte_bridge.wordpress.snapshot import Mapping

NOW = 1_800_000_000.0
ADOPTED = NOW - 86_400
OLD, NEW = "2020-01-01 00:00:00", "2030-01-01 00:00:00"


def mapping(domain: str, stage: str, *, active: bool = True, modified: str | None = NEW) -> Mapping:
    return Mapping(1, 2, domain, active, False, False, stage, OLD, modified)


def history(dns: str = "right", tls: str = "right", *, leads_here: bool = True, failures: int = 0) -> History:
    failing = NOW - 7200 if failures else None
    return History(
        first_seen=NOW - 9000,
        next_look=NOW + 300,
        looked=NOW,
        changed=NOW - 8000,
        dns=dns,
        tls=tls,
        leads_here=leads_here,
        right_since=NOW - 8000 if leads_here else None,
        serves=tls == "right",
        failures=failures,
        failing_since=failing,
        failed_at=NOW if failures else None,
    )


def moves(row: Mapping, seen: History | None, *revive: str) -> list[tuple[str, str, bool | None]]:
    known = {} if seen is None else {"shop.example.org": seen}
    plan = plan_stages([row], known, adopted=ADOPTED, revive=revive)
    return [(change.name, change.stage, change.secure) for change in plan.changes]


def test_what_is_proven_moves_forward() -> None:
    row = mapping("shop.example.org", "checking-dns")
    assert moves(row, history(tls="no-listener")) == [("shop.example.org", "checking-ssl-cert", None)]
    assert moves(row, history()) == [("shop.example.org", "done", True)]


def test_the_stored_spelling_does_not_matter() -> None:
    assert moves(mapping("Shop.Example.org.", "checking-dns"), history()) == [("shop.example.org", "done", True)]


def test_nothing_moves_without_a_look_or_without_need() -> None:
    assert moves(mapping("shop.example.org", "checking-dns"), None) == []
    assert moves(mapping("shop.example.org", "done"), history()) == []
    assert moves(mapping("not a name", "checking-dns"), history()) == []


def test_what_was_given_up_after_adoption_comes_alive_by_itself() -> None:
    assert moves(mapping("shop.example.org", "failed"), history()) == [("shop.example.org", "done", True)]


def test_what_was_given_up_before_waits_for_the_command() -> None:
    row = mapping("shop.example.org", "failed", modified=OLD)
    plan = plan_stages([row], {"shop.example.org": history()}, adopted=ADOPTED)
    assert plan.changes == ()
    assert [(held.name, held.code) for held in plan.holds] == [("shop.example.org", "given-up-before")]
    assert moves(row, history(), "shop.example.org") == [("shop.example.org", "done", True)]


def test_what_a_person_switched_off_stays_off() -> None:
    row = mapping("shop.example.org", "checking-dns", active=False)
    plan = plan_stages([row], {"shop.example.org": history()}, adopted=ADOPTED)
    assert plan.changes == ()
    assert [held.code for held in plan.holds] == ["switched-off"]


def test_backwards_only_after_failures_that_last() -> None:
    row = mapping("shop.example.org", "done")
    wrong = history("points-elsewhere", "", leads_here=False, failures=2)
    assert moves(row, wrong) == []
    assert moves(row, wrong._replace(failures=3)) == [("shop.example.org", "checking-dns", False)]


def test_no_more_than_there_is_room_for_go_backwards_from_done() -> None:
    names = [f"{letter}.example.org" for letter in "abcd"]
    rows = [mapping(name, "done")._replace(id=number) for number, name in enumerate(names)]
    rows.append(mapping("e.example.org", "checking-ssl-cert"))
    wrong = history("points-elsewhere", "wrong-name", leads_here=False, failures=3)
    known = dict.fromkeys([*names, "e.example.org"], wrong)
    plan = plan_stages(rows, known, adopted=ADOPTED, room=3)
    # One that does not work as it is takes nobody's room.
    assert [change.name for change in plan.changes] == [*names[:3], "e.example.org"]
    assert [(held.name, held.code) for held in plan.holds] == [("d.example.org", TOO_MANY)]
    assert "this machine" in plan.holds[0].reason
    assert [change.name for change in plan_stages(rows, known, adopted=ADOPTED, room=0).changes] == ["e.example.org"]


def test_the_room_is_a_tenth_of_what_is_done_and_three_at_least() -> None:
    rows = [mapping(f"n{number}.example.org", "done") for number in range(50)]
    assert room_backwards(rows, 0) == 5
    assert room_backwards(rows, 4) == 1
    assert room_backwards(rows, 9) == 0
    # What was moved counts among those that were done.
    assert room_backwards(rows[:45], 5) == 0
    assert room_backwards(rows[:4], 0) == 3
    assert room_backwards([mapping("a.example.org", "failed")], 2) == 1


def test_only_those_that_have_not_arrived_need_their_history() -> None:
    rows = [mapping("a.example.org", "done"), mapping("B.example.org", "failed"), mapping("no name", "failed")]
    assert names_to_know(rows) == {"b.example.org"}


def test_what_was_seen_given_up_at_adoption_stays_so_whatever_its_date() -> None:
    row = mapping("shop.example.org", "failed", modified=NEW)
    plan = plan_stages([row], {"shop.example.org": history()}, adopted=ADOPTED, given_up={row.id})
    assert [(held.name, held.code) for held in plan.holds] == [("shop.example.org", "given-up-before")]
    plan = plan_stages([row], {"shop.example.org": history()}, adopted=ADOPTED, given_up={row.id + 1})
    assert plan.holds == ()


def test_behind_a_cdn_a_proof_is_asked_for() -> None:
    row, known = mapping("shop.example.org", "checking-ssl-cert"), {"shop.example.org": history("proxied")}
    (change,) = plan_stages([row], known, adopted=ADOPTED).changes
    assert (change.stage, change.prove) == ("done", True)
    failed = plan_stages([row], known, adopted=ADOPTED, unproven={change.key})
    assert failed.changes == ()
    assert [held.code for held in failed.holds] == ["proxy-unproven"]
    # A person who says so is believed.
    (revived,) = plan_stages([row], known, adopted=ADOPTED, unproven={change.key}, revive=["shop.example.org"]).changes
    assert not revived.prove
    # One that this engine had moved backwards was proven once, and makes nothing a primary domain.
    (back,) = plan_stages([row], known, adopted=ADOPTED, unproven={change.key}, was_done={row.id}).changes
    assert not back.prove
    # What leads here by DNS needs none.
    (change,) = plan_stages([row], {"shop.example.org": history()}, adopted=ADOPTED).changes
    assert not change.prove
