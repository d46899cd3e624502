"""Decode the API's responses, and interpret those to changes.

Only two responses of the API are known: `success` is true, and `Invalid or empty domain: …`. Any other text is a hint
only: it can mean "already done" or "the key is invalid" instead of a plain error, and nothing more.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from closte_bridge.hosting import Action, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, object]
"""Common form of all responses: a JSON object with `success` and `error`."""

INVALID_DOMAIN = "Invalid or empty domain:"
"""Start of Closte's error for an empty, malformed, internal or own domain. The domain follows."""

MOST_PARTS = 2_000_000
"""Enough for 200,000 aliases with ten fields each."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def decode(body: bytes) -> Document | None:
    """Return the JSON object in `body`, or None if `body` is anything else.

    The result is also None for deep nesting, huge numbers, a wrong character set and a truncated document, and for a
    document with millions of parts: as Python objects, it would take forty times its size.
    """
    if body.count(b",") > MOST_PARTS:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def truth(value: object) -> bool | None:
    """Return the value of a flag (`true`, `1`, `"1"`, `"yes"`), or None if `value` is not a flag."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        text = str(value).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
    return None


def succeeded(document: Document) -> bool | None:
    """Return the flag `success`, or None if it is missing or not a flag."""
    return truth(document["success"]) if document.get("success") not in (None, "") else None


def error_text(document: Document) -> str:
    """Return the text of `error` as received, or an empty string."""
    error = document.get("error")
    return error if isinstance(error, str) else ""


@dataclass(frozen=True, slots=True)
class ResponseVerdict:
    """The meaning of one response. `again`: a repeat may help."""

    kind: OutcomeKind
    message: str
    again: bool = False


_KEY = r"(?:api|client|access)[ _-]?(?:key|token)|\bapikey|\b(?:key|credentials?|token)\b"
_BAD = (
    r"\b(?:invalid|wrong|unknown|missing|incorrect|bad|expired|revoked|disabled|empty|required|no such"
    r"|rejected|not (?:valid|found|recogni[sz]ed|accepted|exist|active)|does(?: not|n't) exist)\b"
)
_KEY_REJECTED = re.compile(
    rf"(?:{_KEY})[^.;]{{0,30}}{_BAD}|{_BAD}[^.;]{{0,15}}(?:{_KEY})"
    r"|\bunauthori[sz]ed\b(?! domain)|\bunauthenticated\b|\bauthentication (?:failed|required|error)",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    r"(?<!not )\balready (?:been )?(?:exist(?:s|ed|ing)?|added|present|there)\b|\bexists already\b"
    r"|\bduplicate (?:domain|alias|entry)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"\b(?:another|other|different|someone|elsewhere|else)\b", re.IGNORECASE)
_ABSENT = re.compile(
    r"\b(?:domains?|alias(?:es)?|host ?names?)\b[^.;]{0,40}?\b(?:not found|(?:does|did|do) ?(?:not|n't) exist"
    r"|not exist(?:s|ing)?|not present|not added|already (?:been )?(?:deleted|removed))"
    r"|\b(?:no such|unknown) (?:domain|alias)",
    re.IGNORECASE,
)
_OTHER_THING = re.compile(
    r"\b(?:app|application|account|user|client|site|server|zone|dns|record|certificate)\b", re.IGNORECASE
)


def interpret(action: Action, domain: str, status: int, body: bytes, clean: Callable[[str], str]) -> ResponseVerdict:
    """Return the meaning of an HTTP response to a change.

    `status` and `body` belong to the response; `clean` makes the server's text safe to show.
    """
    document = decode(body)
    if document is not None and succeeded(document) is False:
        verdict = _by_text(action, domain, document, clean)
        if verdict is not None:
            return verdict
    return _by_status(status, document, clean)


def _by_text(action: Action, domain: str, document: Document, clean: Callable[[str], str]) -> ResponseVerdict | None:
    """Classify a response by the text of `error`; return None if the text is unknown."""
    error = error_text(document)
    message = f'Closte answered "{clean(error)}".'
    if error.strip().lower().startswith(INVALID_DOMAIN.lower()):
        return ResponseVerdict(OutcomeKind.REFUSED, message)
    # The domain itself may contain such words: "api-key-missing.example.com".
    text = re.sub(re.escape(domain), "domain", error, flags=re.IGNORECASE) if domain else error
    if _KEY_REJECTED.search(text):
        return ResponseVerdict(OutcomeKind.KEY_REJECTED, message)
    if action is Action.ADD and _PRESENT.search(text) and not _ELSEWHERE.search(text):
        return ResponseVerdict(OutcomeKind.ALREADY, message)
    if action is Action.REMOVE and (absent := _ABSENT.search(text)):
        # "Domain not found" differs from "The application of this domain was not found".
        if _OTHER_THING.search(text, 0, absent.end()):
            return None
        return ResponseVerdict(OutcomeKind.ALREADY, message)
    return None


def _by_status(status: int, document: Document | None, clean: Callable[[str], str]) -> ResponseVerdict:
    text = clean(error_text(document)) if document is not None else ""
    detail = f' Its message: "{text}".' if text else ""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ResponseVerdict(OutcomeKind.KEY_REJECTED, f"Closte refused access (HTTP {status}).{detail}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"Closte's rate limit was exceeded (HTTP {status}).{detail}"
        return ResponseVerdict(OutcomeKind.FAILED, message, again=True)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        message = f"Closte had an internal error (HTTP {status}).{detail}"
        return ResponseVerdict(OutcomeKind.UNCLEAR, message, again=True)
    if status >= HTTPStatus.BAD_REQUEST:
        return ResponseVerdict(OutcomeKind.FAILED, f"Closte refused the request (HTTP {status}).{detail}")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        message = f"Closte returned a redirect (HTTP {status}); redirects are not followed.{detail}"
        return ResponseVerdict(OutcomeKind.UNCLEAR, message)
    success = succeeded(document) if document is not None else None
    if success is None:
        return ResponseVerdict(OutcomeKind.UNCLEAR, "Closte returned an unexpected response.", again=True)
    if success:
        return ResponseVerdict(OutcomeKind.DONE, "Closte confirmed the change.")
    message = f'Closte answered "{text}".' if text else "Closte returned an unspecified error."
    return ResponseVerdict(OutcomeKind.FAILED, message)
