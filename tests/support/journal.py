"""Checks of the ledger and its log against the journal of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.fake_world import FOREIGN
from tests.support.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.fake_world import World
    from tests.support.sandbox.request_log import RecordedRequest as Asked

# Faults that answer without doing the requested work.
_IDLE = frozenset(
    kind.value
    for kind in (
        FaultKind.ERROR_500, FaultKind.TOO_MANY, FaultKind.UNAVAILABLE, FaultKind.RESET, FaultKind.GARBAGE,
        FaultKind.EMPTY, FaultKind.REDIRECT, FaultKind.UNKNOWN_ERROR, FaultKind.LIST_HIDDEN, FaultKind.HUGE,
    )
)  # fmt: skip


def worked(request: Asked) -> bool:
    """Return whether the sandbox carried out a request, even if its answer was lost."""
    return request.key_ok and request.fault not in _IDLE


def carried_out(requests: Iterable[Asked], call: str) -> set[str]:
    """Return the domains for which `add` or `remove` was carried out."""
    return {request.domain for request in requests if request.call == call and worked(request)}


def asked(requests: Iterable[Asked], call: str) -> set[str]:
    """Return the domains of all requests for a call, without requests that a kill cut off before the key."""
    return {request.domain for request in requests if request.call == call and request.key_ok}


def assert_books_agree(world: World, *, unsure: Iterable[str] = (), context: object = "") -> None:
    """Compare the ledger and its log with the journal.

    `unsure` are domains that were added while the list was unreliable. Nothing shows whether they are managed, so the
    ledger may or may not contain them.
    """
    added, removed = (carried_out(world.sandbox.requests, call) for call in ("add", "remove"))
    log = world.logged()
    for action, name, outcome in log:
        if action in {"add", "remove"} and outcome in {"done", "already"}:
            assert name in (added if action == "add" else removed), (context, action, name)
    seen = {name for action, name, outcome in log if action in {"add", "confirm"} and outcome in {"done", "already"}}
    assert added - set(unsure) <= seen, context
    gone = {name for action, name, outcome in log if action == "remove" and outcome in {"done", "already"}}
    assert removed - set(unsure) <= gone | added, context
    managed = {name for name, phase in world.rows("SELECT name, phase FROM aliases") if phase == "present"}
    assert managed <= world.sandbox.aliases, context
    assert not managed & FOREIGN, context
