from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger.state import AliasPhase, Origin
from closte_bridge.planning.model import Action
from closte_bridge.planning.plan import narrow
from closte_bridge.wordpress.snapshot import WwwPolicy
from tests.support.check_states import (
    HOUR,
    MAIN,
    NOW,
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_row,
    a_site,
    a_snapshot,
    adds,
    holds,
    missing,
    partial,
    the_hold,
    trouble,
    waiting_for,
)

if TYPE_CHECKING:
    from closte_bridge.planning.model import Observed
    from closte_bridge.wordpress.snapshot import Mapping


def test_what_is_mapped_and_missing_is_added_in_the_order_of_names() -> None:
    plan = a_plan(a_snapshot("b.com", "A.com", "there.com"), a_list("there.com"), a_ledger("there.com"))
    assert [(c.name, c.origin, c.cause, c.removal_class) for c in plan.additions] == [
        ("a.com", Origin.MAPPING, "mapped to site 1", None),
        ("b.com", Origin.MAPPING, "mapped to site 1", None),
    ]
    assert plan.in_sync == 1


def test_pins_and_the_config_are_added_too() -> None:
    plan = a_plan(a_snapshot(), a_list(), a_ledger(pins={"p.com"}), config={"wildcards": ("*.w.com",)})
    assert [(c.name, c.origin, c.cause) for c in plan.changes] == [
        ("*.w.com", Origin.CONFIG, "in the config"),
        ("p.com", Origin.PIN, "pinned"),
    ]


def test_with_an_unreadable_list_the_ledger_counts_as_present() -> None:
    plan = a_plan(a_snapshot("ours.com", "new.com"), UNREADABLE, a_ledger("ours.com"))
    assert adds(plan) == ["new.com"]


def test_with_a_partial_list_what_it_lacks_is_asked_for_again() -> None:
    plan = a_plan(a_snapshot("ours.com", "there.com"), partial("there.com"), a_ledger("ours.com", "there.com"))
    assert [(c.name, c.cause) for c in plan.changes] == [("ours.com", "missing from Closte's domain list")]


def test_an_attempt_without_a_clear_answer_is_repeated() -> None:
    ledger = a_ledger(unsettled={"x.com": waiting_for(AliasPhase.UNCONFIRMED)})
    plan = a_plan(a_snapshot("x.com"), a_list(), ledger)
    assert [(c.name, c.cause) for c in plan.changes] == [("x.com", "retry: the result of the last attempt is unknown")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("localhost", "single label"),
        ("foo.test", "under .test"),
        ("192.0.2.1", "address"),
        ("shop.customer.con", "there is no top-level domain .con"),
    ],
)
def test_what_is_not_public_is_held(name: str, reason: str) -> None:
    plan = a_plan(a_snapshot(name), a_list(), a_ledger())
    assert the_hold(plan, name) == (
        Action.ADD, name, "not-public", f"no certificate can be issued: {reason}", None
    )  # fmt: skip
    assert not plan.changes


def test_pins_and_wildcards_below_an_unknown_top_level_domain_are_held() -> None:
    config = {"wildcards": ("*.foo.con",)}
    plan = a_plan(a_snapshot(), a_list(), a_ledger(pins={"bar.c0m"}), config=config)
    assert (holds(plan), plan.changes) == ({"*.foo.con": "not-public", "bar.c0m": "not-public"}, ())


def test_what_is_on_closte_already_stays_whatever_its_top_level_domain() -> None:
    """The installed list of top-level domains may be older than the domain."""
    ledger = a_ledger("new.con", "gone.con", absences={"new.con": missing()})
    plan = a_plan(a_snapshot("new.con", www=WwwPolicy.ALWAYS), a_list("new.con", "gone.con"), ledger)
    assert (plan.changes, holds(plan)) == ((), {"gone.con": "waiting"})


def test_a_malformed_row_is_held_and_stops_nobody() -> None:
    plan = a_plan(a_snapshot("a_b.com", "good.com", "x" * 400), a_list(), a_ledger())
    assert adds(plan) == ["good.com"]
    assert holds(plan) == {"a_b.com": "malformed", "x" * 255: "malformed"}


