"""What Closte would answer: the known facts of its API, with words of our own where Closte's are not known."""

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
    """Texts that Closte is not known to use, so that others can be tried.

    An empty `already` or `missing` makes the call a success. `wrong_key_status` is the HTTP status that goes
    with `wrong_key`.
    """

    wrong_key: str = "Invalid API key."
    wrong_key_status: int = 200
    already: str = "Domain already exists."
    missing: str = "Domain not found."
    unknown: str = "The operation could not be completed."


class Api:
    """The answers to calls whose key has been looked at. `key` None takes any key but an empty one."""

    def __init__(self, store: Store, key: Secret | None, words: ApiTexts) -> None:
        self._store = store
        self._key = key
        self.words = words

    def takes(self, key: str) -> bool:
        """Tell whether this is the key."""
        if self._key is None:
            return bool(key)
        return hmac.compare_digest(key.encode(), self._key.reveal().encode())

    def change(self, call: Call, domain: str, wildcard: str) -> Document:
        """Add or remove an alias, and return the answer."""
        work = self._store.add if call == "add" else self._store.remove
        change: Change = work(domain, wildcard=wildcard not in ("", "0"))
        if change == "invalid":
            return failure(f"Invalid or empty domain: {domain}")
        words = self.words.already if call == "add" else self.words.missing
        return failure(words) if change == "already" and words else {"success": True}

    def listing(self, shape: FaultKind | None, thin_out: Callable[[list[str]], list[str]]) -> Document:
        """Return the list in one of its shapes; `thin_out` drops a part of the names."""
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


def failure(words: str) -> Document:
    """Return the answer of a call that failed."""
    return {"success": False, "error": words}
