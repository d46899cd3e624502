"""Stages that a run moves, and when deferred checks follow, with fakes of WordPress, DNS and TLS."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.checks.model import NOWHERE, DnsCode, DnsVerdict, DomainCheck, Expected
from closte_bridge.checks.silence import Silence
from closte_bridge.cli.commands.plan import _code, plan_one
from closte_bridge.cli.messages import silence_warnings
from closte_bridge.engine import verify as verify_module
from closte_bridge.engine.loop import TRIGGER_FILE, next_due, touch
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.shim_status import addresses
from tests.unit.test_engine_loop_year import DAY, NAMES, World, engine_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.stages import StagePlan
    from closte_bridge.wordpress.results import StageOutcome, WriteResult
    from closte_bridge.wordpress.writer import StageMove

A, B, C = NAMES


@dataclass
class Steady(World):
    """A world in which every domain points here, each clock read takes a moment, and `wp` may fail to write."""

    fails: bool = False
    shared: bool = False

    def now(self) -> float:
        self.time += 0.001
        return self.time

    def pool(self, **_: Any) -> World:  # noqa: ANN401 - as in `CheckPool`
        return self

    def run(self, names: Iterable[str], take: Callable[[DomainCheck], None]) -> Expected:
        for name in names:
            take(DomainCheck(name, DnsVerdict(name, DnsCode.OK, points_here=True), None, self.time))
        return Expected(("192.0.2.10",), (), shared=self.shared)

    def move(self, settings: object, cost: object, moves: list[StageMove]) -> list[WriteResult[StageOutcome]]:
        if self.fails:
            raise BridgeError("No.", code="wp-not-started")
        return super().move(settings, cost, moves)

    @contextmanager
    def observe(self, engine: Engine, *, acknowledge: bool = False) -> Iterator[Observation]:
        del acknowledge  # acknowledge in every read
        with super().observe(engine, acknowledge=True) as view:
            yield view


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Steady:
    made = Steady(folder)
    made.stages = dict.fromkeys(NAMES, "checking-dns")
    monkeypatch.setattr("closte_bridge.cli.commands.plan.observe", made.observe)
    return made


@pytest.fixture
def engine(world: Steady, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return engine_in(world, monkeypatch)


def names(plan: StagePlan | None) -> list[str]:
    assert plan is not None
    return [change.name for change in plan.changes]


def ran(engine: Engine, **request: Any) -> RunReport:  # noqa: ANN401 - any field of `RunRequest`
    return sync(engine, RunRequest(**request), command="test")


def known(engine: Engine) -> dict[str, CheckState]:
    with engine.opened():
        assert engine.ledger is not None
        return check_states.load(engine.ledger, NAMES)


def seen_and_not_moved(world: Steady, engine: Engine) -> None:
    world.fails = True
    report = ran(engine)
    assert report.verified is not None
    assert report.verified.trouble is not None
    world.fails = False


def test_deferred_checks_follow_after_a_second(world: Steady, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "MOST_CHECKS", 1)
    for left in (2, 1):
        report = ran(engine)
        assert report.verified is not None
        assert report.verified.due_later == left
        assert next_due(report, world.time, 300.0) - world.time == pytest.approx(1.0)
    # The third run checks the last domain. After that, no check is due for a minute.
    assert next_due(ran(engine), world.time, 300.0) - world.time >= 60.0


def test_addresses_are_saved_for_the_shim_unless_they_are_a_cdns(world: Steady, engine: Engine) -> None:
    def saved() -> list[str]:
        with engine.opened():
            assert engine.ledger is not None
            return addresses(engine.ledger)

    world.shared = True
    ran(engine)
    assert saved() == []
    world.shared = False
    world.time += 2 * DAY
    ran(engine)
    assert saved() == ["192.0.2.10"]


def test_local_outage_changes_nothing_and_is_reported(
    world: Steady, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(engine)
    before = known(engine)
    world.time += DAY

    class Deaf:
        def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as in `CheckPool`
            self._on_silence = settings["on_silence"]

        def run(self, _names: object, _take: object) -> Expected:
            self._on_silence(Silence("dns", ("192.0.2.53", "192.0.2.54")))
            return NOWHERE

    monkeypatch.setattr("closte_bridge.checks.pool.CheckPool", Deaf)
    report = ran(engine)
    assert known(engine) == before
    (warning,) = silence_warnings(report)
    assert warning.code == "dns-silent"
    assert "192.0.2.53, 192.0.2.54" in warning.message
    assert report.exit_code is ExitCode.OK
    # The next attempt waits for the normal interval.
    assert next_due(report, world.time, 300.0) - world.time == 300.0


@pytest.mark.parametrize(("named", "ended"), [(frozenset(), True), (frozenset({A}), False)])
def test_checks_yield_to_an_event_except_for_named_domains(
    world: Steady, engine: Engine, monkeypatch: pytest.MonkeyPatch, named: frozenset[str], ended: bool
) -> None:
    asked: list[bool] = []

    class Busy:
        def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as in `CheckPool`
            self._should_stop = settings["should_stop"]

        def run(self, _names: object, _take: object) -> Expected:
            asked.append(self._should_stop())
            touch(world.folder / TRIGGER_FILE)
            asked.append(self._should_stop())
            return NOWHERE

    monkeypatch.setattr("closte_bridge.engine.loop._CHECKS_UNDISTURBED", 0.0)
    monkeypatch.setattr("closte_bridge.checks.pool.CheckPool", Busy)
    ran(engine, only=named)
    assert asked == [False, ended]


def test_run_for_some_domains_moves_no_other_stages(world: Steady, engine: Engine) -> None:
    seen_and_not_moved(world, engine)
    report = ran(engine, only=frozenset({B}))
    assert report.verified is not None
    assert [moved.name for moved in report.verified.moved] == [B]
    assert names(report.verified.stages) == [B]
    assert world.stages == {A: "checking-dns", B: "checking-ssl-cert", C: "checking-dns"}
    ran(engine)
    assert set(world.stages.values()) == {"checking-ssl-cert"}


def test_plan_and_dry_run_show_the_stages_a_sync_moves(world: Steady, engine: Engine) -> None:
    seen_and_not_moved(world, engine)
    planned = plan_one(engine)
    assert names(planned.stages) == NAMES
    assert _code(planned, detailed=True) is ExitCode.CHANGES_PENDING
    assert _code(planned, detailed=False) is ExitCode.OK
    assert names(ran(engine, dry_run=True).stages) == NAMES
    assert names(ran(engine, dry_run=True, only=frozenset({B})).stages) == [B]
    assert world.moves == 0
    report = ran(engine)
    assert report.verified is not None
    assert [moved.name for moved in report.verified.moved] == NAMES
    after = plan_one(engine)
    assert (names(after.stages), _code(after, detailed=True)) == ([], ExitCode.OK)


def test_refused_stage_is_on_hold_until_its_retry(world: Steady, engine: Engine) -> None:
    world.refuse = True
    report = ran(engine)
    assert report.verified is not None
    assert [moved.result.text for moved in report.verified.moved] == ["refused domain"] * 3
    again = ran(engine)
    assert again.verified is not None
    for found in (plan_one(engine).stages, ran(engine, dry_run=True).stages, again.verified.stages):
        assert names(found) == []
        assert found is not None
        assert [(held.name, held.code) for held in found.holds] == [(name, "stage-refused") for name in NAMES]
    assert _code(plan_one(engine), detailed=True) is ExitCode.OK
    assert again.exit_code is ExitCode.OK
    assert world.moves == 3


def test_verdicts_before_checks_were_disabled_are_not_reported(world: Steady, engine: Engine) -> None:
    """A user may still request the check of one domain."""
    engine.settings = replace(engine.settings, checks=False)
    ended = CheckState(0.0, 0.0, checked_at=1.0, dns="ok", tls="ok", points_here=True, not_after=world.time - DAY)
    with engine.opened(), world.observe(engine) as view:
        assert engine.ledger is not None
        with engine.ledger.transaction():
            check_states.save(engine.ledger, {A: ended, B: ended})
        verified = verify_module.verify(engine, engine.ledger, view, "run", only={A}, revive={A})
    assert [*verified.checked] == [A]
    assert verified.expiring == []
