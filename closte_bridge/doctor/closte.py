"""What can be wrong with the key, the connection and the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.closte.connection import ConnectionState
from closte_bridge.closte.listing import Completeness
from closte_bridge.counts import counted
from closte_bridge.doctor.model import Finding, error, ok, skip, some, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.closte.client import ClosteClient
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.model import Observed

_HINTS = {
    ConnectionState.KEY_REJECTED: "Compare the key with the one in Closte's dashboard.",
    ConnectionState.UNREACHABLE: "Check the network of this machine, and `api_url` in the config.",
    ConnectionState.UNEXPECTED: "Check the key, and `api_url` in the config.",
}


def of_changes(ledger: LedgerState) -> Finding:
    """Return which additions and removals Closte would not make."""
    if not ledger.failed_changes:
        return ok("changes", "No addition or removal keeps failing.")
    failing = [
        f"{name} ({trouble.message.removesuffix('.')})" for name, trouble in sorted(ledger.failed_changes.items())
    ]
    hint = "`closte-bridge domain explain <domain>` says when it is tried again, `closte-bridge log` what was tried."
    return warning("changes", f"Closte did not make every change: {some(failing)}.", hint)


def of_closte(client: ClosteClient, observed: Observed) -> Iterator[Finding]:
    """Return whether Closte answers, takes the key, and shows its list."""
    tested = client.test_connection()
    if not tested.ok:
        yield error("connection", tested.message, _HINTS[tested.state])
        yield skip("list", "Closte's list tells nothing then.")
        return
    yield ok("connection", tested.message)
    if observed.state is Completeness.COMPLETE:
        yield ok("list", f"Closte's list holds {counted(len(observed.names), 'name')}.")
    elif observed.state is Completeness.PARTIAL:
        hint = "Nothing is removed by inference while that is so. If it is right, run `closte-bridge adopt` again."
        yield warning("list", f"Closte's list is not complete: {observed.reason}.", hint)
    else:
        hint = "Additions go on without it. Ask Closte's support if it stays so."
        yield warning("list", f"Closte's list cannot be read: {observed.reason}", hint)
