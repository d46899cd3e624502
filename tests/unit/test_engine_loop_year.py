"""A simulated year of `watch`: runs, ledger and schedule are real; time, WordPress, Closte, DNS and TLS are fake."""

from __future__ import annotations

import gc
import itertools
import random
import sys
from array import array
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.checks.model import NOWHERE, DnsCode, DnsVerdict, DomainCheck, Expected
from closte_bridge.config.model import Settings
from closte_bridge.engine import run as sync_module
from closte_bridge.engine import verify as verify_module
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.loop import TRIGGER_FILE, Signals, Waiter, WatchLoop, touch
from closte_bridge.engine.observation import Access, Observation
from closte_bridge.engine.run import RunReport, RunRequest, sync
from closte_bridge.ledger import events as ledger_events
from closte_bridge.ledger.state import AliasPhase, Origin
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.secret import Secret
from closte_bridge.wordpress.results import StageOutcome, WriteResult
from closte_bridge.wordpress.snapshot import Event
from tests.support.check_states import a_list, a_row, a_snapshot
from tests.support.folders import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from closte_bridge.wordpress.writer import StageMove

DAY = 86_400.0
YEAR = 365 * DAY
START = 1_800_000_000.0
NAMES = ["a.example.org", "b.example.org", "c.example.org"]
TABLES = (
    "aliases",
    "absences",
    "evidence",
    "failed_changes",
    "flags",
    "events",
    "removals",
    "additions",
    "check_state",
    "log",
)


@dataclass
class World(Waiter):
    """Fake clock and fake external systems."""

    folder: Path
    time: float = START
    chance: random.Random = field(default_factory=lambda: random.Random(11))
    wordpress: dict[str, Event] = field(default_factory=dict)
    told: int = 0
    stages: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "done"))
    moves: int = 0
    refuse: bool = False
    # Arrays of numbers: the test's own records must not appear as a memory leak.
    checks: dict[str, array[float]] = field(default_factory=lambda: {name: array("d") for name in NAMES})
    runs: array[float] = field(default_factory=lambda: array("d"))
    blocks: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    sizes: list[dict[str, int]] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        # About once a day, WordPress records an event.
        if self.chance.random() < seconds / DAY:
            self.told += 1
            self.wordpress[f"{self.told:032x}"] = Event(
                f"{self.told:032x}", int(self.time), "mapping_added", 1, NAMES[0], ""
            )
            touch(self.folder / TRIGGER_FILE)

    def pool(self, **settings: Any) -> World:  # noqa: ANN401 - as in `CheckPool`
        assert settings["now"]() == self.time
        return self

    def run(self, names: Iterable[str], take: Callable[[DomainCheck], None]) -> Expected:
        """Replace the check pool: a few checks have no result, and a few find that the domain points elsewhere."""
        for name in names:
            self.checks[name].append(self.time)
            code = self.chance.choices([DnsCode.OK, DnsCode.UNKNOWN, DnsCode.ELSEWHERE], [97, 2, 1])[0]
            verdict = DnsVerdict(name, code, points_here=code is DnsCode.OK)
            take(DomainCheck(name, verdict, None, self.time))
        return NOWHERE

    def move(self, _settings: object, _cost: object, moves: list[StageMove]) -> list[WriteResult[StageOutcome]]:
        self.moves += len(moves)
        if self.refuse:
            return [WriteResult(StageOutcome.REFUSED, "domain")] * len(moves)
        self.stages.update({move.domain: move.after for move in moves})
        return [WriteResult(StageOutcome.DONE)] * len(moves)

    @contextmanager
    def observe(self, engine: Engine, *, acknowledge: bool) -> Iterator[Observation]:
        assert acknowledge
        assert engine.ledger is not None
        for uid in ledger_events.to_acknowledge(engine.ledger):
            self.wordpress.pop(uid, None)
        rows = [a_row(name, number=number, stage=self.stages[name]) for number, name in enumerate(NAMES, 1)]
        snapshot = a_snapshot(*rows, events=self.wordpress.values())
        state = engine.ledger.state(self.time, clock_jumped=engine.clock.jumped(engine.ledger.meta()))
        assert not state.clock_jumped
        authority = Authority(Mode.FULL, "", "", "")
        listing = cast("Any", _Listing())
        desire = desired(snapshot, engine.policy(), state)
        new = ledger_events.read_events(snapshot.events, ledger_events.known_events(engine.ledger))
        access = Access(Secret("key"), "test", cast("Any", _NoChanges()))
        yield Observation(snapshot, listing, a_list(*NAMES), state, authority, access, self.time, desire, new)


