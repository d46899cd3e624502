"""Client of a sandbox, and single changes through its public entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.closte.client import ClosteClient
from closte_bridge.hosting import Action
from closte_bridge.secret import Secret

if TYPE_CHECKING:
    from closte_bridge.hosting import HostingApi, Outcome
    from tests.support.sandbox.server import Sandbox

KEY = Secret("Canary-3f9a77c1d2e4")
NAME = "shop.example.org"


def client(sandbox: Sandbox, **options: object) -> ClosteClient:
    """Return a client without pauses between requests and attempts."""
    settings: dict[str, object] = {"rate_limit": 10_000.0, "sleep": lambda _: None, **options}
    return ClosteClient(sandbox.url, KEY, **settings)  # type: ignore[arg-type]  # the options have different types


def add(api: HostingApi, name: str) -> Outcome:
    """Add one alias and return the outcome."""
    return _one(api, Action.ADD, name)


def remove(api: HostingApi, name: str) -> Outcome:
    """Remove one alias and return the outcome."""
    return _one(api, Action.REMOVE, name)


def _one(api: HostingApi, action: Action, name: str) -> Outcome:
    outcomes: list[Outcome] = []
    api.run([(action, name)], lambda _, __, outcome: outcomes.append(outcome))
    (outcome,) = outcomes
    return outcome
