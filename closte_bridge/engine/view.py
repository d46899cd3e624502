"""Look at both sides at once: start `wp`, load the rest while it runs, ask Closte, judge what came back."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from closte_bridge.config.key_file import configured_key, key_location
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.cost import Cost
from closte_bridge.errors import ConfigError
from closte_bridge.ledger.inbox import known_events, to_acknowledge
from closte_bridge.ledger.store import Ledger
from closte_bridge.ledger.verdicts import verdicts
from closte_bridge.wordpress.reader import SnapshotCall

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.dns import Edges
    from closte_bridge.closte.client import ClosteClient
    from closte_bridge.closte.listing import Listing
    from closte_bridge.config.model import Settings
    from closte_bridge.ledger.histories import Ahead
    from closte_bridge.ledger.state import LedgerState, Place
    from closte_bridge.planning.desired import Desired, Intentions
    from closte_bridge.planning.model import Observed, Standing
    from closte_bridge.planning.standing import Here
    from closte_bridge.secret import Secret
    from closte_bridge.wordpress.process import HeadStart
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot

T = TypeVar("T")


@dataclass(slots=True)
class Engine:
    """One network's engine: its settings, its ledger (None before adoption), its clock and what it cost so far.

    `edges` leads DNS checks elsewhere in tests. `head` is a `wp` that was started before the settings were known.
    """

    settings: Settings
    environ: MappingType[str, str]
    clock: Clock = field(default_factory=Clock)
    cost: Cost = field(default_factory=Cost)
    ledger: Ledger | None = None
    edges: Edges | None = None
    head: HeadStart | None = None

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[Engine]:
        """Open the ledger for the body; without `create`, go on without one where there is none."""
        self.ledger = Ledger.open(self.settings.state_dir, create=create)
        try:
            yield self
        finally:
            if self.ledger is not None:
                self.ledger.close()
                self.ledger = None

    def intentions(self) -> Intentions:
        """Return what the config says about names."""
        from closte_bridge.planning.desired import Intentions  # noqa: PLC0415 - loaded while `wp` runs

        s = self.settings
        return Intentions(
            wildcard=s.wildcard,
            wildcards=s.wildcards,
            keep=s.keep,
            removal_delay=s.removal_delay,
            removal_grace=s.removal_grace,
            certificate_budget=s.certificate_budget,
        )

    def place(self) -> Place:
        """Return where this ledger lies: the machine as a digest, and the folder."""
        import hashlib  # noqa: PLC0415 - loaded while `wp` runs
        import socket  # noqa: PLC0415 - likewise

        from closte_bridge.ledger.state import Place  # noqa: PLC0415 - likewise

        try:
            machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        except OSError:
            machine = ""
        host = hashlib.sha256(f"{machine} {socket.gethostname()}".encode()).hexdigest()[:16]
        return Place(host, str(self.settings.state_dir.absolute()))

    def here(self, ledger: LedgerState, key: Secret | None) -> Here:
        """Return where this engine runs and what it was given, for the judgement of its standing."""
        from closte_bridge.planning.standing import Here  # noqa: PLC0415 - loaded while `wp` runs

        source = self.settings.source
        known = ledger.config_path
        return Here(
            place=self.place(),
            config_path=str(source) if source else None,
            config_missing=known is not None and source is None and not Path(known).exists(),
            key=key.fingerprint() if key else None,
            environments=self.settings.environments,
        )

    def client(self, key: Secret) -> ClosteClient:
        """Return a client of Closte's API with this network's settings. Raises ConfigError for a bad URL."""
        # The libraries behind it load while `wp` runs.
        from closte_bridge.closte.client import ClosteClient  # noqa: PLC0415

        return ClosteClient(
            self.settings.api_url,
            key,
            concurrency=self.settings.concurrency,
            rate_limit=self.settings.rate_limit,
        )

    def count_api(self, client: ClosteClient) -> None:
        """Add what `client` spent to the cost; call once a client."""
        stats = client.stats
        self.cost.api_calls += stats.calls
        self.cost.api_seconds += stats.seconds


@dataclass(slots=True)
class View:
    """Both sides at one moment, judged, with the key that opened Closte's."""

    snapshot: Snapshot
    listing: Listing
    observed: Observed
    ledger: LedgerState
    standing: Standing
    key: Secret
    key_source: str
    client: ClosteClient
    now: float
    _desire: Desired | None = None
    ahead: Ahead | None = None

    def desire(self, engine: Engine) -> Desired:
        """Return what the network wants, put together once."""
        from closte_bridge.planning.desired import desired  # noqa: PLC0415 - loaded while `wp` ran

        if self._desire is None:
            self._desire = desired(self.snapshot, engine.intentions(), self.ledger)
        return self._desire

    def include(self, mappings: Sequence[Mapping]) -> None:
        """Let what was mapped since the look count as seen."""
        if mappings:
            highest = max(self.snapshot.highest_mapping, *(mapping.id for mapping in mappings))
            rows = [*self.snapshot.mappings, *mappings]
            self.snapshot = replace(self.snapshot, mappings=rows, highest_mapping=highest)
            self._desire = None


