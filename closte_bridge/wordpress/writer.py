"""Write the few network options that are ours to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from closte_bridge.errors import BridgeError, ReadOnlyError
from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.wp import WpCall, WpCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.snapshot import Owner


def _write(settings: WpSettings, cost: WpCost, operation: dict[str, Any]) -> dict[str, Any]:
    document = WpCall.start(settings, "write", {"operations": [operation]}, cost).result()
    results = document.get("results")
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
        raise failure("wp-unexpected")
    return results[0]


def set_owner(settings: WpSettings, cost: WpCost, *, expected: str | None, owner: Owner | None) -> None:
    """Write the owner into the network, or clear it with None.

    `expected` is the engine id that was read before (None for no owner). Raises ReadOnlyError when another engine
    has written there since, BridgeError when WordPress did not take it, UnreadableError when `wp` failed.
    """
    value = None
    if owner is not None:
        value = {"engine": owner.engine, "host": owner.host, "since": owner.since}
    result = _write(settings, cost, {"do": "set-owner", "expected": expected, "owner": value})
    if result.get("result") == "failed":
        raise BridgeError(
            "WordPress did not take the new owner of this network.",
            code="owner-failed",
            hint="See that its database is neither read-only nor full and that no plugin keeps the network option "
            "closte_bridge_owner as it was; then run `closte-bridge adopt` again.",
        )
    if result.get("result") != "done":
        raise ReadOnlyError(
            "Another engine has taken this network in the meantime.",
            code="owner-changed",
            hint="Run `closte-bridge adopt` again to see who it is.",
        )


def set_toggle(settings: WpSettings, cost: WpCost, *, enabled: bool) -> bool:
    """Switch the Closte integration in Ultimate Multisite; return whether that changed anything.

    Raises BridgeError when WordPress did not take it, UnreadableError when `wp` failed.
    """
    result = _write(settings, cost, {"do": "set-toggle", "enabled": enabled})
    if result.get("result") != "done":
        raise BridgeError(
            "WordPress did not take the new setting.",
            code="toggle-failed",
            hint="Try it in Ultimate Multisite > Settings > Domain Mapping > Host Integrations.",
        )
    return bool(result.get("was")) is not enabled


def set_status(settings: WpSettings, cost: WpCost, *, engine: str, verdicts: dict[str, bool]) -> None:
    """Let the shim know that this engine has just succeeded, and what it proved; nothing if it is not the owner.

    Raises UnreadableError when `wp` failed.
    """
    _write(settings, cost, {"do": "set-status", "engine": engine, "verdicts": verdicts})


class StageMove(NamedTuple):
    """A mapping that is to change its stage; `secure` None leaves that flag as it is.

    `back`: it was "done" before this engine moved it backwards, or forgotten before this engine took charge, so that it
    makes nothing a primary domain.
    `prove`: Ultimate Multisite's own test request has to come back to this network first.
    """

    mapping: int
    domain: str
    before: str
    after: str
    secure: bool | None
    back: bool = False
    prove: bool = False


# Each save of a domain flushes WordPress' object cache: seconds between two of them, and saves in one process.
_STAGE_PAUSE = 0.05
MOST_STAGES = 200
# A test request may take so many seconds (it tries HTTPS, then HTTP); all of one process must fit into its time.
_PROOF_SECONDS = 20.0
_MOST_PROOFS = 4


def most_proofs(settings: WpSettings) -> int:
    """Return how many moves with `prove` one process may be given."""
    return max(1, min(_MOST_PROOFS, int(settings.timeout / _PROOF_SECONDS) - 1))


def set_stages(settings: WpSettings, cost: WpCost, moves: Sequence[StageMove]) -> list[str]:
    """Move mappings through Ultimate Multisite's own model in one process, at most `MOST_STAGES` of them.

    Returns a word for each: `done`, `changed` when the mapping is no longer what was expected, `unproven` when the
    test request did not come back, or `refused …`. Raises UnreadableError when `wp` failed.
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
    return [str(result) for result in results]
