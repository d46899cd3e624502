"""Closte's responses: the known facts of its API, with texts of the sandbox where Closte's are not known."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from closte_bridge.sandbox.store import Store
    from closte_bridge.secret import Secret

BASE = "/api/client"
Call = Literal["list", "add", "remove", "task"]
CALLS: dict[tuple[str, str], Call] = {
    ("GET", f"{BASE}/getdomains"): "list",
    ("POST", f"{BASE}/adddomainalias"): "add",
    ("POST", f"{BASE}/deletedomainalias"): "remove",
    ("POST", f"{BASE}/gettaskstatus"): "task",
}

Document = dict[str, object]
WRONG_KEY = "Invalid API key."


class Api:
    """The responses to the calls. With `key` None, any key except an empty one is accepted."""

    def __init__(self, store: Store, key: Secret | None) -> None:
        self.store = store
        self._key = key

    def accepts(self, key: str) -> bool:
        """Return whether the key is accepted."""
        if self._key is None:
            return bool(key)
        return hmac.compare_digest(key.encode(), self._key.reveal().encode())

    def respond(self, call: Call, fields: dict[str, str]) -> Document:
        """Carry out a call with a valid key, and return the response."""
        match call:
            case "list":
                return {"success": True, "domains": self.store.names}
            case "task":
                return {"success": True, "task": {"id": fields.get("id", ""), "status": "completed"}}
        domain = fields.get("domain", "")
        work = self.store.add if call == "add" else self.store.remove
        change = work(domain, wildcard=fields.get("wildcard", "") not in {"", "0"})
        if change == "invalid":
            return failure(f"Invalid or empty domain: {domain}")
        error = self.error_of(call) if change == "already" else ""
        return failure(error) if error else {"success": True}

    def error_of(self, call: Call) -> str:
        """Return the error text of a change that was made before."""
        return "Domain already exists." if call == "add" else "Domain not found."


def failure(error: str) -> Document:
    """Return the response to a failed call."""
    return {"success": False, "error": error}
