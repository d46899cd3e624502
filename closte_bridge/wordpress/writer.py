"""Write closte-bridge's network options, domain states and stage changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.errors import BridgeError, ReadOnlyError
from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.results import StageOutcome, WriteResult, parse_result
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.snapshot import Owner
    from closte_bridge.wordpress.states import StatesWrite


def _write(settings: WpSettings, cost: WpCost, operation: dict[str, Any]) -> dict[str, Any]:
    return _written(settings, cost, [operation])[0]


def _written(settings: WpSettings, cost: WpCost, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = WpCall.start(settings, "write", {"operations": operations}, cost).result().get("results")
    if not isinstance(results, list) or len(results) != len(operations):
        raise failure("wp-unexpected")
    if not all(isinstance(result, dict) for result in results):
        raise failure("wp-unexpected")
    return results


def set_owner(settings: WpSettings, cost: WpCost, *, expected: str | None, owner: Owner | None) -> None:
    """Write the owner of the network, or clear it with None.

    `expected` is the engine id that was read before (None for no owner). Raises ReadOnlyError if another installation
    has become the owner since, BridgeError if WordPress did not save it, UnreadableError if `wp` failed.
    """
    value = None
    if owner is not None:
        value = {"engine": owner.engine, "host": owner.host, "since": owner.since}
    result = _write(settings, cost, {"do": "set-owner", "expected": expected, "owner": value})
    if result.get("result") == "failed":
        raise BridgeError(
            "Could not save the new owner in WordPress.",
            code="owner-failed",
            hint="Check that the database is writable and has free space, and that no plugin blocks the network option "
            "closte_bridge_owner. Then run `closte-bridge adopt` again.",
        )
    if result.get("result") != "done":
        raise ReadOnlyError(
            "Another closte-bridge installation adopted this network in the meantime.",
            code="owner-changed",
            hint="Run `closte-bridge adopt` again to see the new owner.",
        )


def set_toggle(settings: WpSettings, cost: WpCost, *, enabled: bool) -> bool:
    """Switch the Closte integration in Ultimate Multisite on or off; return whether that changed anything.

    Raises BridgeError if WordPress did not save it, UnreadableError if `wp` failed.
    """
    result = _write(settings, cost, {"do": "set-toggle", "enabled": enabled})
    if result.get("result") != "done":
        raise BridgeError(
            "Could not save the setting in WordPress.",
            code="toggle-failed",
            hint="Change it in Ultimate Multisite > Settings > Domain Mapping > Host Integrations.",
        )
    return bool(result.get("was")) is not enabled


def write_report(
    settings: WpSettings,
    cost: WpCost,
    *,
    engine: str,
    status: dict[str, object] | None = None,
    states: StatesWrite | None = None,
) -> str:
    """Report a successful run to the shim with its `status` (`ledger.shim_status`), and write domain states.

    Without effect if `engine` is not the owner. Returns the result for the states, as in `states.php`; "" without them.
    Raises UnreadableError if `wp` failed.
    """
    operations: list[dict[str, Any]] = []
    if status is not None:
        operations.append({"do": "set-status", "engine": engine, **status})
    if states is not None:
        operations.append({"do": "set-states", "engine": engine, **states.as_data()})
    results = _written(settings, cost, operations)
    return str(results[-1].get("result", "failed")) if states is not None else ""


class StageMove(NamedTuple):
    """A stage change of a mapping. If `secure` is None, that flag stays unchanged.

    `back`: the mapping was "done" before closte-bridge moved it back, or given up before closte-bridge became the
    owner, so the change must not create a primary domain.
    `prove`: Ultimate Multisite's own test request must reach this network first.
    """

    mapping: int
    domain: str
    before: str
    after: str
    secure: bool | None
    back: bool = False
    prove: bool = False


# Seconds between two saves, and saves per process: each save of a domain flushes WordPress' object cache.
_STAGE_PAUSE = 0.05
MOST_STAGES = 200
# Seconds for one test request (HTTPS, then HTTP). All requests of a process must fit into its timeout.
_PROOF_SECONDS = 20.0
_MOST_PROOFS = 4


def most_proofs(settings: WpSettings) -> int:
    """Return the maximum number of moves with `prove` per process."""
    return max(1, min(_MOST_PROOFS, int(settings.timeout / _PROOF_SECONDS) - 1))


def set_stages(settings: WpSettings, cost: WpCost, moves: Sequence[StageMove]) -> list[WriteResult[StageOutcome]]:
    """Change the stages of at most `MOST_STAGES` mappings in one process, with Ultimate Multisite's own model.

    Returns a result for each. Raises UnreadableError if `wp` failed.
    """
    changes = [
        {
            "id": m.mapping,
            "domain": m.domain,
            "from": m.before,
            "to": m.after,
            "secure": m.secure,
            "back": m.back,
            "prove": m.prove,
        }
        for m in moves
    ]
    request = {"changes": changes[:MOST_STAGES], "pause": int(_STAGE_PAUSE * 1_000_000)}
    results = WpCall.start(settings, "stages", request, cost, plugins=True).result().get("results")
    if not isinstance(results, list) or len(results) != min(len(moves), MOST_STAGES):
        raise failure("wp-unexpected")
    try:
        return [parse_result(result, StageOutcome) for result in results]
    except ValueError:
        raise failure("wp-unexpected") from None
