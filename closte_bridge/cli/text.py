"""Text that is safe to show: nothing in it that a terminal acts on, or that cannot be encoded."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL; marks that change the direction of text or cannot be seen; line separators that only
# some programs know; halves of surrogate pairs.
_HARMFUL = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_HARMFUL}]")
_IN_CELL = re.compile(f"[\\t\\n{_HARMFUL}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - how Python keeps a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte


def clean(text: str) -> str:
    """Return `text` with every harmful character shown as an escape (`\\x1b`); line feeds and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def clean_cell(text: str) -> str:
    """Return `text` like `clean` does, on one line and without tabs."""
    return _IN_CELL.sub(_escape, text)


def encodable(text: str) -> str:
    """Return `text` with each half of a surrogate pair replaced by U+FFFD: any UTF-8 encoder takes it."""
    return _SURROGATE.sub("\ufffd", text)
