"""Read WordPress and Closte in parallel and validate the results."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from closte_bridge.config.key_file import configured_key, source_in_text
from closte_bridge.engine.observation import Access, Observation
from closte_bridge.engine.snapshots import read_snapshot, start_snapshot
from closte_bridge.errors import ConfigError
from closte_bridge.hosting import Completeness, Listing
from closte_bridge.ledger.check_state import due_preview
from closte_bridge.ledger.events import known_events, read_events
from closte_bridge.ledger.state import LedgerState
from closte_bridge.planning.authority import decide_authority
from closte_bridge.planning.completeness import assess_list
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Snapshot

T = TypeVar("T")


def _ledger_state(engine: Engine, now: float) -> LedgerState:
    if engine.ledger is None:
        return LedgerState()
    jumped = engine.clock.jumped(engine.ledger.meta())
    return engine.ledger.state(now, clock_jumped=jumped)


def _due_preview(engine: Engine, now: float) -> DuePreview | None:
    """Return a preview of the checks that are due; computed while `wp` runs, it costs no time."""
    if engine.ledger is None or not engine.settings.checks:
        return None
    return due_preview(engine.ledger, now)


class BackgroundJob(Generic[T]):
    """A job in a thread of its own, which does not delay the exit of the process."""

    def __init__(self, job: Callable[[], T]) -> None:
        self._returned: list[T] = []
        self._raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, args=(job,), daemon=True)
        self._thread.start()

    def _work(self, job: Callable[[], T]) -> None:
        try:
            self._returned.append(job())
        except BaseException as error:
            self._raised.append(error)

    def result(self) -> T:
        """Wait for the job; return its result, or raise its exception."""
        self._thread.join()
        if self._raised:
            raise self._raised[0]
        return self._returned[0]


def _load_client() -> None:
    """Import the HTTP client while `wp` runs, so that the list can be requested as soon as the key is known."""
    import closte_bridge.closte.client  # noqa: F401, PLC0415 - 90 ms


class _Closte:
    """Client of Closte during a read, and its domain list, which `ask` requests in the background."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listed: BackgroundJob[Listing] | None = None
        self.access: Access | None = None

    def ask(self, key: Secret, source: str) -> None:
        """Request the list with `key`, which is from `source`. Raises ConfigError for an invalid URL or key."""
        self.access = Access(key, source, self._engine.client(key))
        self._listed = BackgroundJob(self.access.client.list_aliases)

    def listing(self) -> Listing:
        """Wait for the requested list; without a key, return an unreadable one."""
        if self._listed is None:
            return Listing(Completeness.UNREADABLE, "closte-bridge found no API key.")
        began = time.perf_counter()
        with self._engine.waiting("Closte's list"):
            listing = self._listed.result()
        self._engine.cost.list_wait += time.perf_counter() - began
        return listing

    def close(self) -> None:
        """Count the cost and close the client."""
        if self.access is not None:
            self._engine.count_api(self.access.client)
            self.access.client.close()


@contextmanager
def observe(engine: Engine, *, acknowledge: bool = False) -> Iterator[Observation]:
    """Context manager: read WordPress and Closte, and validate the results. The client stays open for the body.

    Raises UnreadableError if `wp` returned no snapshot, and ConfigError without a key unless the integration is
    disabled. A list that could not be read raises nothing; see `observed` of the result.
    """
    key = configured_key(engine.settings, engine.environ)
    call = start_snapshot(engine, ask_key=key is None, acknowledge=acknowledge)
    closte = _Closte(engine)
    try:
        no_key: ConfigError | None = None
        if key is not None:
            closte.ask(key, source_in_text(engine.settings, engine.environ, ""))
        _load_client()
        now = engine.clock.now()
        ledger = _ledger_state(engine, now)
        due_preview = _due_preview(engine, now)
        with engine.waiting("WordPress"):
            call.wait()
        if key is None:
            try:
                # Request the list while the output of `wp` is decoded.
                closte.ask(*call.key())
            except ConfigError as error:
                no_key = error  # errors of the snapshot come first
        snapshot = read_snapshot(engine, call, ledger)
        view = _view(engine, closte, snapshot, ledger, now, due_preview)
        if no_key and view.authority.mode is not Mode.INACTIVE:
            raise no_key
        yield view
    finally:
        call.end()
        closte.close()


def _view(
    engine: Engine,
    closte: _Closte,
    snapshot: Snapshot,
    ledger: LedgerState,
    now: float,
    due_preview: DuePreview | None,
) -> Observation:
    """Validate the results. Half of the planning is done while the list is on its way."""
    began = time.perf_counter()
    desire = desired(snapshot, engine.policy(), ledger)
    engine.cost.planning_seconds += time.perf_counter() - began
    listing = closte.listing()
    began = time.perf_counter()
    events = read_events(snapshot.events, known_events(engine.ledger) if engine.ledger and snapshot.events else ())
    # The plan is made before the ledger has these events.
    if events.events:
        failed = events.without_back_off(ledger.failed_changes, now)
        ledger = replace(ledger, evidence=events.after(ledger.evidence, now), failed_changes=failed)
    observed = assess_list(listing, snapshot.network.domain, ledger)
    authority = decide_authority(
        snapshot, observed, ledger, engine.installation(ledger, closte.access.key if closte.access else None)
    )
    engine.cost.planning_seconds += time.perf_counter() - began
    return Observation(snapshot, listing, observed, ledger, authority, closte.access, now, desire, events, due_preview)
