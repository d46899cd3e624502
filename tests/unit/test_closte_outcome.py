from __future__ import annotations

import json

import pytest

from closte_bridge.closte.redact import Redactor
from closte_bridge.closte.responses import interpret
from closte_bridge.hosting import Action, OutcomeKind

CLEAN = Redactor()
NAME = "shop.example.org"


def said(error: str, action: Action = Action.ADD, domain: str = NAME, status: int = 200) -> OutcomeKind:
    body = json.dumps({"success": False, "error": error}).encode()
    return interpret(action, domain, status, body, CLEAN).kind


@pytest.mark.parametrize("body", [b'{"success": true}', b'{"success": 1, "error": null}', b'{"success":"true"}'])
def test_success_is_done(body: bytes) -> None:
    verdict = interpret(Action.ADD, NAME, 200, body, CLEAN)
    assert verdict.kind is OutcomeKind.DONE
    assert not verdict.again


@pytest.mark.parametrize("action", [Action.ADD, Action.REMOVE])
def test_known_error_text_is_a_refusal(action: Action) -> None:
    assert said(f"Invalid or empty domain: {NAME}", action) is OutcomeKind.REFUSED
    assert said(f"Invalid or empty domain: {NAME}", action, status=400) is OutcomeKind.REFUSED
    assert said("Invalid or empty domain: ", action) is OutcomeKind.REFUSED


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
def test_existing_domain_is_already_added(error: str) -> None:
    assert said(error, Action.ADD) is OutcomeKind.ALREADY
    assert said(error, Action.REMOVE) is not OutcomeKind.ALREADY


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
def test_missing_domain_is_already_removed(error: str) -> None:
    assert said(error, Action.REMOVE) is OutcomeKind.ALREADY
    assert said(error, Action.ADD) is not OutcomeKind.ALREADY


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Action.ADD, "Domain already exists in another application"),
        (Action.ADD, "The domain is already used by someone else"),
        (Action.ADD, "Domain not already verified"),
        (Action.REMOVE, "The application of this domain was not found"),
        (Action.REMOVE, "Page not found"),
        (Action.ADD, "Quota exceeded"),
        (Action.ADD, ""),
        (Action.ADD, "You have no permission to add this domain"),
        (Action.ADD, "Unauthorized domain"),
    ],
)
def test_other_error_text_is_a_failure(action: Action, error: str) -> None:
    assert said(error, action) is OutcomeKind.FAILED


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
def test_error_text_about_the_key_is_a_rejected_key(error: str) -> None:
    assert said(error, Action.ADD) is OutcomeKind.KEY_REJECTED
    assert said(error, Action.REMOVE) is OutcomeKind.KEY_REJECTED


@pytest.mark.parametrize(
    "name", ["invalid-api-key.example.org", "already-exists.example.org", "not-found.domain.example.org"]
)
def test_text_inside_a_domain_is_ignored(name: str) -> None:
    assert said(f"{name.upper()}: quota exceeded", Action.ADD, name) is OutcomeKind.FAILED
    assert said(f"Quota exceeded for {name}", Action.REMOVE, name) is OutcomeKind.FAILED


@pytest.mark.parametrize(
    ("status", "body", "kind", "again"),
    [
        (401, b"", OutcomeKind.KEY_REJECTED, False),
        (403, b"<html>", OutcomeKind.KEY_REJECTED, False),
        (429, b"", OutcomeKind.FAILED, True),
        (408, b"", OutcomeKind.UNCLEAR, True),
        (500, b"", OutcomeKind.UNCLEAR, True),
        (500, b'{"success": true}', OutcomeKind.UNCLEAR, True),
        (503, b"<html>", OutcomeKind.UNCLEAR, True),
        (404, b"<html>", OutcomeKind.FAILED, False),
        (400, b'{"success": true}', OutcomeKind.FAILED, False),
        (302, b'{"success": true}', OutcomeKind.UNCLEAR, False),
        (200, b"", OutcomeKind.UNCLEAR, True),
        (200, b"<html>", OutcomeKind.UNCLEAR, True),
        (200, b"{}", OutcomeKind.UNCLEAR, True),
        (200, b'{"success": "perhaps"}', OutcomeKind.UNCLEAR, True),
        (200, b'{"success": false}', OutcomeKind.FAILED, False),
        (200, b'{"success": false, "error": ["x"]}', OutcomeKind.FAILED, False),
        (500, b'{"success": false, "error": "Invalid or empty domain: x"}', OutcomeKind.REFUSED, False),
        (500, b'{"success": false, "error": "Oops"}', OutcomeKind.UNCLEAR, True),
    ],
)
def test_http_status_decides_outcome_and_retry(status: int, body: bytes, kind: OutcomeKind, again: bool) -> None:
    verdict = interpret(Action.ADD, NAME, status, body, CLEAN)
    assert (verdict.kind, verdict.again) == (kind, again)
    assert verdict.message[0].isupper()
    assert verdict.message.endswith(".")
