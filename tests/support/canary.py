"""Search for an API key in output, in files, and in the arguments and environments of processes."""

from __future__ import annotations

import base64
import html
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Contains characters that URL, HTML, JSON, shell and base64 encodings change.
KEY = "Ck9+vQ=canary%41&x~1Zr/8mN-tY_u2W'<pL7>0d"
PIECE = 8


def _base64_forms(secret: bytes) -> Iterable[str]:
    """Yield, for each alignment of `secret`, the part of its base64 text that no text around it can change."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        inner = whole[-(-before * 8 // 6) : -2]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))


def needles(key: str = KEY, size: int = PIECE) -> frozenset[bytes]:
    """Return every piece of the key of `size` characters, in every encoding, that would reveal the key."""
    spellings = {
        key, quote(key, safe=""), quote_plus(key), quote(key), html.escape(key), json.dumps(key)[1:-1],
        key.replace("/", "\\/"), *_base64_forms(key.encode()), key.encode().hex(),
    }  # fmt: skip
    spellings |= {quote(spelling, safe="") for spelling in spellings}
    # Entities and escapes are no part of a key, so a piece must contain other characters.
    common = {piece for word in ("&#x27;&lt;&gt;&amp;", "%25%25%2526%253C") for piece in _pieces(word, size)}
    return frozenset(
        piece.lower().encode() for spelling in spellings for piece in _pieces(spelling, size) if piece not in common
    )


def _pieces(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


NEEDLES = needles()


def found(data: bytes | str, needles: frozenset[bytes] = NEEDLES) -> str:
    """Return the first place in `data` that shows the key, with the text around it; an empty string without one."""
    raw = (data.encode(errors="replace") if isinstance(data, str) else data).lower()
    for needle in needles:
        at = raw.find(needle)
        if at >= 0:
            return f"{needle!r} in {raw[max(0, at - 120) : at + 160]!r}"
    return ""


def found_in_files(folder: Path, *, but: Collection[Path] = (), needles: frozenset[bytes] = NEEDLES) -> str:
    """Return the first file under `folder` that shows the key; an empty string if there is none."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or path in but:
            continue
        if where := found(path.read_bytes(), needles):
            return f"{path.relative_to(folder)}: {where}"
    return ""


class Watcher:
    """Sampler of the arguments and environments of processes whose environment contains `mark`. A context manager."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen: dict[bytes, bytes] = {}

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.004):
            for entry in Path("/proc").iterdir():
                if entry.name.isdecimal():
                    self._look(entry)

    def _look(self, process: Path) -> None:
        try:
            environment = (process / "environ").read_bytes()
            if self._mark in environment:
                self.seen[(process / "cmdline").read_bytes()] = environment
        except OSError:
            pass  # The process has ended, or belongs to another user.

    def leak(self, needles: frozenset[bytes] = NEEDLES) -> str:
        """Return the first place in a process that shows the key; an empty string if there is none."""
        places = (found(part, needles) for process in self.seen.items() for part in process)
        return next((place for place in places if place), "")