def test_a_contested_name_is_held_even_if_it_is_pinned() -> None:
    snapshot = a_snapshot("x.com", a_row("x.com", 2), sites=[a_site(2)])
    plan = a_plan(snapshot, a_list(), a_ledger(pins={"x.com"}))
    assert the_hold(plan, "x.com").reason == "mapped to several sites (1, 2)"


def test_rows_of_sites_that_are_gone_or_elsewhere_add_nothing() -> None:
    snapshot = a_snapshot(a_row("gone.com", 9), a_row("else.com", 2), sites=[a_site(2, network=2)])
    plan = a_plan(snapshot, a_list(), a_ledger())
    assert holds(plan) == {"gone.com": "site-gone", "else.com": "other-network"}
    assert not plan.changes


def test_a_pin_adds_a_name_whose_site_is_gone() -> None:
    assert adds(a_plan(a_snapshot(a_row("gone.com", 9)), a_list(), a_ledger(pins={"gone.com"}))) == ["gone.com"]


def test_a_wildcard_in_place_covers_one_label_whosever_it_is() -> None:
    plan = a_plan(a_snapshot("a.w.com", "b.a.w.com", "w.com"), a_list("*.w.com"), a_ledger())
    assert adds(plan) == ["b.a.w.com", "w.com"]
    assert the_hold(plan, "a.w.com").reason == 'covered by "*.w.com"'


def test_a_wildcard_on_its_way_is_added_first_and_waited_for() -> None:
    plan = a_plan(a_snapshot("a.w.com"), a_list(), a_ledger(), config={"wildcards": ("*.w.com",)})
    assert adds(plan) == ["*.w.com"]
    assert the_hold(plan, "a.w.com").reason == 'will be covered by "*.w.com" (being added)'


def test_a_wildcard_just_added_is_waited_for_while_the_list_lags() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.CONFIG}, added_lately={"*.w.com"})
    plan = a_plan(a_snapshot("a.w.com"), a_list(), ledger, config={"wildcards": ("*.w.com",)})
    assert holds(plan) == {"*.w.com": "list-lag", "a.w.com": "covered"}
    assert not plan.changes


@pytest.mark.parametrize("until", [NOW - 1, NOW + HOUR])
def test_a_wildcard_that_failed_keeps_nobody_waiting(until: float) -> None:
    ledger = a_ledger(failed_changes={"*.w.com": trouble(until=until)})
    plan = a_plan(a_snapshot("a.w.com"), a_list(), ledger, config={"wildcards": ("*.w.com",)})
    assert "a.w.com" in adds(plan)


def test_a_wildcard_that_is_not_to_be_added_keeps_nobody_waiting() -> None:
    snapshot = a_snapshot(a_row("*.w.com", 9), "a.w.com")
    plan = a_plan(snapshot, a_list(), a_ledger())
    assert adds(plan) == ["a.w.com"]
    assert holds(plan) == {"*.w.com": "site-gone"}


def test_behind_a_wildcard_that_leaves_every_name_becomes_an_alias() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"}, pins={"b.w.com"})
    snapshot = a_snapshot("a.w.com", "w.com", www=WwwPolicy.ALWAYS)
    plan = a_plan(snapshot, a_list("*.w.com", "w.com"), ledger)
    assert adds(plan) == ["a.w.com", "b.w.com", "www.w.com"]


def test_a_removal_that_failed_does_not_hold_an_addition_back() -> None:
    ledger = a_ledger(failed_changes={"x.com": trouble(action="remove"), "y.com": trouble(action="add")})
    plan = a_plan(a_snapshot("x.com", "y.com"), a_list(), ledger)
    assert (adds(plan), holds(plan)) == (["x.com"], {"y.com": "back-off"})


