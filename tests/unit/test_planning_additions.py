from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.hosting import Action
from closte_bridge.ledger.state import AliasPhase, FailureCode, Origin
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
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.wordpress.snapshot import Mapping


def test_missing_mappings_are_added_in_alphabetical_order() -> None:
    plan = a_plan(a_snapshot("b.com", "A.com", "there.com"), a_list("there.com"), a_ledger("there.com"))
    assert [(c.name, c.origin, c.cause) for c in plan.additions] == [
        ("a.com", Origin.MAPPING, "mapped to site 1"),
        ("b.com", Origin.MAPPING, "mapped to site 1"),
    ]
    assert plan.in_sync == 1


def test_pins_and_configured_domains_are_added() -> None:
    plan = a_plan(a_snapshot(), a_list(), a_ledger(pins={"p.com"}), config={"wildcards": ("*.w.com",)})
    assert [(c.name, c.origin, c.cause) for c in plan.changes] == [
        ("*.w.com", Origin.CONFIG, "in the config"),
        ("p.com", Origin.PIN, "pinned"),
    ]


def test_ledger_replaces_an_unreadable_list() -> None:
    plan = a_plan(a_snapshot("ours.com", "new.com"), UNREADABLE, a_ledger("ours.com"))
    assert adds(plan) == ["new.com"]


def test_managed_domain_missing_from_a_partial_list_is_added_again() -> None:
    plan = a_plan(a_snapshot("ours.com", "there.com"), partial("there.com"), a_ledger("ours.com", "there.com"))
    assert [(c.name, c.cause) for c in plan.changes] == [("ours.com", "missing from Closte's list")]


def test_unclear_attempt_is_repeated() -> None:
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
def test_non_public_domain_is_on_hold(name: str, reason: str) -> None:
    plan = a_plan(a_snapshot(name), a_list(), a_ledger())
    assert the_hold(plan, name) == (
        Action.ADD, name, "not-public", f"no certificate can be issued: {reason}", None
    )  # fmt: skip
    assert not plan.changes


def test_pin_or_wildcard_under_an_unknown_top_level_domain_is_on_hold() -> None:
    config = {"wildcards": ("*.foo.con",)}
    plan = a_plan(a_snapshot(), a_list(), a_ledger(pins={"bar.c0m"}), config=config)
    assert (holds(plan), plan.changes) == ({"*.foo.con": "not-public", "bar.c0m": "not-public"}, ())


def test_present_domain_stays_whatever_its_top_level_domain() -> None:
    """The installed list of top-level domains may be older than the domain."""
    ledger = a_ledger("new.con", "gone.con", absences={"new.con": missing()})
    plan = a_plan(a_snapshot("new.con", www=WwwPolicy.ALWAYS), a_list("new.con", "gone.con"), ledger)
    assert (plan.changes, holds(plan)) == ((), {"gone.con": "waiting"})


def test_malformed_mapping_is_on_hold_and_blocks_no_other() -> None:
    plan = a_plan(a_snapshot("a_b.com", "good.com", "x" * 400), a_list(), a_ledger())
    assert adds(plan) == ["good.com"]
    assert holds(plan) == {"a_b.com": "malformed", "x" * 255: "malformed"}


def test_contested_domain_is_on_hold_even_if_pinned() -> None:
    snapshot = a_snapshot("x.com", a_row("x.com", 2), sites=[a_site(2)])
    plan = a_plan(snapshot, a_list(), a_ledger(pins={"x.com"}))
    assert the_hold(plan, "x.com").reason == "mapped to several sites (1, 2)"


def test_mappings_of_missing_or_foreign_sites_add_nothing() -> None:
    snapshot = a_snapshot(a_row("gone.com", 9), a_row("else.com", 2), sites=[a_site(2, network=2)])
    plan = a_plan(snapshot, a_list(), a_ledger())
    assert holds(plan) == {"gone.com": "site-gone", "else.com": "other-network"}
    assert not plan.changes


def test_pin_adds_a_domain_whose_site_is_gone() -> None:
    assert adds(a_plan(a_snapshot(a_row("gone.com", 9)), a_list(), a_ledger(pins={"gone.com"}))) == ["gone.com"]


def test_present_wildcard_covers_one_label_even_if_unmanaged() -> None:
    plan = a_plan(a_snapshot("a.w.com", "b.a.w.com", "w.com"), a_list("*.w.com"), a_ledger())
    assert adds(plan) == ["b.a.w.com", "w.com"]
    assert the_hold(plan, "a.w.com").reason == 'covered by "*.w.com"'


