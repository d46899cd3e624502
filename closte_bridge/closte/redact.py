"""Make words that came from a server safe to show: short, one line, without control characters or the key."""

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
"""So many consecutive characters of the key give it away."""

_LOOKED_AT = 4096
"""More of a message than this is dropped unread: only `LIMIT` characters of it can be shown anyway."""

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.IGNORECASE)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class Redactor:
    """A function that makes a server's words safe to show, for one key.

    Call it with the words; it returns at most `LIMIT` characters. The key, its URL-encoded, hexadecimal and base64
    forms and every piece of at least eight consecutive characters of them become `<secret>`. Where the key shows only
    after decoding, nothing of the message is shown.
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
        # Of the line as it came: taking out a piece of the key would cut up the rest of it.
        once = _unescaped(line)
        hidden += [form for form in (once, _unescaped(once)) if form != line]
        if any(any(self._marks(form)) for form in hidden):
            return HIDDEN
        return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"

    def _marks(self, text: str) -> list[bool]:
        """Return, for each character of `text`, whether it belongs to a piece of the key."""
        lowered = _lower(text)
        meta = [False] * len(text)
        for size, pieces in self._pieces.items():
            for at in range(len(text) - size + 1):
                if lowered[at : at + size] in pieces:
                    meta[at : at + size] = [True] * size
        return meta

    def _redact(self, text: str) -> str:
        meta = self._marks(text)
        if not any(meta):
            return text
        parts: list[str] = []
        for at, character in enumerate(text):
            if not meta[at]:
                parts.append(character)
            elif at == 0 or not meta[at - 1]:
                parts.append(_REDACTED)
        return "".join(parts)


def _spellings(plain: str) -> set[str]:
    """Return the forms in which a server may repeat the key."""
    raw = plain.encode()
    forms = {plain, quote(plain, safe=""), quote_plus(plain), raw.hex()}
    for before in range(3):
        # What stands before the key in the encoded text shifts it by 0, 2 or 4 bits; the characters at both ends are
        # shared with the neighbours.
        encoded = b64encode(b"\0" * before + raw).decode().rstrip("=")
        inner = encoded[-(-before * 8 // 6) : -1]
        forms |= {inner, inner.translate(_URL_SAFE)}
    return forms - {""}


def _unescaped(text: str) -> str:
    """Return `text` as it was before it became a string in JSON, as far as a key can tell."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _one_line(text: str) -> str:
    # Whitespace first: a line break is a control character too, but it separates words.
    spaced = " ".join(_TERMINAL.sub("", text).split())
    return "".join(character for character in spaced if unicodedata.category(character) not in _HIDDEN)


def _lower(text: str) -> str:
    """Lower-case `text` without ever changing its length, so that positions stay true."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)
