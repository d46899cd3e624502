"""Send what happened to domains to Ultimate Multisite, as its events: e-mails and webhooks carry them.

An event is sent at most once. The shim marks it in WordPress just before, so that a webhook that hangs until `wp` is
ended does not get it again and again. The ledger remembers afterwards what was sent: what was not begun, because `wp`
failed, is sent later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from closte_bridge.checks.advice_text import AdviceCode
from closte_bridge.engine.delivery import deliver, forget_channels
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.notifications import NotificationKind as Kind
from closte_bridge.wordpress.announce import Announced, send_events

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.notifications import Notification
    from closte_bridge.ledger.store import Ledger

CHANNEL = "wordpress"
# Events of one call of `wp`.
_AT_ONCE = 100
_TYPES = {
    Kind.LIVE: "closte_domain_live",
    Kind.BACK: "closte_domain_live",
    Kind.CUSTOMER: "closte_domain_needs_dns",
    Kind.BROKE: "closte_domain_broken",
    Kind.APPROVAL: "closte_needs_approval",
}
# Steps of a domain's owner for DNS that name no record.
_DNS_STEPS = frozenset(
    {
        AdviceCode.DNSSEC,
        AdviceCode.OUTDATED_NAMESERVERS,
        AdviceCode.INCORRECT_NAMESERVERS,
        AdviceCode.NOT_REGISTERED,
        AdviceCode.SILENT_NAMESERVERS,
    }
)


def announce(engine: Engine, ledger: Ledger, view: Observation, now: float) -> None:
    """Send the notifications that WordPress has not got yet. Without the shim, they are dropped.

    Raises BridgeError if they were not sent; a later run tries it again, see `deliver`.
    """
    identity = view.ledger.identity
    if identity is None or not view.snapshot.shim_table:
        # If it is installed later, it begins with what happens then.
        forget_channels(ledger, CHANNEL, ())
        return
    deliver(ledger, CHANNEL, now, partial(_send, engine, identity.engine))


def _send(engine: Engine, identity: str, notifications: list[Notification]) -> None:
    events = [_event(one) for one in notifications if _concerns(one)]
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        if Announced.FAILED in send_events(engine.settings.wp, engine.cost.wp, engine=identity, events=some):
            raise BridgeError(
                "Could not send events to Ultimate Multisite.",
                code="events-not-sent",
                hint="Check that the database is writable and has free space. A later sync sends them.",
            )


def _concerns(one: Notification) -> bool:
    """Return whether the plugin gets this notification. Its event about DNS is only for steps about DNS."""
    is_dns = bool(one.step.records) or one.step.code in _DNS_STEPS
    return one.kind in _TYPES and (one.kind is not Kind.CUSTOMER or is_dns)


def _event(one: Notification) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": int(one.at),
        "type": _TYPES[one.kind],
        "kind": str(one.kind),
        "domain": one.domain,
        "site": one.site,
        "code": one.code,
        "step": one.step.as_data(),
        "data": one.data,
    }
