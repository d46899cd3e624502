from __future__ import annotations

import json

import pytest

from closte_bridge.wordpress.events import NO_EVIDENCE, taken, understand
from closte_bridge.wordpress.snapshot import Event


def event(kind: str, domain: str = "", detail: object = None) -> Event:
    text = detail if isinstance(detail, str) else json.dumps(detail)
    return Event("uid", 0, kind, 1, domain, text)


def test_an_unmapped_name_is_given_up_with_its_www() -> None:
    evidence, understood = understand(event("mapping_removed", "Shop.COM."))
    assert understood
    assert evidence == {"shop.com": "mapping_removed", "www.shop.com": "mapping_removed"}


def test_of_a_renamed_mapping_the_old_name_is_given_up() -> None:
    evidence, _ = understand(event("mapping_renamed", "new.com", {"from": "www.old.com", "to": "new.com"}))
    assert evidence == {"www.old.com": "mapping_renamed"}


def test_with_a_site_all_its_names_are_given_up() -> None:
    evidence, _ = understand(event("site_deleted", "", {"domains": ["a.com", "bücher.de"]}))
    assert evidence.keys() == {"a.com", "www.a.com", "xn--bcher-kva.de", "www.xn--bcher-kva.de"}


@pytest.mark.parametrize("kind", sorted(NO_EVIDENCE))
def test_the_other_kinds_say_look_and_prove_nothing(kind: str) -> None:
    assert understand(event(kind, "x.com", {"from": "x.com", "domains": ["x.com"]})) == ({}, True)


@pytest.mark.parametrize(
    "odd",
    [
        event("made-up", "x.com"),
        event("mapping_removed", "not a name"),
        event("mapping_removed", ""),
        event("mapping_renamed", "x.com", "no json"),
        event("mapping_renamed", "x.com", {"to": "x.com"}),
        event("mapping_renamed", "x.com", {"from": None}),
        event("mapping_renamed", "x.com", ["from"]),
        event("site_deleted", "", {"domains": None}),
        event("site_deleted", "", {"domains": "abc.com"}),
        event("site_deleted", "", {"domains": ["a.com", 7]}),
        event("site_deleted", "", {"domains": ["ok.com", "not a name"]}),
        event("site_deleted", "", "[" * 100_000),
        event("site_deleted", "", "null"),
    ],
)
def test_what_makes_no_sense_proves_nothing_and_says_so(odd: Event) -> None:
    assert understand(odd) == ({}, False)


@pytest.mark.parametrize("kind", ["mapping_added", "mapping_renamed", "site_created", "site_duplicated"])
def test_a_name_that_came_into_use_is_taken_with_its_www(kind: str) -> None:
    assert taken(event(kind, "Shop.COM.", {"from": "old.com"})) == ["shop.com", "www.shop.com"]
    assert taken(event(kind, "www.shop.com")) == ["www.shop.com"]
    assert taken(event(kind, "not a name")) == []


@pytest.mark.parametrize("kind", ["mapping_removed", "site_deleted", "site_archived", "everything", "made-up"])
def test_other_events_take_nothing(kind: str) -> None:
    assert taken(event(kind, "shop.com")) == []
