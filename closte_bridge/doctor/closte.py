"""Diagnostics of Closte: key, connection, list and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from closte_bridge.doctor.model import SHOWN, Finding, error, ok, skip, warning
from closte_bridge.hosting import Completeness, ConnectionState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.hosting import HostingApi
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.completeness import Observed

_HINTS = {
    ConnectionState.KEY_REJECTED: "Compare the API key with the one in Closte's dashboard.",
    ConnectionState.UNREACHABLE: "Check this machine's network and `api_url`.",
    ConnectionState.UNEXPECTED: "Check the API key and `api_url`.",
}


def of_changes(ledger: LedgerState) -> Finding:
    """Check for additions and removals that keep failing."""
    if not ledger.failed_changes:
        return ok("changes", "No change keeps failing.")
    failing = sorted(ledger.failed_changes.items())
    reasons = " ".join(f"{name}: {failed.message}" for name, failed in failing[:SHOWN])
    more = f" And {len(failing) - SHOWN} more." if len(failing) > SHOWN else ""
    hint = (
        "See the next retry with `closte-bridge domain explain <domain>`, and past attempts with `closte-bridge log`."
    )
    return warning("changes", f"Changes on Closte fail for {counted(len(failing), 'domain')}. {reasons}{more}", hint)


def of_closte(client: HostingApi, observed: Observed) -> Iterator[Finding]:
    """Check the connection, the key and the list."""
    tested = client.test_connection()
    if not tested.ok:
        yield error("connection", tested.message, _HINTS[tested.state])
        yield skip("list", "Skipped: no connection to Closte.")
        return
    yield ok("connection", tested.message)
    if observed.state is Completeness.COMPLETE:
        yield ok("list", f"Closte lists {counted(len(observed.names), 'domain')}.")
    elif observed.state is Completeness.PARTIAL:
        hint = "Inferred removals wait. If the list is correct, run `closte-bridge adopt` to accept it."
        yield warning("list", f"Closte's list is incomplete: {observed.reason}.", hint)
    else:
        hint = "closte-bridge still adds domains. If this persists, ask Closte's support."
        yield warning("list", f"Could not read Closte's list: {observed.reason}", hint)
