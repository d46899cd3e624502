"""What an answer to an add or a delete means.

Only two texts of the API are known: `success` is true, and `Invalid or empty domain: …`. All other words are
read as hints: they tell "already so" and "the key is wrong" from a plain no, but never more than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from closte_bridge.closte.answer import Document, decode, error_text, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

Action = Literal["add", "remove"]

INVALID_DOMAIN = "Invalid or empty domain:"
"""How Closte starts the sentence for an empty, malformed, internal or own domain; the domain follows."""


class OutcomeKind(Enum):
    """How a change ended."""

    DONE = "done"
    ALREADY = "already"
    """By the words of the answer it was so before. A second signal only: the list is the first."""
    REFUSED = "refused"
    """A no that will stay one."""
    FAILED = "failed"
    """It did not happen: a no in words that are not known, or the request never reached Closte."""
    UNCLEAR = "unclear"
    """It may have happened or not."""
    KEY_REJECTED = "key-rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one change, after its retries.

    `message` is a sentence that is safe to show. `attempts` counts the requests that were made; 0 means that
    nothing was sent. `retry_after` is in seconds, when Closte asked for a pause that was not waited for.
    `in_doubt` goes with a rejected key: an earlier attempt may have made the change.
    """

    kind: OutcomeKind
    message: str
    attempts: int = 1
    retry_after: float | None = None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class ResponseVerdict:
    """What one answer means; `again` says whether asking again may help."""

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
_THERE = re.compile(
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
    """Return what an HTTP answer to a change means.

    `status` and `body` are those of the answer, `clean` makes the server's words safe to show.
    """
    document = decode(body)
    if document is not None and succeeded(document) is False:
        verdict = _by_words(action, domain, document, clean)
        if verdict is not None:
            return verdict
    return _by_status(status, document, clean)


def _by_words(action: Action, domain: str, document: Document, clean: Callable[[str], str]) -> ResponseVerdict | None:
    """Judge by the words of `error`; None when they are not known."""
    error = error_text(document)
    message = f'Closte answered "{clean(error)}".'
    if error.strip().lower().startswith(INVALID_DOMAIN.lower()):
        return ResponseVerdict(OutcomeKind.REFUSED, message)
    # The name itself may be made of such words: "api-key-missing.example.com".
    words = re.sub(re.escape(domain), "domain", error, flags=re.IGNORECASE) if domain else error
    if _KEY_REJECTED.search(words):
        return ResponseVerdict(OutcomeKind.KEY_REJECTED, message)
    if action == "add" and _THERE.search(words) and not _ELSEWHERE.search(words):
        return ResponseVerdict(OutcomeKind.ALREADY, message)
    if action == "remove" and (absent := _ABSENT.search(words)):
        # "Domain not found" is one thing, "The application of this domain was not found" another.
        if _OTHER_THING.search(words, 0, absent.end()):
            return None
        return ResponseVerdict(OutcomeKind.ALREADY, message)
    return None


def _by_status(status: int, document: Document | None, clean: Callable[[str], str]) -> ResponseVerdict:
    words = clean(error_text(document)) if document is not None else ""
    said = f' It said "{words}".' if words else ""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ResponseVerdict(OutcomeKind.KEY_REJECTED, f"Closte refused access (HTTP {status}).{said}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ResponseVerdict(
            OutcomeKind.FAILED, f"Closte asked for fewer requests (HTTP {status}).{said}", again=True
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return ResponseVerdict(OutcomeKind.UNCLEAR, f"Closte had an internal error (HTTP {status}).{said}", again=True)
    if status >= HTTPStatus.BAD_REQUEST:
        return ResponseVerdict(OutcomeKind.FAILED, f"Closte refused the request (HTTP {status}).{said}")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return ResponseVerdict(
            OutcomeKind.UNCLEAR, f"Closte answered with a redirect (HTTP {status}), which is not followed.{said}"
        )
    success = succeeded(document) if document is not None else None
    if success is None:
        return ResponseVerdict(OutcomeKind.UNCLEAR, "Closte's answer could not be understood.", again=True)
    if success:
        return ResponseVerdict(OutcomeKind.DONE, "Closte confirmed it.")
    return ResponseVerdict(
        OutcomeKind.FAILED, f'Closte answered "{words}".' if words else "Closte answered with an unnamed error."
    )
