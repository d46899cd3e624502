"""Tell a silence of this machine's own way out from one of others: of the first, nothing follows for any domain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A time-out of the config is at most so long here, in seconds: whoever waits for longer has the lock.
_LONGEST = 10.0


class Silence(NamedTuple):
    """Nothing answers: `what` is `dns` or `tls`, `peers` are those that were asked."""

    what: str
    peers: tuple[str, ...]


class Uplink:
    """A way out of this machine, and when something was last heard over it. Belongs to one event loop.

    `reached` tries for certain: it returns whether anything answers. `timeout` is in seconds. Silence of fewer than
    `least` peers may be theirs.
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
        """Take note that something was sent to `peer`."""
        if not self._silent:
            self._since = time.monotonic()
        self._silent[peer] = None

    def hear(self) -> None:
        """Take note that somebody answered."""
        self.heard += 1
        self._silent.clear()

    @property
    def is_asked(self) -> bool:
        """Return whether something was sent since anything was heard."""
        return bool(self._silent)

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing was heard for so long that it is worth a try."""
        return bool(self._silent) and time.monotonic() - self._since >= self.patience

    async def silence(self) -> Silence | None:
        """Try for certain; return the silence if that is what it is."""
        peers = tuple(self._silent)
        heard = self.heard
        if not peers or await self._reached() or self.heard > heard or len(peers) < self._least:
            self.hear()
            return None
        return Silence(self._what, peers)