def test_covering_wildcard_is_added_first() -> None:
    plan = a_plan(a_snapshot("a.w.com"), a_list(), a_ledger(), config={"wildcards": ("*.w.com",)})
    assert adds(plan) == ["*.w.com"]
    assert the_hold(plan, "a.w.com").reason == 'will be covered by "*.w.com" (being added)'


def test_recently_added_wildcard_is_awaited_while_the_list_lags() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.CONFIG}, added_lately={"*.w.com"})
    plan = a_plan(a_snapshot("a.w.com"), a_list(), ledger, config={"wildcards": ("*.w.com",)})
    assert holds(plan) == {"*.w.com": "list-lag", "a.w.com": "covered"}
    assert not plan.changes


@pytest.mark.parametrize("until", [NOW - 1, NOW + HOUR])
def test_failed_wildcard_does_not_delay_its_domains(until: float) -> None:
    ledger = a_ledger(failed_changes={"*.w.com": trouble(until=until)})
    plan = a_plan(a_snapshot("a.w.com"), a_list(), ledger, config={"wildcards": ("*.w.com",)})
    assert "a.w.com" in adds(plan)


def test_unwanted_wildcard_does_not_delay_its_domains() -> None:
    snapshot = a_snapshot(a_row("*.w.com", 9), "a.w.com")
    plan = a_plan(snapshot, a_list(), a_ledger())
    assert adds(plan) == ["a.w.com"]
    assert holds(plan) == {"*.w.com": "site-gone"}


def test_domains_behind_a_leaving_wildcard_become_aliases() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"}, pins={"b.w.com"})
    snapshot = a_snapshot("a.w.com", "w.com", www=WwwPolicy.ALWAYS)
    plan = a_plan(snapshot, a_list("*.w.com", "w.com"), ledger)
    assert adds(plan) == ["a.w.com", "b.w.com", "www.w.com"]


def test_failed_removal_does_not_delay_an_addition() -> None:
    ledger = a_ledger(failed_changes={"x.com": trouble(action="remove"), "y.com": trouble(action="add")})
    plan = a_plan(a_snapshot("x.com", "y.com"), a_list(), ledger)
    assert (adds(plan), holds(plan)) == (["x.com"], {"y.com": "back-off"})


@pytest.mark.parametrize(("refused", "code"), [(False, "back-off"), (True, "refused")])
def test_failed_addition_waits_for_its_retry(refused: bool, code: str) -> None:
    ledger = a_ledger(failed_changes={"x.com": trouble(refused=refused), "y.com": trouble(until=NOW)})
    plan = a_plan(a_snapshot("x.com", "y.com", "z.com"), a_list(), ledger)
    assert adds(plan) == ["y.com", "z.com"]
    hold = the_hold(plan, "x.com")
    assert (hold.code, hold.reason, hold.until) == (code, 'Closte answered "no".', NOW + HOUR)
    assert adds(a_plan(a_snapshot("x.com"), a_list(), ledger, retry=True)) == ["x.com"]


def test_recently_added_alias_may_be_missing_from_the_list() -> None:
    ledger = a_ledger("x.com", added_lately={"x.com", "y.com"})
    plan = a_plan(a_snapshot("x.com", "y.com"), a_list(), ledger)
    assert holds(plan) == {"x.com": "list-lag"}
    assert adds(plan) == ["y.com"]
    assert adds(a_plan(a_snapshot("x.com"), a_list(), ledger, retry=True)) == ["x.com"]


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("observed", [UNREADABLE, partial()])
def test_released_domain_is_not_requested_while_its_presence_is_unknown(observed: Observed, retry: bool) -> None:
    released = a_ledger(released={"x.com"})
    plan = a_plan(a_snapshot("x.com", "y.com"), observed, released, retry=retry)
    assert (adds(plan), holds(plan)) == (["y.com"], {"x.com": "released"})
    # closte-bridge adds it again if a list shows that it is missing, or if it is managed again.
    assert adds(a_plan(a_snapshot("x.com"), a_list(), released)) == ["x.com"]
    asked = replace(released, unsettled={"x.com": waiting_for(AliasPhase.UNCONFIRMED)})
    assert adds(a_plan(a_snapshot("x.com"), observed, asked)) == ["x.com"]
    assert adds(a_plan(a_snapshot("x.com"), partial(), a_ledger("x.com", released={"x.com"}))) == ["x.com"]


