from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from closte_bridge.ledger.state import AliasPhase, LedgerState, Origin
from closte_bridge.planning.desired import Desired, DomainPolicy, desired, origin_of
from closte_bridge.wordpress.snapshot import Mapping, Snapshot, WwwPolicy
from tests.support.check_states import MAIN, a_ledger, a_row, a_site, a_snapshot, waiting_for


def wanted(snapshot: Snapshot, ledger: LedgerState | None = None, **config: object) -> Desired:
    return desired(snapshot, DomainPolicy(**config), ledger or a_ledger())  # type: ignore[arg-type]


def test_every_mapping_is_wanted_at_any_stage_in_normal_form() -> None:
    rows = [a_row("Shop.Example.COM.", stage="failed"), a_row("bücher.de", stage="checking-dns")]
    assert list(wanted(a_snapshot(*rows)).mapped) == ["shop.example.com", "xn--bcher-kva.de"]


def test_malformed_mappings_are_listed_in_a_stable_order() -> None:
    desire = wanted(a_snapshot("b..b", "good.com", "a_a.com"))
    assert list(desire.mapped) == ["good.com"]
    assert [(row.domain, why) for row, why in desire.malformed] == [
        ("a_a.com", "has an underscore"),
        ("b..b", "not a host name"),
    ]


def test_two_active_sites_contest_a_domain() -> None:
    sites = [a_site(2), a_site(3)]
    desire = wanted(a_snapshot(a_row("x.com", 2), a_row("x.com", 3), a_row("x.com", 3), sites=sites))
    assert desire.contested == {"x.com": frozenset({2, 3})}


def test_mapping_of_a_missing_site_contests_nothing() -> None:
    desire = wanted(a_snapshot(a_row("x.com", 9), a_row("X.com", 2), a_row("x.com", 8), sites=[a_site(2)]))
    assert desire.contested == {}
    assert desire.mapped["x.com"].blog_id == 2


@pytest.mark.parametrize("flag", ["archived", "spam", "deleted"])
def test_inactive_site_does_not_contest_an_active_one(flag: str) -> None:
    flags: dict[str, Any] = {flag: True}
    hidden = [a_site(number)._replace(**flags) for number in (2, 3)]
    rows = [a_row("x.com", blog) for blog in (2, 3, 4)]
    desire = wanted(a_snapshot(*rows, sites=[*hidden, a_site(4)]))
    assert (desire.contested, desire.mapped["x.com"].blog_id) == ({}, 4)
    assert wanted(a_snapshot(*rows[:2], sites=hidden)).contested == {"x.com": frozenset({2, 3})}


@pytest.mark.parametrize("order", [(2, 3, 9), (9, 3, 2), (3, 9, 2)])
def test_chosen_site_does_not_depend_on_the_order_of_mappings(order: tuple[int, ...]) -> None:
    sites = [a_site(2, network=2), a_site(3)]
    desire = wanted(a_snapshot(*(a_row("x.com", blog) for blog in order), sites=sites))
    assert desire.mapped["x.com"].blog_id == 3


def test_lowest_id_is_chosen_among_missing_sites() -> None:
    assert wanted(a_snapshot(a_row("x.com", 9), a_row("x.com", 8))).mapped["x.com"].blog_id == 8


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mapped.com", "a mapping"),
        ("www.mapped.com", 'the mapping of "mapped.com"'),
        ("gone.com", "a mapping"),
        ("*.wild.com", "the config"),
        ("pinned.com", "a pin"),
        ("kept.com", "`keep` in the config"),
        ("site2.network.org", "a site"),
        ("münchen.site.org", None),
        ("xn--mnchen-3ya.site.org", "a site"),
        ("port.site.org", "a site"),
        ("www.port.site.org", "a site"),
        ("slash.com", "a mapping with an invalid domain name"),
        ("www.slash.com", "a mapping with an invalid domain name"),
        ("a.wild.com", 'the wildcard "*.wild.com"'),
        ("b.a.wild.com", None),
        ("a.pinned.org", 'the wildcard "*.pinned.org"'),
        ("a.old.com", 'the wildcard "*.old.com"'),
        ("a.odd.com", 'the wildcard "*.odd.com"'),
        ("a.coming.com", 'the wildcard "*.coming.com"'),
        ("www.www.mapped.com", None),
        ("nothing.com", None),
    ],
)
def test_every_mention_has_its_reason(name: str, words: str | None) -> None:
    sites = [
        a_site(2),
        a_site(3, "München.site.org"),
        a_site(4, "Port.site.org:8080", network=2),
        a_site(5, "odd_one.site.org"),
    ]
    ledger = a_ledger(
        "*.old.com", pins={"pinned.com", "*.pinned.org"}, unsettled={"*.coming.com": waiting_for(AliasPhase.ADDING)}
    )
    snapshot = a_snapshot("mapped.com", "*.odd.com", a_row("gone.com", 77), "https://Slash.com/", sites=sites)
    desire = wanted(snapshot, ledger, wildcards=("*.wild.com",), keep=("kept.com",))
    assert desire.mention(name) == words
    assert "odd_one.site.org" in desire.site_domains()


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("cafe.de:8080", "cafe.de"),
        ("http://add.de:80/", "www.add.de"),
        ("Bücher.de/", "xn--bcher-kva.de"),
        ("https://www.bu\u0308cher.de:8080/x", "xn--bcher-kva.de"),
        ("foo_bar.bücher。de", "www.xn--bcher-kva.de"),
        ("\uff43\uff41\uff46\uff45.de/", "cafe.de"),
        ("*.*.bücher.de", "*.xn--bcher-kva.de"),
        ("💩.bücher.de", "xn--bcher-kva.de"),
        # IDNA refuses emoji. A mapping in A-labels that is rewritten with emoji keeps its domain.
        ("💩.la", "xn--ls8h.la"),
        ("Shop-💩.Example.com", "www.xn--shop--bf14d.example.com"),
        ("☕\ufe0f.example.com", "xn--53h.example.com"),
        ("xn--ls8h.la:8080", "xn--ls8h.la"),
        ("xn--99999999.com:8080", "xn--99999999.com"),
    ],
)
def test_malformed_mapping_mentions_the_intended_domain(row: str, name: str) -> None:
    assert wanted(a_snapshot(row)).mention(name) == "a mapping with an invalid domain name"
    assert wanted(a_snapshot(row)).mention("another.com") is None