@pytest.mark.parametrize(("refused", "code"), [(False, "back-off"), (True, "refused")])
def test_what_failed_waits_for_its_next_try(refused: bool, code: str) -> None:
    ledger = a_ledger(failed_changes={"x.com": trouble(refused=refused), "y.com": trouble(until=NOW)})
    plan = a_plan(a_snapshot("x.com", "y.com", "z.com"), a_list(), ledger)
    assert adds(plan) == ["y.com", "z.com"]
    hold = the_hold(plan, "x.com")
    assert (hold.code, hold.reason, hold.until) == (code, 'Closte answered "no".', NOW + HOUR)
    assert adds(a_plan(a_snapshot("x.com"), a_list(), ledger, retry=True)) == ["x.com"]


def test_the_list_may_take_a_while_to_show_what_was_added() -> None:
    ledger = a_ledger("x.com", added_lately={"x.com", "y.com"})
    plan = a_plan(a_snapshot("x.com", "y.com"), a_list(), ledger)
    assert holds(plan) == {"x.com": "list-lag"}
    assert adds(plan) == ["y.com"]
    assert adds(a_plan(a_snapshot("x.com"), a_list(), ledger, retry=True)) == ["x.com"]


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("observed", [UNREADABLE, partial()])
def test_what_was_released_is_not_asked_for_while_nobody_knows_whether_it_is_there(
    observed: Observed, retry: bool
) -> None:
    released = a_ledger(released={"x.com"})
    plan = a_plan(a_snapshot("x.com", "y.com"), observed, released, retry=retry)
    assert (adds(plan), holds(plan)) == (["y.com"], {"x.com": "released"})
    # Once a list shows that it is not there, it is wanted like any other; and so is what became ours again.
    assert adds(a_plan(a_snapshot("x.com"), a_list(), released)) == ["x.com"]
    asked = replace(released, unsettled={"x.com": waiting_for(AliasPhase.UNCONFIRMED)})
    assert adds(a_plan(a_snapshot("x.com"), observed, asked)) == ["x.com"]
    assert adds(a_plan(a_snapshot("x.com"), partial(), a_ledger("x.com", released={"x.com"}))) == ["x.com"]


def test_the_certificate_budget_is_per_registered_domain_and_week() -> None:
    ledger = a_ledger(added_per_registered={"big.com": 2}, added_this_week={"old.big.com"})
    snapshot = a_snapshot("a.big.com", "b.big.com", "c.other.com", "old.big.com")
    plan = a_plan(snapshot, a_list(), ledger, config={"certificate_budget": 3})
    assert adds(plan) == ["a.big.com", "c.other.com", "old.big.com"]
    assert the_hold(plan, "b.big.com") == (
        Action.ADD,
        "b.big.com",
        "certificate-budget",
        'weekly certificate limit reached (3 new domains under "big.com"); '
        'a wildcard (`wildcards: ["*.big.com"]`) needs only one certificate',
        None,
    )


def test_what_closte_lost_is_not_new_and_needs_no_budget() -> None:
    """Its certificate is renewed, and its visitors have nothing meanwhile."""
    names = [f"n{number}.big.com" for number in range(5)]
    plan = a_plan(a_snapshot(*names), a_list(), a_ledger(*names), config={"certificate_budget": 3})
    assert adds(plan) == names


def test_www_waits_until_it_is_known_where_it_leads() -> None:
    snapshot = a_snapshot("x.com", "y.com", "www.y.com", "foo.test", f"one.{MAIN}", www=WwwPolicy.ALWAYS)
    plan = a_plan(snapshot, a_list("x.com", "y.com", "www.y.com"), a_ledger("x.com"))
    assert holds(plan) == {"www.x.com": "www-unproven", "foo.test": "not-public"}
    assert adds(plan) == [f"one.{MAIN}"]


def test_www_that_leads_where_its_name_leads_is_added() -> None:
    ledger = a_ledger("x.com", pointing_www={"www.x.com", "www.stranger.com"})
    plan = a_plan(a_snapshot("x.com", www=WwwPolicy.ALWAYS), a_list("x.com"), ledger)
    assert [(c.name, c.origin, c.cause) for c in plan.changes] == [
        ("www.x.com", Origin.WWW, "www variant of a mapped domain")
    ]
    assert not plan.holds


