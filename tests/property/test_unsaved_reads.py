"""Tests of reads that save nothing: a domain that such a read finds in use does not count as missing since before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import pins
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.errors import BridgeError
from closte_bridge.hosting import Completeness, Listing
from closte_bridge.wordpress.snapshot import Owner
from tests.property.world import Faults, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.engine.run import RunReport
    from closte_bridge.wordpress.snapshot import Snapshot

NAME = "a.example.com"
MINUTE, HOUR = 60.0, 3600.0


def synced(world: World) -> RunReport | None:
    """Sync once; return None if the sync failed."""
    with world.around(Faults()):
        try:
            return sync(world.engine(), RunRequest(), command="sync")
        except BridgeError:
            return None


def adopted(world: World, *, after_another: bool = False) -> None:
    """Adopt the existing aliases; `after_another`: while another installation is the owner."""
    if after_another:
        world.wordpress.rows.owner = Owner("another", "host-2", "2026-01-01T00:00:00+00:00")
    with world.around(Faults()):
        offer = adopt(world.engine(), take_over=True, agree=lambda _: True, command="adopt")
    for name in offer.adoptable:
        world.closte[name] = "us"
        world.checker.ours_now(name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A network in sync, with one domain that the tests remove."""
    world = World(tmp_path)
    for name in [NAME, *(f"d{number}.shop.io" for number in range(9))]:
        world.wordpress.add(1, name)
        world.closte[name] = "other"
    adopted(world)
    synced(world)
    return world


def unmap(world: World, *, tell: bool = False) -> None:
    """Remove the domain from WordPress."""
    names = [row.domain for row in world.wordpress.rows.mappings]
    world.wordpress.remove(names.index(NAME), tell=tell)


def missing_in_two_looks(world: World) -> None:
    unmap(world)
    for _ in range(2):
        synced(world)
        world.true_time += 5 * MINUTE


def told_of(world: World) -> None:
    unmap(world, tell=True)
    synced(world)
    world.true_time += MINUTE


def told_of_and_not_looked_at(world: World) -> None:
    unmap(world, tell=True)


def dismissed(world: World) -> None:
    unmap(world)
    with world.around(Faults()):
        pins.request_removal(world.engine(), [NAME], "domain remove")


def changed(world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[Snapshot], Snapshot]) -> None:
    """Change what `wp` returns from now on."""
    plain = type(world.wordpress).snapshot
    monkeypatch.setattr(type(world.wordpress), "snapshot", lambda self, mode: change(plain(self, mode)))


def the_integration_is_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(world, monkeypatch, lambda s: replace(s, settings=replace(s.settings, integration=False)))


def the_environment_is_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(world, monkeypatch, lambda s: replace(s, network=replace(s.network, environment="staging")))


def the_key_is_rejected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = Listing(Completeness.UNREADABLE, "Closte refused access (HTTP 401).", key_rejected=True)
    monkeypatch.setattr(type(world), "listing", lambda _: rejected)


IDLE = (the_integration_is_off, the_environment_is_another, the_key_is_rejected)


@pytest.mark.parametrize("idle", IDLE)
@pytest.mark.parametrize("grounds", [missing_in_two_looks, told_of, dismissed])
def test_domain_used_during_an_idle_read_loses_earlier_evidence(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    grounds: Callable[[World], None],
    idle: Callable[[World, pytest.MonkeyPatch], None],
) -> None:
    grounds(world)
    mapped_while_idle(world, monkeypatch, idle)
    state = world.ledger()
    assert (NAME in state.absences, NAME in state.evidence, NAME in state.leaving) == (False, False, False)
    synced(world)
    assert NAME in world.closte


@pytest.mark.parametrize("idle", [the_integration_is_off, the_key_is_rejected])
def test_event_voided_during_an_idle_read_stays_void(
    world: World, monkeypatch: pytest.MonkeyPatch, idle: Callable[[World, pytest.MonkeyPatch], None]
) -> None:
    told_of_and_not_looked_at(world)
    mapped_while_idle(world, monkeypatch, idle)
    for _ in range(2):
        synced(world)
        world.true_time += 6 * MINUTE
    assert NAME in world.closte


def mapped_while_idle(
    world: World, monkeypatch: pytest.MonkeyPatch, idle: Callable[[World, pytest.MonkeyPatch], None]
) -> None:
    """Map the domain for over a day during which closte-bridge may change nothing; then unmap it again."""
    with monkeypatch.context() as meanwhile:
        idle(world, meanwhile)
        world.wordpress.add(1, NAME)
        for _ in range(3):
            synced(world)
            world.true_time += 10 * HOUR
    unmap(world)


def test_adoption_over_another_owner_restarts_waits(world: World) -> None:
    """Meanwhile another installation may have been the owner and have seen events that this ledger lacks."""
    missing_in_two_looks(world)
    world.true_time += 30 * HOUR
    adopted(world, after_another=True)
    synced(world)
    assert NAME in world.closte
    assert world.ledger().absences[NAME].times == 1


def test_event_before_a_take_over_is_void(world: World) -> None:
    told_of(world)
    world.true_time += 30 * HOUR
    adopted(world, after_another=True)
    synced(world)
    assert NAME in world.closte


def test_removal_command_before_a_take_over_is_void(world: World) -> None:
    """An adoption shows what it binds, but no earlier removal commands, so these must not take effect."""
    dismissed(world)
    world.true_time += 30 * HOUR
    adopted(world, after_another=True)
    synced(world)
    assert NAME in world.closte
    assert world.ledger().leaving == frozenset()


def test_run_without_its_known_config_records_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = world.settings
    world.settings = replace(given, source=tmp_path / "config.yaml")
    adopted(world)
    synced(world)
    before = world.meta()
    world.settings = given
    world.true_time += HOUR
    assert synced(world) is not None
    monkeypatch.setattr(type(world.wordpress), "snapshot", _fails)
    assert synced(world) is None
    assert world.meta() == before


def _fails(*_: object) -> Snapshot:
    raise BridgeError("No.", code="wp-dead")
