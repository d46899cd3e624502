from __future__ import annotations

import json

import pytest

from closte_bridge.wordpress.events import NO_EVIDENCE, EventKind, requested, taken, understand
from closte_bridge.wordpress.snapshot import Event


def event(kind: str, domain: str = "", detail: object = None) -> Event:
    text = detail if isinstance(detail, str) else json.dumps(detail)
    return Event("uid", 0, kind, 1, domain, text)


def test_unmapped_domain_is_evidence_for_its_www_form_too() -> None:
    evidence, understood = understand(event("mapping_removed", "Shop.COM."))
    assert understood
    assert evidence == {"shop.com": "mapping_removed", "www.shop.com": "mapping_removed"}


def test_renamed_mapping_is_evidence_for_its_old_domain() -> None:
    evidence, _ = understand(event("mapping_renamed", "new.com", {"from": "www.old.com", "to": "new.com"}))
    assert evidence == {"www.old.com": "mapping_renamed"}


def test_deleted_site_is_evidence_for_all_its_domains() -> None:
    evidence, _ = understand(event("site_deleted", "", {"domains": ["a.com", "bücher.de"]}))
    assert evidence.keys() == {"a.com", "www.a.com", "xn--bcher-kva.de", "www.xn--bcher-kva.de"}


@pytest.mark.parametrize("kind", sorted(NO_EVIDENCE))
def test_other_kinds_cause_a_read_but_are_no_evidence(kind: str) -> None:
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
def test_invalid_event_is_no_evidence_and_not_understood(odd: Event) -> None:
    assert understand(odd) == ({}, False)


@pytest.mark.parametrize("kind", ["mapping_added", "mapping_renamed", "site_created", "site_duplicated"])
def test_domain_in_use_includes_its_www_form(kind: str) -> None:
    assert taken(event(kind, "Shop.COM.", {"from": "old.com"})) == ["shop.com", "www.shop.com"]
    assert taken(event(kind, "www.shop.com")) == ["www.shop.com"]
    assert taken(event(kind, "not a name")) == []


@pytest.mark.parametrize("kind", [EventKind.CHECK, EventKind.RETRY])
def test_request_is_for_the_domain_and_its_www_form(kind: EventKind) -> None:
    assert requested(event(kind, "Shop.COM."), kind) == ["shop.com", "www.shop.com"]
    for odd in ("", "not a name", "x" * 300, "<script>.com", "a.com'; DROP TABLE aliases; --"):
        assert requested(event(kind, odd), kind) == []
    others = set(EventKind) - {kind}
    assert [other for other in others if requested(event(other, "shop.com"), kind)] == []
    assert taken(event(kind, "shop.com")) == []


@pytest.mark.parametrize("kind", ["mapping_removed", "site_deleted", "site_archived", "everything", "made-up"])
def test_other_events_put_no_domain_in_use(kind: str) -> None:
    assert taken(event(kind, "shop.com")) == []