@pytest.mark.parametrize(
    "ledger",
    [
        a_ledger("x.com", origins={"www.x.com": Origin.WWW}),
        a_ledger("x.com", unsettled={"www.x.com": waiting_for(AliasPhase.UNCONFIRMED, origin=Origin.WWW)}),
    ],
    ids=["settled", "unsettled"],
)
def test_www_once_added_stays_whatever_the_setting_says_now(ledger: object) -> None:
    for policy in WwwPolicy:
        plan = a_plan(a_snapshot("x.com", www=policy), a_list("x.com"), ledger)  # type: ignore[arg-type]
        assert adds(plan) == ["www.x.com"]
        assert not plan.holds


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (a_row("x.com", 3), "conflict", '"x.com" is mapped to several sites (1, 3)'),
        (a_row("y.com", 2), "other-network", "its site belongs to another network (2)"),
        (a_row("y.com", 9), "site-gone", "mapped to site 9, which does not exist"),
    ],
)
@pytest.mark.parametrize("known", ["leads here", "was ours"])
def test_what_holds_a_name_back_holds_its_www_form_back(row: Mapping, code: str, reason: str, known: str) -> None:
    www = f"www.{row.domain}"
    origins = {www: Origin.WWW} if known == "was ours" else {}
    snapshot = a_snapshot("x.com", row, sites=[a_site(2, network=2), a_site(3)], www=WwwPolicy.ALWAYS)
    ledger = a_ledger(origins=origins, pointing_www={www})
    if known == "was ours" or code != "site-gone":
        hold = the_hold(a_plan(snapshot, a_list("x.com"), ledger), www)
        assert (hold.code, hold.reason) == (code, reason)
    # A person who wants it by itself, and a row of its own, know better.
    pinned = replace(ledger, pins=frozenset({www}))
    assert www in adds(a_plan(snapshot, a_list("x.com"), pinned))
    snapshot.mappings.append(a_row(www))
    assert www in adds(a_plan(snapshot, a_list("x.com"), ledger))


def test_www_of_a_name_that_is_gone_does_not_come_back() -> None:
    ledger = a_ledger(
        origins={"www.x.com": Origin.WWW, "www.y.com": Origin.MAPPING},
        unsettled={"www.z.com": waiting_for(AliasPhase.ADDING, origin=Origin.WWW)},
    )
    assert not a_plan(a_snapshot("y.com"), a_list("y.com"), ledger).additions


def test_a_name_that_leaves_by_command_is_not_added() -> None:
    assert not a_plan(a_snapshot(), a_list(), a_ledger("x.com", leaving={"x.com"})).additions


def test_managed_domains_that_a_paged_list_does_not_show_are_present_and_others_are_added() -> None:
    paged = replace(partial("there.com"), paged=True)
    ledger = a_ledger("there.com", "behind.com")
    plan = a_plan(a_snapshot("there.com", "behind.com", "new.com"), paged, ledger)
    assert (adds(plan), plan.in_sync, holds(plan)) == (["new.com"], 2, {})


def test_a_mass_loss_does_not_wait_for_a_late_list() -> None:
    ledger = a_ledger("late.com", "lost.com", added_lately={"late.com", "lost.com"})
    observed = replace(partial(), lost=frozenset({"lost.com"}))
    plan = a_plan(a_snapshot("late.com", "lost.com"), observed, ledger)
    assert (adds(plan), holds(plan)) == (["lost.com"], {"late.com": "list-lag"})
    assert plan.lost == {"lost.com"}
    assert narrow(plan, ["lost.com"]).lost == frozenset()


def test_a_hold_says_why_the_last_try_failed() -> None:
    ledger = a_ledger(failed_changes={"taken.com": trouble()._replace(code="exists-elsewhere")})
    assert holds(a_plan(a_snapshot("taken.com"), a_list(), ledger)) == {"taken.com": "exists-elsewhere"}


def test_a_stranger_is_told_of_though_a_paged_list_is_as_long_as_what_is_in_step() -> None:
    paged = replace(partial("stranger.com"), paged=True)
    plan = a_plan(a_snapshot("behind.com"), paged, a_ledger("behind.com"))
    assert plan.unmanaged == ("stranger.com",)
