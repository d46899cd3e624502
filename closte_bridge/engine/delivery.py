"""Deliver notifications by each channel: once, in order, and again after a failure.

A delivery that is killed between its success and the next statement is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.ledger.notifications import DELIVERIES, Delivery, after, newest, newest_before

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from closte_bridge.ledger.notifications import Notification
    from closte_bridge.ledger.store import Ledger

# Seconds until a failed delivery is tried again: doubled each time.
_FIRST_TRY, _LAST_TRY = 60.0, 3600.0
# A new channel begins with what happened in the last seconds, so that it gets the events of its first run.
_NEW = 600.0


def deliver(ledger: Ledger, channel: str, now: float, send: Callable[[list[Notification]], None]) -> int:
    """Call `send` with the notifications that `channel` has not delivered yet, and return their number.

    `channel` is a name that stays the same between runs. If `send` raises an exception, they are delivered again later:
    after a minute, then ever more slowly, up to hourly. A notification older than 7 days is dropped. Raises what `send`
    raises, and BridgeError if the ledger fails.
    """
    known = DELIVERIES.of(ledger.meta()).get(channel)
    last = newest(ledger)
    if known and (known.last >= last or 0 < known.next_try - now <= _LAST_TRY):
        return 0
    known = known or Delivery(newest_before(ledger, now - _NEW))
    pending = after(ledger, known.last)
    if not pending:
        _save(ledger, channel, Delivery(last))
        return 0
    # Another process must not deliver the same.
    wait = min(_LAST_TRY, _FIRST_TRY * 2.0 ** min(known.attempts, 10))
    if not _claim(ledger, channel, known, now, wait):
        return 0
    send(pending)
    _save(ledger, channel, Delivery(pending[-1].id))
    return len(pending)


def forget_channels(ledger: Ledger, prefix: str, channels: Collection[str]) -> None:
    """Forget the channels whose names begin with `prefix` and that are not among `channels`."""
    known = DELIVERIES.of(ledger.meta())
    kept = {name: at for name, at in known.items() if not name.startswith(prefix) or name in channels}
    if kept != known:
        with ledger.transaction():
            ledger.save(DELIVERIES.to(kept))


def _claim(ledger: Ledger, channel: str, known: Delivery, now: float, wait: float) -> bool:
    with ledger.transaction():
        deliveries = DELIVERIES.of(ledger.meta())
        if deliveries.get(channel, known) != known:
            return False
        claimed = known._replace(attempts=known.attempts + 1, next_try=now + wait)
        ledger.save(DELIVERIES.to(deliveries | {channel: claimed}))
    return True


def _save(ledger: Ledger, channel: str, delivery: Delivery) -> None:
    deliveries = DELIVERIES.of(ledger.meta())
    if deliveries.get(channel) != delivery:
        with ledger.transaction():
            ledger.save(DELIVERIES.to(DELIVERIES.of(ledger.meta()) | {channel: delivery}))
