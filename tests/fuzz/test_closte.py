"""Closte's answers: each answer has an outcome, and no text in it controls a terminal."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.closte.listing import read_listing
from closte_bridge.closte.rate_limit import retry_after
from closte_bridge.closte.redact import Redactor
from closte_bridge.closte.responses import ResponseVerdict, decode, interpret
from closte_bridge.hosting import Action, Listing
from closte_bridge.secret import Secret
from tests.fuzz.examples import FUZZ
from tests.fuzz.mutations import ODD, ODD_TEXT, damaged, mutated

KEY = "k3y-of-the-fuzz-application"
GOOD_LIST = {"success": True, "domains": [{"domain": "a.com", "wildcard": 0}, "b.com", {"domain": "c.com"}], "page": 1}
GOOD_ANSWER = {"success": False, "error": "Domain already exists", "data": {"key": KEY}}
CLEAN = Redactor(Secret(KEY))


def listed(body: bytes) -> Listing | None:
    """Return the list in a body as the client reads it, or None if the body is not a JSON object."""
    document = decode(body)
    return read_listing(document, CLEAN) if document is not None else None


def plain(text: str) -> None:
    assert KEY not in text
    assert "\x1b" not in text
    assert "\n" not in text


@FUZZ
@given(mutated(GOOD_LIST) | ODD)
def test_any_list_document_is_classified(document: object) -> None:
    listing = listed(json.dumps(document).encode())
    if listing is None:
        return
    plain(listing.reason)
    assert all(name == name.lower() and "\0" not in name for name in listing.names)


@FUZZ
@given(damaged(json.dumps(GOOD_LIST).encode()) | st.binary(max_size=300))
def test_any_list_body_is_classified(body: bytes) -> None:
    if listing := listed(body):
        plain(listing.reason)


@FUZZ
@given(
    st.sampled_from(Action),
    st.integers(100, 599),
    mutated(GOOD_ANSWER).map(lambda document: json.dumps(document).encode())
    | damaged(json.dumps(GOOD_ANSWER).encode())
    | st.binary(max_size=200),
)
def test_any_answer_to_a_change_is_classified(action: Action, status: int, body: bytes) -> None:
    verdict = interpret(action, "a.com", status, body, CLEAN)
    assert isinstance(verdict, ResponseVerdict)
    plain(verdict.message)


@FUZZ
@given(st.integers(1, 60_000), st.sampled_from(["[", '{"domains":', '{"a":[']))
def test_deeply_nested_answer_does_not_crash(depth: int, opening: str) -> None:
    listing = listed((opening * depth).encode())
    assert listing is None or not listing.names


@FUZZ
@given(ODD_TEXT | st.text(max_size=40) | st.sampled_from(["9" * 400, "-3", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"]))
def test_any_retry_after_header_is_a_number_or_none(header: str) -> None:
    for date in (None, header):
        pause = retry_after(header, date, 1_700_000_000.0)
        assert pause is None or 0 <= pause < float("inf")
