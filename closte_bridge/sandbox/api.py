"""Closte's responses: the known facts of its API, with texts of the sandbox where Closte's are not known."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from closte_bridge.sandbox.faults import Call, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.sandbox.store import Change, Store
    from closte_bridge.secret import Secret

BASE = "/api/client"
CALLS: dict[tuple[str, str], Call] = {
    ("GET", f"{BASE}/getdomains"): "list",
    ("POST", f"{BASE}/adddomainalias"): "add",
    ("POST", f"{BASE}/deletedomainalias"): "remove",
    ("POST", f"{BASE}/gettaskstatus"): "task",
}

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class ApiTexts:
    """Texts that are not known from Closte and can be replaced.

    With an empty `already` or `missing`, the call succeeds. `wrong_key_status` is the HTTP status for `wrong_key`.
    """

    wrong_key: str = "Invalid API key."
    wrong_key_status: int = 200
    already: str = "Domain already exists."
    missing: str = "Domain not found."
    unknown: str = "The operation could not be completed."


class Api:
    """The responses to calls with a checked key. With `key` None, any key except an empty one is accepted."""

    def __init__(self, store: Store, key: Secret | None, texts: ApiTexts) -> None:
        self._store = store
        self._key = key
        self.texts = texts

    def accepts(self, key: str) -> bool:
        """Return whether the key is accepted."""
        if self._key is None:
            return bool(key)
        return hmac.compare_digest(key.encode(), self._key.reveal().encode())

    def change(self, call: Call, domain: str, wildcard: str) -> Document:
        """Add or remove an alias, and return the response."""
        work = self._store.add if call == "add" else self._store.remove
        change: Change = work(domain, wildcard=wildcard not in ("", "0"))
        if change == "invalid":
            return failure(f"Invalid or empty domain: {domain}")
        error = self.texts.already if call == "add" else self.texts.missing
        return failure(error) if change == "already" and error else {"success": True}

    def listing(self, shape: FaultKind | None, thin_out: Callable[[list[str]], list[str]]) -> Document:
        """Return the list in one of its formats; `thin_out` drops a part of the domains."""
        names = self._store.names
        match shape:
            case FaultKind.LIST_PAGED:
                cut = names[: max(1, len(names) // 2)]
                return {"success": True, "domains": cut, "total": len(names), "has_more": len(cut) < len(names)}
            case FaultKind.LIST_SHRUNK:
                names = thin_out(names)
            case FaultKind.LIST_NO_OWN:
                names = [name for name in names if name != self._store.own]
            case FaultKind.LIST_EMPTY:
                names = []
        return {"success": True, "domains": _shaped(names, shape)}


def _shaped(names: list[str], shape: FaultKind | None) -> object:
    objects = [{"domain": name.removeprefix("*."), "wildcard": name.startswith("*.")} for name in names]
    match shape:
        case FaultKind.LIST_OBJECTS:
            return objects
        case FaultKind.LIST_DICT:
            return {name: {"id": at} for at, name in enumerate(names)}
        case FaultKind.LIST_NESTED:
            return {"data": objects, "total": len(names)}
        case FaultKind.LIST_UNKNOWN:
            return [[at, len(name)] for at, name in enumerate(names)]
    return names


def failure(error: str) -> Document:
    """Return the response to a failed call."""
    return {"success": False, "error": error}