def test_certificate_budget_is_per_registered_domain_and_week() -> None:
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


def test_alias_lost_by_closte_needs_no_certificate_budget() -> None:
    """Its certificate is a renewal, and its visitors cannot reach the site meanwhile."""
    names = [f"n{number}.big.com" for number in range(5)]
    plan = a_plan(a_snapshot(*names), a_list(), a_ledger(*names), config={"certificate_budget": 3})
    assert adds(plan) == names


def test_www_form_waits_for_proof_of_its_dns() -> None:
    snapshot = a_snapshot("x.com", "y.com", "www.y.com", "foo.test", f"one.{MAIN}", www=WwwPolicy.ALWAYS)
    plan = a_plan(snapshot, a_list("x.com", "y.com", "www.y.com"), a_ledger("x.com"))
    assert holds(plan) == {"www.x.com": "www-unproven", "foo.test": "not-public"}
    assert adds(plan) == [f"one.{MAIN}"]


def test_www_form_pointing_to_the_network_is_added() -> None:
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
def test_managed_www_form_stays_whatever_the_setting_is(ledger: object) -> None:
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
def test_hold_of_a_domain_applies_to_its_www_form(row: Mapping, code: str, reason: str, known: str) -> None:
    www = f"www.{row.domain}"
    origins = {www: Origin.WWW} if known == "was ours" else {}
    snapshot = a_snapshot("x.com", row, sites=[a_site(2, network=2), a_site(3)], www=WwwPolicy.ALWAYS)
    ledger = a_ledger(origins=origins, pointing_www={www})
    if known == "was ours" or code != "site-gone":
        hold = the_hold(a_plan(snapshot, a_list("x.com"), ledger), www)
        assert (hold.code, hold.reason) == (code, reason)
    # A pin or a mapping of the `www.` form itself overrides the hold.
    pinned = replace(ledger, pins=frozenset({www}))
    assert www in adds(a_plan(snapshot, a_list("x.com"), pinned))
    snapshot.mappings.append(a_row(www))
    assert www in adds(a_plan(snapshot, a_list("x.com"), ledger))


def test_www_form_of_a_missing_domain_does_not_return() -> None:
    ledger = a_ledger(
        origins={"www.x.com": Origin.WWW, "www.y.com": Origin.MAPPING},
        unsettled={"www.z.com": waiting_for(AliasPhase.ADDING, origin=Origin.WWW)},
    )
    assert not a_plan(a_snapshot("y.com"), a_list("y.com"), ledger).additions


def test_domain_leaving_by_command_is_not_added() -> None:
    assert not a_plan(a_snapshot(), a_list(), a_ledger("x.com", leaving={"x.com"})).additions


def test_managed_domain_missing_from_a_paged_list_counts_as_present() -> None:
    paged = replace(partial("there.com"), paged=True)
    ledger = a_ledger("there.com", "behind.com")
    plan = a_plan(a_snapshot("there.com", "behind.com", "new.com"), paged, ledger)
    assert (adds(plan), plan.in_sync, holds(plan)) == (["new.com"], 2, {})


def test_mass_loss_does_not_wait_for_a_late_list() -> None:
    ledger = a_ledger("late.com", "lost.com", added_lately={"late.com", "lost.com"})
    observed = replace(partial(), lost=frozenset({"lost.com"}))
    plan = a_plan(a_snapshot("late.com", "lost.com"), observed, ledger)
    assert (adds(plan), holds(plan)) == (["lost.com"], {"late.com": "list-lag"})
    assert plan.lost == {"lost.com"}
    assert narrow(plan, ["lost.com"]).lost == frozenset()


def test_hold_has_the_code_of_the_last_failure() -> None:
    ledger = a_ledger(failed_changes={"taken.com": trouble()._replace(code=FailureCode.EXISTS_ELSEWHERE)})
    assert holds(a_plan(a_snapshot("taken.com"), a_list(), ledger)) == {"taken.com": "exists-elsewhere"}


def test_unmanaged_domain_is_reported_from_a_paged_list() -> None:
    paged = replace(partial("stranger.com"), paged=True)
    plan = a_plan(a_snapshot("behind.com"), paged, a_ledger("behind.com"))
    assert plan.unmanaged == ("stranger.com",)
