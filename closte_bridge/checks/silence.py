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
        self.heard = 0
        self.patience = min(timeout, _LONGEST)
        self._what = what
        self._reached = reached
        self._least = least
        self._silent: dict[str, None] = {}
        self._since = 0.0

    def ask(self, peer: str) -> None:
        """Record a request to `peer`."""
        if not self._silent:
            self._since = time.monotonic()
        self._silent[peer] = None

    def hear(self) -> None:
        """Record an answer of any peer."""
        self.heard += 1
        self._silent.clear()

    @property
    def is_asked(self) -> bool:
        """Return whether there was a request since the last answer."""
        return bool(self._silent)

    @property
    def is_quiet(self) -> bool:
        """Return whether requests have been unanswered for so long that the connection should be tested."""
        return bool(self._silent) and time.monotonic() - self._since >= self.patience

    async def silence(self) -> Silence | None:
        """Test the connection. Return the outage, or None."""
        peers = tuple(self._silent)
        heard = self.heard
        if not peers or await self._reached() or self.heard > heard or len(peers) < self._least:
            self.hear()
            return None
        return Silence(self._what, peers)
