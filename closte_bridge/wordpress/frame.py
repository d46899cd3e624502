"""Extract the framed JSON document from `wp` output.

Plugins, themes and PHP itself may print before and after the document. Its frame carries a random nonce of this call,
the length and the SHA-256 of the document, so that no other output passes for it and truncation is detected.
"""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from typing import Any


class FrameFault(Enum):
    """Why there is no document."""

    ABSENT = "absent"
    CUT = "cut"
    DAMAGED = "damaged"


class FrameError(Exception):
    """The output contains no complete document. Never carries any output, which may contain the key."""

    def __init__(self, fault: FrameFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def extract(output: bytes | bytearray, nonce: str) -> str:
    """Return the text of the document in the frame with `nonce`, for `parse`.

    Raises FrameError: ABSENT if it never began, CUT if it did not end, DAMAGED if it does not match its digest.
    """
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
    """Return the document. Raises FrameError (DAMAGED) if it is not a JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameError(FrameFault.DAMAGED) from None
    if not isinstance(document, dict):
        raise FrameError(FrameFault.DAMAGED)
    return document
