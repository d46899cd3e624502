"""The shape of an answer: its structure and types, never a value. Pure.

Closte's API is not documented. Shapes show what it answers to real applications, and contain nothing of them.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A key of an object that may be a name in the protocol. Other keys may be values, such as domains.
_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,23}")
_MOST_NAMES, _MOST_SHAPES, _DEEPEST = 40, 5, 8
_DOMAIN = re.compile(r"(?:[\w*-]+\.)+[A-Za-z][\w-]+\.?")
_LIKE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("empty", re.compile(r"\s*")),
    ("number", re.compile(r"-?\d+(?:\.\d+)?")),
    ("time", re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")),
    ("URL", re.compile(r"\w+://\S*")),
    ("domain", _DOMAIN),
    ("e-mail", re.compile(r"\S+@\S+")),
    ("word", re.compile(r"\S+")),
)


def shape_of(body: bytes, is_safe: Callable[[str], bool] = lambda _: True) -> dict[str, Any]:
    """Return the shape of a body as plain values for JSON.

    `is_safe` returns whether the name of a key may be shown; other names become `*`.
    """
    if not body.strip():
        return {"type": "empty"}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = body[:200].lstrip().lower()
        return {"type": "HTML" if text.startswith((b"<!doctype", b"<html")) else "text"}
    return _shape(value, is_safe, 0)


def _shape(value: object, is_safe: Callable[[str], bool], depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        return {"type": "deeper"}
    match value:
        case None | bool():
            return {"type": "null" if value is None else "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string", "like": _like(value)}
        case list():
            return {"type": "array", "items": _several(_shape(v, is_safe, depth + 1) for v in value)}
        case dict():
            names = len(value) <= _MOST_NAMES and all(_NAME.fullmatch(key) and is_safe(key) for key in value)
            shapes = {key: _shape(v, is_safe, depth + 1) for key, v in value.items()}
            return {"type": "object", "keys": shapes if names else {"*": _several(shapes.values())}}
    return {"type": "unknown"}


def _like(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return next((name for name, pattern in _LIKE if pattern.fullmatch(text)), "text")
    return "address"


def _several(shapes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the different shapes, at most five."""
    found: dict[str, dict[str, Any]] = {}
    for shape in shapes:
        found.setdefault(json.dumps(shape, sort_keys=True), shape)
        if len(found) >= _MOST_SHAPES:
            break
    return [*found.values()]
