"""The common form of all API responses: a JSON object with `success` and `error`."""

from __future__ import annotations

import json

Document = dict[str, object]

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
