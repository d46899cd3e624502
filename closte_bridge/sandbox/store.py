"""The aliases of the sandbox, in a file that is complete at any time."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING, Literal

from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Change = Literal["done", "already", "invalid"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:\*\.)?(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


class Store:
    """The aliases of one application, always including the application's own domain. Thread-safe.

    With a `path`, every change is written to the file before it is confirmed. The file is replaced as a whole, so that
    `kill -9` leaves the old or the new file. Raises BridgeError if the file cannot be read.
    """

    def __init__(self, app_domain: str, path: Path | None = None) -> None:
        self._own = app_domain.lower()
        self._path = path
        self._lock = threading.Lock()
        self._names: dict[str, None] = {}
        self._set(self._load())

    @property
    def own(self) -> str:
        """The application's own domain."""
        return self._own

    @property
    def names(self) -> list[str]:
        """The aliases in the order of their addition."""
        with self._lock:
            return list(self._names)

    def replace(self, names: Iterable[str]) -> None:
        """Replace all aliases; the own domain stays."""
        with self._lock:
            self._set(names)
            self._save()

    def add(self, domain: str, *, wildcard: bool) -> Change:
        """Add an alias with Closte's rules."""
        name = self._checked(domain, wildcard=wildcard)
        if name is None:
            return "invalid"
        with self._lock:
            if name in self._names:
                return "already"
            self._names[name] = None
            self._save()
        return "done"

    def remove(self, domain: str, *, wildcard: bool) -> Change:
        """Remove an alias with Closte's rules."""
        name = self._checked(domain, wildcard=wildcard)
        if name is None or name == self._own:
            return "invalid"
        with self._lock:
            if name not in self._names:
                return "already"
            del self._names[name]
            self._save()
        return "done"

    def _checked(self, domain: str, *, wildcard: bool) -> str | None:
        """Return the normalised domain, or None if Closte calls it invalid. Closte's own domains are invalid."""
        name = domain.lower()
        internal = name.removeprefix("*.") == "closte.com" or name.endswith(".closte.com")
        if not _NAME.fullmatch(name) or (internal and name != self._own) or wildcard != name.startswith("*."):
            return None
        return name

    def _set(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys([self._own, *(name.lower() for name in names)])

    def _load(self) -> list[str]:
        if self._path is None or not self._path.exists():
            return []
        try:
            document = json.loads(self._path.read_bytes())
            names = document["aliases"]
            if not all(isinstance(name, str) for name in names):
                raise TypeError
        except (OSError, ValueError, KeyError, TypeError):
            raise BridgeError(
                f'The file "{self._path}" is not the state file of a sandbox.',
                code="sandbox-state",
                hint="Use another file, or remove this file.",
            ) from None
        return list(names)

    def _save(self) -> None:
        if self._path is None:
            return
        document = json.dumps({"app_domain": self._own, "aliases": list(self._names)})
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.write_text(document + "\n", encoding="utf-8")
        os.replace(fresh, self._path)  # noqa: PTH105 - atomic
