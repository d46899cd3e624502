"""Looks for a key everywhere: in output, in files, in the arguments and environments of processes."""

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

# With everything that some encoding changes: URL, HTML, JSON, shell, base64.
KEY = "Ck9+vQ=canary%41&x~1Zr/8mN-tY_u2W'<pL7>0d"
PIECE = 8


def _base64_forms(secret: bytes) -> Iterable[str]:
    """Yield what is sure to stand in the base64 of any text that holds `secret`, whatever stands before it."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        inner = whole[-(-before * 8 // 6) : -2]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))


def needles(key: str = KEY) -> frozenset[bytes]:
    """Return every piece of the key, in every spelling, that would give it away."""
    spellings = {
        key, quote(key, safe=""), quote_plus(key), quote(key), html.escape(key), json.dumps(key)[1:-1],
        key.replace("/", "\\/"), *_base64_forms(key.encode()), key.encode().hex(),
    }  # fmt: skip
    spellings |= {quote(spelling, safe="") for spelling in spellings}
    # An entity or an escape is no part of a key: a piece must hold something else.
    common = {piece for word in ("&#x27;&lt;&gt;&amp;", "%25%25%2526%253C") for piece in _pieces(word)}
    return frozenset(
        piece.lower().encode() for spelling in spellings for piece in _pieces(spelling) if piece not in common
    )


def _pieces(text: str) -> set[str]:
    return {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)}


NEEDLES = needles()


def found(data: bytes | str) -> str:
    """Return where the key shows in `data`, with what stands around it, or an empty string."""
    raw = (data.encode(errors="replace") if isinstance(data, str) else data).lower()
    for needle in NEEDLES:
        at = raw.find(needle)
        if at >= 0:
            return f"{needle!r} in {raw[max(0, at - 120) : at + 160]!r}"
    return ""


def found_in_files(folder: Path, *, but: Collection[Path] = ()) -> str:
    """Return the first file under `folder` in which the key shows, or an empty string."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path not in but and (where := found(path.read_bytes())):
            return f"{path.relative_to(folder)}: {where}"
    return ""


class Watcher:
    """Samples the arguments and the environment of all processes whose environment holds `mark`. A context manager."""

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
            pass  # it has ended, or belongs to somebody else

    def leak(self) -> str:
        """Return the first process that shows the key, or an empty string."""
        places = (found(part) for process in self.seen.items() for part in process)
        return next((place for place in places if place), "")
