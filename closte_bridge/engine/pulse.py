"""Ask WordPress' web server for new events where nothing announces them.

A pulse is a signed request to the shim. It costs WordPress one indexed query, and neither `wp` nor SSH. If there is a
new event, it touches the trigger file, as a shim on the same machine does.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.engine.loop import TRIGGER_FILE, stamp, touch
from closte_bridge.engine.web import web_client
from closte_bridge.wordpress.web import WebError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport
    from closte_bridge.wordpress.web import WebClient

_TIMEOUT = 5.0
# Maximum seconds between two tries of a pulse that fails; the full syncs find the events meanwhile.
_MOST_WAIT = 900.0
_MOST_DOUBLINGS = 10
# Pulses in progress: a few slow web servers must not delay the others.
_WORKERS = 8


@dataclass(slots=True)
class NetworkPulse:
    """The pulse of one network: whether it is needed, and the newest event so far.

    It is needed while nothing else announces events: until a trigger or a wake-up arrives, and again after a run found
    an event that none of them announced. On the same machine, the trigger file counts as working at first. `tell` gets
    the error of the first pulse that fails, and None when one succeeds again.
    """

    settings: Settings
    tell: Callable[[WebError | None], None]
    _announced: bool = field(init=False)
    _seen: int = field(init=False)
    _own: int = 0
    _client: WebClient | None = None
    _etag: str = ""
    _newest: int = 0
    _failures: int = 0
    _ran: bool = False

    def __post_init__(self) -> None:
        self._announced = not self.settings.wp.is_remote
        self._seen = stamp(self._trigger)

    @property
    def is_needed(self) -> bool:
        """Return whether to ask: the pulse is on, there is a shim, and nothing else announces events."""
        return bool(self.settings.pulse) and self._client is not None and not self._announced

    @property
    def wait(self) -> float:
        """Return the seconds until the next question."""
        interval = self.settings.pulse
        doubled = 2.0 ** min(self._failures, _MOST_DOUBLINGS)
        return min(max(interval, _MOST_WAIT), interval * doubled)

    def after_run(self, engine: Engine, report: RunReport, seen: int) -> None:
        """Note a run. `seen` is the stamp of the trigger file from before it."""
        if seen not in {self._seen, self._own}:
            self._announced = True
        elif report.view.events.events and self._ran:
            self._announced = False
        self._seen, self._ran = seen, True
        self._client = web_client(engine, report.view.snapshot.network, timeout=_TIMEOUT)

    def ask(self) -> None:
        """Ask once, and touch the trigger file if there is a new event. Reports errors and raises none."""
        if self._client is None:
            return
        try:
            found = self._client.pulse(self._etag)
        except WebError as error:
            self._failures += 1
            if self._failures == 1:
                self.tell(error)
            return
        if self._failures:
            self._failures = 0
            self.tell(None)
        if found is None:
            return
        self._etag = found.etag
        # After a restart of its database, WordPress may count from a lower number.
        if found.newest not in {0, self._newest}:
            self._newest = found.newest
            touch(self._trigger)
            # The run that follows does not count as announced.
            self._own = stamp(self._trigger)

    @property
    def _trigger(self) -> Path:
        return self.settings.state_dir / TRIGGER_FILE


class Pulses:
    """Threads that ask the pulse of each network at its interval, spread over it."""

    def __init__(self, networks: Iterable[NetworkPulse], *, first_within: float | None = None) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._queue: list[tuple[float, int, NetworkPulse]] = []
        for network in networks:
            if network.settings.pulse:
                self._push(network, random.uniform(0, first_within or network.settings.pulse))  # noqa: S311 - no secret

    def start(self) -> None:
        """Start the threads. They end with the process, or after `stop`."""
        for _ in range(min(_WORKERS, len(self._queue))):
            threading.Thread(target=self._serve, name="pulse", daemon=True).start()

    def stop(self) -> None:
        """End the threads after the current questions, without waiting for them."""
        self._stopped.set()

    def _push(self, network: NetworkPulse, wait: float) -> None:
        with self._lock:
            heapq.heappush(self._queue, (time.monotonic() + wait, next(self._order), network))

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                due, _, network = heapq.heappop(self._queue)
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            if network.is_needed:
                network.ask()
            self._push(network, network.wait)
