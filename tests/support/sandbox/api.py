"""Responses of the sandbox with replaceable texts and other formats of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from closte_bridge.sandbox import api
from tests.support.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.sandbox.api import Call, Document
    from closte_bridge.sandbox.store import Store
    from closte_bridge.secret import Secret


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


class Api(api.Api):
    """The responses of the sandbox, with `texts`."""

    def __init__(self, store: Store, key: Secret | None, texts: ApiTexts) -> None:
        super().__init__(store, key)
        self.texts = texts

    def error_of(self, call: Call) -> str:
        """Return the error text of a change that was made before; with an empty one, the call succeeds."""
        return self.texts.already if call == "add" else self.texts.missing

    def listing(self, shape: FaultKind | None, thin_out: Callable[[list[str]], list[str]]) -> Document:
        """Return the list in one of its formats; `thin_out` drops a part of the domains."""
        names = self.store.names
        match shape:
            case FaultKind.LIST_PAGED:
                cut = names[: max(1, len(names) // 2)]
                return {"success": True, "domains": cut, "total": len(names), "has_more": len(cut) < len(names)}
            case FaultKind.LIST_SHRUNK:
                names = thin_out(names)
            case FaultKind.LIST_NO_OWN:
                names = [name for name in names if name != self.store.own]
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
