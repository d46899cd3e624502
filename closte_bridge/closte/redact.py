"""Sanitize server messages: one short line, no control characters, API key redacted."""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, unquote_plus

if TYPE_CHECKING:
    from closte_bridge.secret import Secret

LIMIT = 200
HIDDEN = "(not shown: it holds the API key)"

_REDACTED = "<secret>"
_URL_SAFE = str.maketrans("+/", "-_")
_PIECE = 8
"""This many consecutive characters of the key reveal it."""

_LOOKED_AT = 4096
"""Characters of a message that are read. The rest is dropped: only `LIMIT` characters can be shown anyway."""

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.IGNORECASE)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class Redactor:
    """A callable that makes a server's text safe to show, for one key.

    It returns at most `LIMIT` characters. `<secret>` replaces the key, its URL-encoded, hexadecimal and base64 forms,
    and every piece of at least eight consecutive characters of them. If the key appears only after decoding, nothing
    of the message is shown.
    """

    __slots__ = ("_pieces",)

    def __init__(self, key: Secret | None = None) -> None:
        self._pieces: dict[int, set[str]] = {}
        plain = key.reveal() if key is not None else ""
        for form in _spellings(plain) if plain else ():
            lowered = _lower(form)
            size = min(_PIECE, len(lowered))
            pieces = (lowered[at : at + size] for at in range(len(lowered) - size + 1))
            self._pieces.setdefault(size, set()).update(pieces)

    def __call__(self, text: str) -> str:
        """Return `text` in a form that is safe to show."""
        line = _one_line(text[:_LOOKED_AT])
        shown = self._redact(line)
        decoded = (unquote(shown), unquote_plus(shown), unquote(unquote(shown)), html.unescape(shown))
        hidden = [form for form in decoded if form != shown]
        # Unescape the original line: redacting a piece of the key would split the rest of the key.
        once = _unescaped(line)
        hidden += [form for form in (once, _unescaped(once)) if form != line]
        if any(any(self._marks(form)) for form in hidden):
            return HIDDEN
        return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"

    def _marks(self, text: str) -> list[bool]:
        """Return for each character of `text` whether it belongs to a piece of the key."""
        lowered = _lower(text)
        hidden = [False] * len(text)
        for size, pieces in self._pieces.items():
            for at in range(len(text) - size + 1):
                if lowered[at : at + size] in pieces:
                    hidden[at : at + size] = [True] * size
        return hidden

    def _redact(self, text: str) -> str:
        hidden = self._marks(text)
        if not any(hidden):
            return text
        parts: list[str] = []
        for at, character in enumerate(text):
            if not hidden[at]:
                parts.append(character)
            elif at == 0 or not hidden[at - 1]:
                parts.append(_REDACTED)
        return "".join(parts)


def _spellings(plain: str) -> set[str]:
    """Return the forms in which a server may repeat the key."""
    raw = plain.encode()
    forms = {plain, quote(plain, safe=""), quote_plus(plain), raw.hex()}
    for before in range(3):
        # The bytes before the key shift its base64 form by 0, 2 or 4 bits. The characters at both ends also depend on
        # the neighbouring bytes.
        encoded = b64encode(b"\0" * before + raw).decode().rstrip("=")
        inner = encoded[-(-before * 8 // 6) : -1]
        forms |= {inner, inner.translate(_URL_SAFE)}
    return forms - {""}


def _unescaped(text: str) -> str:
    """Return `text` without the escapes of a JSON string that can hide a key."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _one_line(text: str) -> str:
    # Whitespace first: a line break is also a control character, but separates words.
    spaced = " ".join(_TERMINAL.sub("", text).split())
    return "".join(character for character in spaced if unicodedata.category(character) not in _HIDDEN)


def _lower(text: str) -> str:
    """Return `text` in lower case and with the same length, so that positions stay valid."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)
