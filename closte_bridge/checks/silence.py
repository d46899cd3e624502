"""Detect an outage of this machine's own internet connection, which says nothing about any domain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# Upper limit of the configured time-out here, in seconds, because a waiting run holds the lock.
_LONGEST = 10.0


class Silence(NamedTuple):
    """Outage: `what` is `dns` or `tls`, `peers` are the addresses that did not answer."""

    what: str
    peers: tuple[str, ...]


class Uplink:
    """Connection of this machine to DNS or TLS servers. Belongs to one event loop.

    `reached` tests the connection and returns whether anything answers. `timeout` is in seconds. If fewer than `least`
    peers do not answer, the problem may be theirs.
    """

    def __init__(self, what: str, *, timeout: float, reached: Callable[[], Awaitable[bool]], least: int = 1) -> None:
        self.answers = 0
        self.timeout = min(timeout, _LONGEST)
        self._what = what
        self._reached = reached
        self._least = least
        self._unanswered: dict[str, None] = {}
        self._since = 0.0

    def record_request(self, peer: str) -> None:
        """Record a request to `peer`."""
        if not self._unanswered:
            self._since = time.monotonic()
        self._unanswered[peer] = None

    def record_answer(self) -> None:
        """Record an answer of any peer."""
        self.answers += 1
        self._unanswered.clear()

    @property
    def has_unanswered(self) -> bool:
        """Return whether there was a request since the last answer."""
        return bool(self._unanswered)

    @property
    def is_overdue(self) -> bool:
        """Return whether requests have been unanswered for so long that the connection should be tested."""
        return bool(self._unanswered) and time.monotonic() - self._since >= self.timeout

    async def test(self) -> Silence | None:
        """Test the connection. Return the outage, or None."""
        peers = tuple(self._unanswered)
        answers = self.answers
        if not peers or await self._reached() or self.answers > answers or len(peers) < self._least:
            self.record_answer()
            return None
        return Silence(self._what, peers)
