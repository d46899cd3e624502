"""Make text safe to show: without control characters, and encodable."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# C0 and C1 controls, DEL; invisible and text direction characters; line separators that not all programs know; lone
# surrogates.
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
    """Return `text` with harmful characters escaped (`\\x1b`); line feeds and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def clean_cell(text: str) -> str:
    """Return `text` like `clean`, but with line feeds and tabs escaped, too."""
    return _IN_CELL.sub(_escape, text)


def encodable(text: str) -> str:
    """Return `text` with lone surrogates replaced by U+FFFD, so that it can be encoded in UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def when(moment: float | None) -> str | None:
    """Return a moment, in seconds since the epoch, in ISO 8601 and UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
