"""Sanitize server messages: one short line, no control characters, nothing of a message that contains the API key."""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.secret import Secret

LIMIT = 200
HIDDEN = "(not shown: it contains the API key)"

_PIECE = 8
"""This many consecutive characters of the key reveal it."""

_LONGEST = 4096
"""Characters of a message that are read. The rest is dropped: only `LIMIT` characters can be shown anyway."""

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.IGNORECASE)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class Redactor:
    """A callable that makes a server's text safe to show, for one key.

    It returns at most `LIMIT` characters, and `HIDDEN` for a text with the key or at least eight consecutive characters
    of it: plain, URL-encoded, hexadecimal, in base64, or escaped for HTML or JSON.
    """

    __slots__ = ("_pieces",)

    def __init__(self, key: Secret | None = None) -> None:
        plain = key.reveal() if key is not None else ""
        self._pieces = {piece for form in _spellings(plain) for piece in _split(form.lower())}

    def __call__(self, text: str) -> str:
        """Return `text` in a form that is safe to show."""
        line = _one_line(text[:_LONGEST])
        if any(piece in form for form in _readings(line) for piece in self._pieces):
            return HIDDEN
        return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"


def _spellings(plain: str) -> Iterator[str]:
    """Yield the forms in which a server may repeat the key, except those that `_readings` decodes."""
    raw = plain.encode()
    yield from (plain, quote(plain, safe=""), raw.hex())
    for before in range(3):
        # The bytes around the key change the first and the last group of four characters.
        encoded = b64encode(b"\0" * before + raw)[4 if before else 0 : -4].decode()
        yield from (encoded, encoded.replace("+", "-").replace("/", "_"))


def _split(form: str) -> Iterator[str]:
    size = min(_PIECE, len(form))
    return (form[at : at + size] for at in range(len(form) - size + 1) if size)


def _readings(line: str) -> set[str]:
    """Return the line as it is and decoded, in lower case."""
    unquoted, unescaped = unquote(line), _unescaped(line)
    decoded = (unquoted, unquote(unquoted), unquote_plus(line), html.unescape(line), unescaped, _unescaped(unescaped))
    return {form.lower() for form in (line, *decoded)}


def _unescaped(text: str) -> str:
    """Return `text` without the escapes of a JSON string that can hide a key."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _one_line(text: str) -> str:
    # Whitespace first: a line break is also a control character, but separates words.
    spaced = " ".join(_TERMINAL.sub("", text).split())
    return "".join(character for character in spaced if unicodedata.category(character) not in _INVISIBLE)