def test_site_with_an_invalid_idna_address_mentions_its_domain() -> None:
    snapshot = a_snapshot(sites=[a_site(2, "💩.la")])
    assert wanted(snapshot).mention("xn--ls8h.la") == "a mapping with an invalid domain name"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("*.legacy.org", True),
        ("a.legacy.org", True),
        ("b.a.legacy.org", True),
        ("*.a.legacy.org", True),
        ("legacy.org", False),
        ("notlegacy.org", False),
        ("kept.com", True),
        ("a.kept.com", False),
    ],
)
def test_wildcard_in_keep_keeps_everything_below_it(name: str, kept: bool) -> None:
    desire = wanted(a_snapshot(), keep=("*.legacy.org", "kept.com"))
    assert desire.keeps(name) is kept
    assert desire.mention(name) == ("`keep` in the config" if kept else None)


def test_removal_command_is_voided_by_an_explicit_mention_only() -> None:
    snapshot = a_snapshot("mapped.com", sites=[a_site(2)])
    desire = wanted(snapshot, a_ledger("*.old.com"))
    assert desire.ask("www.mapped.com") == 'the mapping of "mapped.com"'
    # Ultimate Multisite serves both forms from one row, whichever form the row contains.
    assert wanted(a_snapshot("www.mapped.com")).ask("mapped.com") == 'the mapping of "www.mapped.com"'
    assert desire.ask("site2.network.org") is None
    assert desire.ask("a.old.com") is None


def test_wildcard_of_the_network_is_wanted_only_if_configured() -> None:
    assert wanted(a_snapshot()).configured == frozenset()
    assert wanted(a_snapshot(), wildcard=True, wildcards=("*.x.com",)).configured == {f"*.{MAIN}", "*.x.com"}


def test_config_outranks_a_pin_and_a_pin_outranks_a_mapping() -> None:
    names = ("c.com", "p.com", "m.com")
    desire = wanted(a_snapshot(*names), a_ledger(pins={"c.com", "p.com"}), wildcards=("c.com",))
    assert [origin_of(name, desire) for name in (*names, "www.m.com")] == [
        Origin.CONFIG,
        Origin.PIN,
        Origin.MAPPING,
        Origin.WWW,
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (WwwPolicy.ALWAYS, {"www.x.com", "www.shop.x.com", "www.elsewhere.com"}),
        (WwwPolicy.MAIN_ONLY, {"www.x.com", "www.elsewhere.com"}),
        (WwwPolicy.NEVER, set()),
    ],
)
def test_www_forms_follow_the_setting_but_not_for_own_domains(policy: WwwPolicy, expected: set[str]) -> None:
    rows: list[str | Mapping] = [
        "x.com",
        "www.y.com",
        "shop.x.com",
        MAIN,
        f"one.{MAIN}",
        a_row("gone.com", 9),
        a_row("elsewhere.com", 2),
        "*.z.com",
    ]
    snapshot = a_snapshot(*rows, www=policy, sites=[a_site(2, network=2)])
    desire = wanted(snapshot)
    assert set(desire.www) == expected
    assert all(www == f"www.{name}" for www, name in desire.www.items())


def test_domains_asked_for_come_from_mappings_config_and_pins() -> None:
    ledger = replace(a_ledger(), pins=frozenset({"pin.com"}))
    assert wanted(a_snapshot("shop.com"), ledger, wildcards=("*.wild.com",)).names() == {
        "shop.com",
        "*.wild.com",
        "pin.com",
    }
