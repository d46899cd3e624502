from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.closte.listing import read_listing
from closte_bridge.closte.redact import Redactor
from closte_bridge.closte.responses import decode
from closte_bridge.hosting import Completeness, Listing

OWN = "network.example.com"


def read_body(body: bytes) -> Listing:
    document = decode(body)
    assert document is not None
    return read_listing(document, Redactor())


def parse(domains: object, **more: object) -> Listing:
    return read_body(json.dumps({"success": True, "domains": domains, **more}).encode())


@pytest.mark.parametrize(
    ("domains", "names"),
    [
        ([OWN, "shop.example.org"], {OWN, "shop.example.org"}),
        ([], set()),
        (["Shop.Example.ORG.", " a.example.org "], {"shop.example.org", "a.example.org"}),
        (["*.example.org", "a.example.org"], {"*.example.org", "a.example.org"}),
        (["münchen.example.org", "*.BÜCHER.example"], {"xn--mnchen-3ya.example.org", "*.xn--bcher-kva.example"}),
        (["some_thing.example.org"], {"some_thing.example.org"}),
        ([{"domain": "a.example.org", "wildcard": True}], {"*.a.example.org"}),
        ([{"domain": "*.a.example.org", "wildcard": "1"}], {"*.a.example.org"}),
        ([{"Domain_Name": "a.example.org", "is_wildcard": 0, "id": 7}], {"a.example.org"}),
        ([{"hostname": "a.example.org", "name": "My shop. It sells."}], {"a.example.org"}),
        ([{"host": "a.example.org", "name": "A.example.org"}, OWN], {"a.example.org", OWN}),
        (
            [{"alias": "a.example.org", "ssl": {"state": "ok"}, "host": "192.0.2.10", "ips": ["192.0.2.10", 4]}],
            {"a.example.org"},
        ),
        ({"a.example.org": {"wildcard": 1}, "b.example.org": None}, {"*.a.example.org", "b.example.org"}),
        ({"0": "a.example.org", "2": {"domain": "b.example.org"}}, {"a.example.org", "b.example.org"}),
        ({}, set()),
    ],
)
def test_every_known_list_format_is_parsed(domains: object, names: set[str]) -> None:
    listing = parse(domains)
    assert listing == Listing(Completeness.COMPLETE, "", frozenset(names))


@pytest.mark.parametrize(
    ("domains", "names", "reason"),
    [
        ([OWN, 17, None], {OWN}, "2 of 3 entries could not be parsed"),
        ([OWN, "no name"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, ""], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "*.*.example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "a..example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, ".example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "localhost"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, f"{'x' * 64}.example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, ".".join(["x" * 60] * 5)], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "a.example.org\nb.example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "\ud800.example.org"], {OWN}, "1 of 2 entries could not be parsed"),
        (
            [{"domain": "a.example.org", "alias": "b.example.org"}],
            {"a.example.org", "b.example.org"},
            "1 of 1 entry could not be parsed",
        ),
        (
            [{"domain": "a.example.org", "aliases": ["www.a.example.org"]}],
            {"a.example.org"},
            "1 of 1 entry could not be parsed",
        ),
        (
            [{"domain": "a.example.org", "wildcard": "perhaps"}],
            {"a.example.org"},
            "1 of 1 entry could not be parsed",
        ),
        ({OWN: 1, "Quota": 5}, {OWN}, "1 of 2 entries could not be parsed"),
        ([OWN, "192.0.2.10"], {OWN}, "1 of 2 entries could not be parsed"),
        ({OWN: {"aliases": ["a.example.org"]}}, {OWN}, "1 of 1 entry could not be parsed"),
        ({OWN: {"domain": "a.example.org"}}, {OWN, "a.example.org"}, "1 of 1 entry could not be parsed"),
    ],
)
def test_incomplete_list_states_its_reason(domains: object, names: set[str], reason: str) -> None:
    assert parse(domains) == Listing(Completeness.PARTIAL, reason, frozenset(names))


