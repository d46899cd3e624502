from __future__ import annotations

import json

import pytest

from closte_bridge.closte.outcome import Action, Kind, judge
from closte_bridge.closte.wording import Cleaner

CLEAN = Cleaner()
NAME = "shop.example.org"


def said(error: str, action: Action = "add", domain: str = NAME, status: int = 200) -> Kind:
    body = json.dumps({"success": False, "error": error}).encode()
    return judge(action, domain, status, body, CLEAN).kind


@pytest.mark.parametrize("body", [b'{"success": true}', b'{"success": 1, "error": null}', b'{"success":"true"}'])
def test_success_is_done(body: bytes) -> None:
    verdict = judge("add", NAME, 200, body, CLEAN)
    assert verdict.kind is Kind.DONE
    assert not verdict.again


@pytest.mark.parametrize("action", ["add", "remove"])
def test_the_known_sentence_is_a_refusal(action: Action) -> None:
    assert said(f"Invalid or empty domain: {NAME}", action) is Kind.REFUSED
    assert said(f"Invalid or empty domain: {NAME}", action, status=400) is Kind.REFUSED
    assert said("Invalid or empty domain: ", action) is Kind.REFUSED


@pytest.mark.parametrize(
    "error",
    [
        "Domain already exists.",
        f"{NAME} already exists",
        "The alias was already added",
        "Duplicate domain",
        "Exists already!",
    ],
)
def test_already_there(error: str) -> None:
    assert said(error, "add") is Kind.ALREADY
    assert said(error, "remove") is not Kind.ALREADY


@pytest.mark.parametrize(
    "error",
    [
        "Domain not found.",
        f"{NAME} does not exist",
        f"No such domain: {NAME}",
        "Unknown alias",
        "The domain was already deleted",
        "Domain doesn't exist in this application",
    ],
)
def test_not_there(error: str) -> None:
    assert said(error, "remove") is Kind.ALREADY
    assert said(error, "add") is not Kind.ALREADY


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("add", "Domain already exists in another application"),
        ("add", "The domain is already used by someone else"),
        ("add", "Domain not already verified"),
        ("remove", "The application of this domain was not found"),
        ("remove", "Page not found"),
        ("add", "Quota exceeded"),
        ("add", ""),
        ("add", "You have no permission to add this domain"),
        ("add", "Unauthorized domain"),
    ],
)
def test_other_words_are_a_plain_no(action: Action, error: str) -> None:
    assert said(error, action) is Kind.FAILED


@pytest.mark.parametrize(
    "error",
    [
        "Invalid API key.",
        "Invalid apikey",
        "API key not found",
        "The api_key is missing",
        "Unauthorized",
        "Wrong client key",
        "Authentication failed",
        "Unknown key",
        "API key does not exist",
    ],
)
def test_words_about_the_key(error: str) -> None:
    assert said(error, "add") is Kind.KEY_REJECTED
    assert said(error, "remove") is Kind.KEY_REJECTED


@pytest.mark.parametrize(
    "name", ["invalid-api-key.example.org", "already-exists.example.org", "not-found.domain.example.org"]
)
def test_the_words_of_a_name_mean_nothing(name: str) -> None:
    assert said(f"{name.upper()}: quota exceeded", "add", name) is Kind.FAILED
    assert said(f"Quota exceeded for {name}", "remove", name) is Kind.FAILED


@pytest.mark.parametrize(
    ("status", "body", "kind", "again"),
    [
        (401, b"", Kind.KEY_REJECTED, False),
        (403, b"<html>", Kind.KEY_REJECTED, False),
        (429, b"", Kind.FAILED, True),
        (408, b"", Kind.UNCLEAR, True),
        (500, b"", Kind.UNCLEAR, True),
        (500, b'{"success": true}', Kind.UNCLEAR, True),
        (503, b"<html>", Kind.UNCLEAR, True),
        (404, b"<html>", Kind.FAILED, False),
        (400, b'{"success": true}', Kind.FAILED, False),
        (302, b'{"success": true}', Kind.UNCLEAR, False),
        (200, b"", Kind.UNCLEAR, True),
        (200, b"<html>", Kind.UNCLEAR, True),
        (200, b"{}", Kind.UNCLEAR, True),
        (200, b'{"success": "perhaps"}', Kind.UNCLEAR, True),
        (200, b'{"success": false}', Kind.FAILED, False),
        (200, b'{"success": false, "error": ["x"]}', Kind.FAILED, False),
        (500, b'{"success": false, "error": "Invalid or empty domain: x"}', Kind.REFUSED, False),
        (500, b'{"success": false, "error": "Oops"}', Kind.UNCLEAR, True),
    ],
)
def test_statuses(status: int, body: bytes, kind: Kind, again: bool) -> None:
    verdict = judge("add", NAME, status, body, CLEAN)
    assert (verdict.kind, verdict.again) == (kind, again)
    assert verdict.message[0].isupper()
    assert verdict.message.endswith(".")
