"""What every answer of the API has in common: a JSON object with `success` and `error`."""

from __future__ import annotations

import json

Document = dict[str, object]

MOST_PARTS = 2_000_000
"""200,000 aliases with ten fields each."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def decode(body: bytes) -> Document | None:
    """Return the JSON object that `body` holds, or None for anything else.

    Deep nesting, absurd numbers, a wrong character set and a cut-off document all count as "anything else", and so
    does one of millions of parts: as objects of Python it would take forty times its size.
    """
    if body.count(b",") > MOST_PARTS:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def truth(value: object) -> bool | None:
    """Read a flag as the API may write it (`true`, `1`, `"1"`, `"yes"`); None when it is not a flag."""
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
    """Return what `success` says; None when it is missing or no flag, which is no answer at all."""
    return truth(document["success"]) if document.get("success") not in (None, "") else None


def error_text(document: Document) -> str:
    """Return the words of `error` as they came, or an empty string."""
    error = document.get("error")
    return error if isinstance(error, str) else ""