@pytest.mark.parametrize("total", [{"total": 5}, {"meta": {"total_count": "5"}}])
def test_paged_list_states_how_many_entries_it_shows(total: dict[str, object]) -> None:
    reason = "Closte's list is paged and shows 1 of 5 entries"
    assert parse([OWN], **total) == Listing(Completeness.PARTIAL, reason, frozenset({OWN}), paged=True)


@pytest.mark.parametrize(
    "hint",
    [
        {"has_more": True},
        {"hasMore": "1"},
        {"next": "https://app.example/x"},
        {"next_page": 2},
        {"links": {"next": "/p2"}},
        {"pagination": {"total_pages": 3}},
        {"truncated": True},
        {"lastPage": "4"},
        {"total": 2},
    ],
)
def test_paging_makes_a_list_partial(hint: dict[str, object]) -> None:
    listing = parse([OWN], **hint)
    assert (listing.state, listing.paged) == (Completeness.PARTIAL, True)


@pytest.mark.parametrize(
    "hint",
    [{"has_more": False}, {"next": None}, {"next": ""}, {"total": 1}, {"pages": 1}, {"total": True}, {"links": {}}],
)
def test_empty_paging_hint_leaves_a_list_complete(hint: dict[str, object]) -> None:
    assert parse([OWN], **hint).state is Completeness.COMPLETE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'["a.example.org"]',
        b"\xff\xfe\x00",
        b'{"success": true, "domains": ["a.example.org"',
        b'{"success": true, "domains": [' + b"9" * 5000 + b"]}",
        b"[" * 100_000,
    ],
)
def test_body_that_is_no_json_object_has_no_list(body: bytes) -> None:
    assert decode(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"domains": ["a.example.org"]}',
        b'{"success": null, "domains": []}',
        b'{"success": "perhaps", "domains": []}',
        b'{"success": [], "domains": []}',
        b'{"success": false, "domains": ["a.example.org"]}',
        b'{"success": true}',
        b'{"success": true, "domains": null}',
        b'{"success": true, "domains": "a.example.org"}',
        b'{"success": true, "domains": [1, 2]}',
        b'{"success": true, "domains": [[["a.example.org"]]]}',
        b'{"success": true, "domains": {"count": 4}}',
        b'{"success": true, "domains": {"a": 1, "b": 2}}',
        b'{"success": true, "domains": {"data": ["a.example.org"]}}',
        b'{"success": true, "domains": {"items": {"a.example.org": true}, "total": 1}}',
        b'{"success": true, "domains": ' + b'[{"a":' * 400 + b"1" + b"}]" * 400 + b"}",
    ],
)
def test_unknown_document_is_unreadable(body: bytes) -> None:
    listing = read_body(body)
    assert listing.state is Completeness.UNREADABLE
    assert listing.reason.endswith(".")
    assert not listing.names


def test_error_is_quoted_without_control_characters() -> None:
    body = json.dumps({"success": False, "error": "Go\naway\x1b[31m!"}).encode()
    assert read_body(body).reason == 'Closte answered "Go away!".'


LABELS = st.text("abzAZ019_-", min_size=1, max_size=6) | st.just("x" * 63)
NAMES = st.builds(
    lambda star, labels: star + ".".join(labels), st.sampled_from(["", "*."]), st.lists(LABELS, min_size=2, max_size=3)
)


@given(st.lists(NAMES, max_size=8))
def test_strings_and_objects_give_the_same_names(names: list[str]) -> None:
    expected = frozenset(name.lower() for name in names if not name.rpartition(".")[2].isdigit())
    assert parse(names).names == expected
    assert parse([{"domain": name} for name in names]).names == expected


@given(st.lists(st.one_of(NAMES, st.text(max_size=12), st.integers(), st.none()), max_size=8))
def test_list_is_complete_only_if_every_entry_is_understood(items: list[object]) -> None:
    listing = parse(items)
    understood = [item for item in items if parse([item]).state is Completeness.COMPLETE]
    assert (listing.state is Completeness.COMPLETE) == (len(understood) == len(items))
    if listing.state is not Completeness.UNREADABLE:
        assert len(listing.names) <= len(understood)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("a.example.org"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    )
)
def test_parser_never_raises(domains: object) -> None:
    assert isinstance(parse(domains), Listing)
