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
from closte_bridge.ledger.events import known_events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from closte_bridge.engine.engine import Engine
    from closte_bridge.hosting import Listing
    from closte_bridge.ledger.check_state import DuePreview
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.snapshot import Snapshot

T = TypeVar("T")


def _ledger_state(engine: Engine, now: float) -> LedgerState:
    if engine.ledger is None:
        from closte_bridge.ledger.state import LedgerState  # noqa: PLC0415 - loaded while `wp` runs

        return LedgerState()
    jumped = engine.clock.jumped(engine.ledger.meta())
    return engine.ledger.state(now, clock_jumped=jumped)


def _due_preview(engine: Engine, now: float) -> DuePreview | None:
    """Return a preview of the checks that are due; computed while `wp` runs, it costs no time."""
    if engine.ledger is None or not engine.settings.checks:
        return None
    from closte_bridge.checks.domain_state import EXPIRY_WARNING  # noqa: PLC0415 - loaded while `wp` runs
    from closte_bridge.ledger.check_state import due_preview  # noqa: PLC0415 - loaded while `wp` runs

    return due_preview(engine.ledger, now, warn_until=now + EXPIRY_WARNING)


def _with_fresh_evidence(ledger: LedgerState, snapshot: Snapshot, known: Collection[str], now: float) -> LedgerState:
    """Return the ledger state as it will be with the snapshot's events: a plan may be made before they are saved.

    `known` are the events already saved; their evidence may have become void since.
    """
    from closte_bridge.ledger.state import Evidence  # noqa: PLC0415 - loaded while `wp` runs
    from closte_bridge.wordpress.events import EVERYTHING, taken, understand  # noqa: PLC0415 - loaded while `wp` runs

    new = [event for event in snapshot.events if event.uid not in known]
    if not new:
        return ledger
    evidence = dict(ledger.evidence)
    for event in new:
        evidence |= {name: Evidence(kind, now) for name, kind in understand(event)[0].items()}
        if event.kind == EVERYTHING:
            evidence.clear()
        for name in taken(event):
            evidence.pop(name, None)
    return replace(ledger, evidence=evidence)


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


def _load_the_rest() -> None:
    """Import the modules that are needed after `wp` has answered, without delaying its start."""
    import closte_bridge.closte.client  # noqa: PLC0415
    import closte_bridge.engine.apply  # noqa: PLC0415
    import closte_bridge.engine.records  # noqa: PLC0415
    import closte_bridge.planning.plan  # noqa: F401, PLC0415


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
            from closte_bridge.hosting import Completeness, Listing  # noqa: PLC0415 - loaded while `wp` ran

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
        _load_the_rest()
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
        from closte_bridge.planning.model import Mode  # noqa: PLC0415 - loaded while `wp` ran

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
    from closte_bridge.planning.authority import decide_authority  # noqa: PLC0415 - loaded while `wp` ran
    from closte_bridge.planning.completeness import assess_list  # noqa: PLC0415 - loaded while `wp` ran
    from closte_bridge.planning.desired import desired  # noqa: PLC0415 - loaded while `wp` ran

    began = time.perf_counter()
    desire = desired(snapshot, engine.policy(), ledger)
    engine.cost.planning_seconds += time.perf_counter() - began
    listing = closte.listing()
    began = time.perf_counter()
    known = known_events(engine.ledger) if engine.ledger and snapshot.events else ()
    ledger = _with_fresh_evidence(ledger, snapshot, known, now)
    observed = assess_list(listing, snapshot.network.domain, ledger)
    authority = decide_authority(
        snapshot, observed, ledger, engine.installation(ledger, closte.access.key if closte.access else None)
    )
    engine.cost.planning_seconds += time.perf_counter() - began
    return Observation(snapshot, listing, observed, ledger, authority, closte.access, now, desire, due_preview)