def _ledger_state(engine: Engine, now: float) -> LedgerState:
    if engine.ledger is None:
        from closte_bridge.ledger.state import LedgerState  # noqa: PLC0415 - loaded while `wp` runs

        return LedgerState()
    jumped = engine.clock.jumped(engine.ledger.meta())
    return engine.ledger.state(now, clock_jumped=jumped)


def _ahead(engine: Engine, now: float) -> Ahead | None:
    """Return which names are due to be looked at; asked for while `wp` runs, it costs nothing."""
    if engine.ledger is None or not engine.settings.checks:
        return None
    from closte_bridge.checks.life import EXPIRY_WARNING  # noqa: PLC0415 - loaded while `wp` runs
    from closte_bridge.ledger.histories import ahead  # noqa: PLC0415 - loaded while `wp` runs

    return ahead(engine.ledger, now, warn_until=now + EXPIRY_WARNING)


def _with_fresh_evidence(ledger: LedgerState, snapshot: Snapshot, known: Collection[str], now: float) -> LedgerState:
    """Return the ledger as it will be once the snapshot's events are in it: a plan may be made before they are.

    `known` are the events that are in it: what they proved may have been found void since.
    """
    from closte_bridge.ledger.state import Evidence  # noqa: PLC0415 - loaded while `wp` runs
    from closte_bridge.wordpress.events import taken, understand  # noqa: PLC0415 - likewise

    new = [event for event in snapshot.events if event.uid not in known]
    if not new:
        return ledger
    evidence = dict(ledger.evidence)
    for event in new:
        evidence |= {name: Evidence(kind, now) for name, kind in understand(event)[0].items()}
        for name in taken(event):
            evidence.pop(name, None)
    return replace(ledger, evidence=evidence)


def read_snapshot(engine: Engine, call: SnapshotCall, ledger: LedgerState) -> Snapshot:
    """Wait for a snapshot, and hold what the ledger knows against it: a restored database is not complete."""
    from closte_bridge.planning.standing import past  # noqa: PLC0415 - loaded while `wp` runs

    snapshot = call.snapshot()
    if why := past(snapshot, ledger):
        snapshot = replace(snapshot, faults=(*snapshot.faults, why))
    _refuse_document_root(engine, snapshot)
    return snapshot


def _refuse_document_root(engine: Engine, snapshot: Snapshot) -> None:
    if engine.settings.wp.ssh or engine.settings.wp.alias:
        return
    root = Path(snapshot.network.root).resolve()
    if engine.settings.state_dir.resolve().is_relative_to(root):
        raise ConfigError(
            f'The state folder "{engine.settings.state_dir}" lies inside the document root.',
            code="state-folder",
            hint="Set `state_dir` in the config to a folder that the web server does not serve.",
        )


