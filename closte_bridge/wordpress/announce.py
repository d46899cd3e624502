"""Send events of Ultimate Multisite, which its e-mails and webhooks carry."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from closte_bridge.wordpress.failures import failure
from closte_bridge.wordpress.wp import WpCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from closte_bridge.config.model import WpSettings
    from closte_bridge.wordpress.wp import WpCost


class Announced(StrEnum):
    """What happened to an event. `KNOWN`: an earlier call began to send it. Only `FAILED` needs another try."""

    SENT = "sent"
    KNOWN = "known"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


def send_events(
    settings: WpSettings, cost: WpCost, *, engine: str, events: Sequence[dict[str, Any]]
) -> list[Announced]:
    """Send events in one process, with plugins loaded; return a result for each.

    `engine` is the id of this installation. See `Announcements::send` in the shim for the keys of an event. Raises
    UnreadableError if `wp` failed: some events may have been sent then, and the next call does not repeat them.
    """
    request = {"engine": engine, "events": [*events]}
    results = WpCall.start(settings, "announce", request, cost, plugins=True).result().get("results")
    if not isinstance(results, list) or len(results) != len(events):
        raise failure("wp-unexpected")
    try:
        return [Announced(result) for result in results]
    except ValueError:
        raise failure("wp-unexpected") from None