class _Listing:
    key_rejected = False


class _NoChanges:
    """A client without any change to make."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


def engine_in(world: World, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return an engine in this world. Its ledger contains all `NAMES`."""
    settings = Settings(state_dir=world.folder)
    engine = Engine(settings, {}, Clock(now=world.now, steady=world.now, boot=lambda: "boot"))
    monkeypatch.setattr(sync_module, "observe", world.observe)
    monkeypatch.setattr("closte_bridge.checks.pool.CheckPool", world.pool)
    monkeypatch.setattr(verify_module, "set_stages", world.move)
    with engine.opened():
        ledger = engine.created_ledger()
        with ledger.transaction():
            ledger.put_aliases([(name, Origin.MAPPING) for name in NAMES], AliasPhase.PRESENT, START)
    return engine


def all_in_time(world: World) -> None:
    # Every domain is checked on time all year: at first at the network's interval, later at least daily.
    for times in world.checks.values():
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert max(gaps) <= DAY + 900.0 + 2
        assert min(gaps) >= 299.0
        assert times[-1] > START + YEAR - 2 * DAY
    # Runs do not pile up: each has a reason.
    checks = sum(map(len, world.checks.values()))
    assert len(world.runs) < checks + 2 * world.told + 2 * 365 + 10
    # closte-bridge reads and acknowledges every event.
    assert world.told > 250
    assert len(world.wordpress) <= 3


def nothing_piles_up(world: World) -> None:
    first, last = world.sizes[1], world.sizes[-1]
    assert len(world.sizes) == 12
    for table in set(TABLES) - {"events", "log", "flags"}:
        assert last[table] == first[table], table
    # The log contains changes and no checks.
    assert last["log"] <= world.moves < 200
    # A refresh, and a state for people, of each domain.
    assert last["flags"] <= 2 * len(NAMES)
    assert last["check_state"] == len(NAMES)
    assert max(size["events"] for size in world.sizes) < 28 * 3
    # Runs after the second month leave nothing in memory: even one object per run would exceed this bound.
    runs = sum(1 for at in world.runs if at > START + 60 * DAY)
    assert runs > 1000
    assert world.blocks[-1] - world.blocks[1] < runs / 2, world.blocks
    assert world.files[-1] <= world.files[1]


def test_year_with_the_real_ledger_stays_on_time_and_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(folder)
    engine = engine_in(world, monkeypatch)
    signals = Signals()

    def work() -> RunReport:
        world.runs.append(world.time)
        if world.time - START > (len(world.sizes) + 1) * 30 * DAY:
            with engine.opened():
                assert engine.ledger is not None
                world.sizes.append({t: engine.ledger.query(f"SELECT COUNT(*) FROM {t}")[0][0] for t in TABLES})
            gc.collect()
            world.blocks.append(sys.getallocatedblocks())
            world.files.append(len([*Path("/proc/self/fd").iterdir()]))
        if world.time - START > YEAR:
            signals.stop.set()
        return sync(engine, RunRequest(), command="watch")

    monkeypatch.setattr("closte_bridge.engine.loop.POLL", 900.0)
    WatchLoop(
        folder=folder, interval=DAY / 2, work=work, tell=_fail, sign=lambda _: None, reload=lambda: folder,
        waiter=world, signals=signals,
    ).run()  # fmt: skip
    all_in_time(world)
    nothing_piles_up(world)


def test_refused_stage_is_not_retried_in_every_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(folder, refuse=True)
    world.stages[NAMES[0]] = "checking-dns"
    engine = engine_in(world, monkeypatch)
    monkeypatch.setattr(world, "chance", random.Random(1))
    codes = []
    for _ in range(20):
        codes.append(int(sync(engine, RunRequest(), command="test").exit_code))
        world.time += 3600.0
    assert world.moves == 1
    assert codes.count(4) == 1
    world.time += DAY
    sync(engine, RunRequest(), command="test")
    assert world.moves == 2


def _fail(error: Exception) -> None:
    raise AssertionError(error)