def start_snapshot(engine: Engine, *, ask_key: bool, acknowledge: bool) -> SnapshotCall:
    """Start reading; with `acknowledge`, WordPress forgets the events that the ledger holds, if we are the owner."""
    ledger = engine.ledger if acknowledge else None
    return SnapshotCall(
        engine.settings.wp,
        engine.cost.wp,
        ask_key=ask_key,
        engine=ledger.engine_id() if ledger else None,
        acknowledge=_to_acknowledge(engine, ledger) if ledger else (),
        status=_status(ledger, engine.clock.now()) if ledger else None,
        early=engine.head,
    )


def _to_acknowledge(engine: Engine, ledger: Ledger) -> list[str]:
    """Return the events that WordPress may forget: none where the ledger may be a copy, whose first one needs them."""
    marks = to_acknowledge(ledger)
    if not marks:
        return []
    place = ledger.meta().get("place")
    return marks if place == json.dumps(asdict(engine.place())) else []


def _status(ledger: Ledger, now: float) -> dict[str, object] | None:
    """Return what the shim is to know of this engine: how long ago it could do its work, and what it proved."""
    last = ledger.meta().get("able")
    if last is None or float(last) > now:
        return None
    return {"age": int(now - float(last)), "verdicts": verdicts(ledger, now)}


def _begun(job: Callable[[], T]) -> Callable[[], T]:
    """Start `job` in a thread that no exit waits for; return a function that waits for what it gives or raises."""
    given: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            given.append(job())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def result() -> T:
        thread.join()
        if raised:
            raise raised[0]
        return given[0]

    return result


def _load_the_rest() -> None:
    """Import what is needed once `wp` has answered; nothing of it delays the start."""
    import closte_bridge.closte.client  # noqa: PLC0415
    import closte_bridge.engine.apply  # noqa: PLC0415
    import closte_bridge.engine.records  # noqa: PLC0415
    import closte_bridge.planning.plan  # noqa: F401, PLC0415


@contextmanager
def looked_at(engine: Engine, *, acknowledge: bool = False) -> Iterator[View]:
    """Read both sides and judge them; the client is open for the body, and its cost is counted afterwards.

    Raises UnreadableError when `wp` gave no snapshot, ConfigError when there is no key. A list that could not be
    read is no error here: it is in the view.
    """
    key = configured_key(engine.settings, engine.environ)
    location = key_location(engine.settings, engine.environ)
    call = start_snapshot(engine, ask_key=key is None, acknowledge=acknowledge)
    client: ClosteClient | None = None
    try:
        source = location[1] if location else ""
        no_key: ConfigError | None = None
        if key is not None:
            client = engine.client(key)
            listed = _begun(client.list_aliases)
        _load_the_rest()
        now = engine.clock.now()
        ledger = _ledger_state(engine, now)
        ahead = _ahead(engine, now)
        call.wait()
        if key is None:
            try:
                key, source = call.key()
            except ConfigError as error:
                no_key = error  # what is wrong with the snapshot is said first
            else:
                # The list is on its way while the snapshot is made of what `wp` said.
                client = engine.client(key)
                listed = _begun(client.list_aliases)
        snapshot = read_snapshot(engine, call, ledger)
        if key is None or client is None:
            raise no_key or AssertionError
        from closte_bridge.planning.desired import desired  # noqa: PLC0415 - loaded while `wp` ran
        from closte_bridge.planning.observed import judge  # noqa: PLC0415 - likewise
        from closte_bridge.planning.standing import judge_standing  # noqa: PLC0415 - likewise

        # The half of planning that needs no list, while that is on its way.
        began = time.perf_counter()
        desire = desired(snapshot, engine.intentions(), ledger)
        engine.cost.planning_seconds += time.perf_counter() - began
        listing = listed()
        began = time.perf_counter()
        known = known_events(engine.ledger) if engine.ledger and snapshot.events else ()
        ledger = _with_fresh_evidence(ledger, snapshot, known, now)
        observed = judge(listing, snapshot.network.domain, ledger)
        standing = judge_standing(snapshot, observed, ledger, engine.here(ledger, key))
        engine.cost.planning_seconds += time.perf_counter() - began
        yield View(snapshot, listing, observed, ledger, standing, key, source, client, now, desire, ahead)
    finally:
        call.end()
        if client is not None:
            engine.count_api(client)
            client.close()
