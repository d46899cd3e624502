"""Find the one document in whatever `wp` printed.

Plugins, themes and PHP itself may print before and after it. The marks carry a random nonce of this call, the
length and a SHA-256 of the document, so that noise cannot look like it and a cut cannot go unseen.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any


class FrameFault(Enum):
    """Why there is no document."""

    ABSENT = "absent"
    CUT = "cut"
    DAMAGED = "damaged"


class FrameError(Exception):
    """The output holds no whole document. Never carries any of the output: the key may be in it."""

    def __init__(self, fault: FrameFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def extract(output: bytes | bytearray, nonce: str) -> str:
    """Return the text of the document marked with `nonce`, for `parse`.

    Raises FrameError: ABSENT when it never began, CUT when it did not end, DAMAGED when it differs from its digest.
    """
    import hashlib  # noqa: PLC0415 - OpenSSL behind it is loaded while `wp` runs

    begin = f"\n@closte-bridge-begin 1 {nonce}@\n".encode()
    end = f"\n@closte-bridge-end {nonce} ".encode()
    start = output.find(begin)
    if start < 0:
        raise FrameError(FrameFault.ABSENT)
    start += len(begin)
    stop = output.find(end, start)
    close = output.find(b"@\n", stop + len(end)) if stop >= 0 else -1
    if close < 0:
        raise FrameError(FrameFault.CUT)
    body = memoryview(output)[start:stop]
    length, _, digest = output[stop + len(end) : close].partition(b" ")
    if length != str(len(body)).encode() or digest != hashlib.sha256(body).hexdigest().encode():
        raise FrameError(FrameFault.DAMAGED)
    try:
        return str(body, "utf-8")
    except ValueError:
        raise FrameError(FrameFault.DAMAGED) from None


def parse(text: str) -> dict[str, Any]:
    """Return the document. Raises FrameError, DAMAGED, when it is not a JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameError(FrameFault.DAMAGED) from None
    if not isinstance(document, dict):
        raise FrameError(FrameFault.DAMAGED)
    return document
