"""Tests of adoptions step by step: what closte-bridge requests before it is bound, and what becomes managed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.cli.commands.adopt import run_adoption
from closte_bridge.engine import lock
from closte_bridge.engine.adopt import AdoptionOffer, adopt
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.errors import BridgeError, ReadOnlyError
from tests.property.world import Faults, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def adopted(world: World, *, take_over: bool = False) -> AdoptionOffer:
    """Adopt the existing aliases."""
    with world.around(Faults()):
        return adopt(world.engine(), take_over=take_over, agree=lambda _: True, command="adopt")


def engine_of(world: World) -> str:
    """Return the identity of the installation in the ledger."""
    identity = world.ledger().identity
    assert identity is not None
    return identity.engine


def test_full_copy_is_not_adopted_without_take_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    adopted(world)
    first = engine_of(world)
    # The copy has the files, the database with its owner, the ledger, and a new main domain.
    shutil.copytree(world.settings.state_dir, tmp_path / "copy")
    world.settings = replace(world.settings, state_dir=tmp_path / "copy")
    world.wordpress.domain = "staging.network.org"
    with pytest.raises(ReadOnlyError) as refused:
        adopted(world)
    assert refused.value.code == "possible-clone"
    assert refused.value.message == (
        "This looks like a staging copy: the main domain differs from the one recorded at adoption "
        '(was "network.org", now "staging.network.org"); '
        "the state folder was moved from another host or folder."
    )
    assert engine_of(world) == first
    offer = adopted(world, take_over=True)
    assert (offer.renewed, offer.owner is not None) == (False, True)
    owner = world.wordpress.rows.owner
    assert owner is not None
    assert owner.engine == engine_of(world) != first


def test_new_main_domain_is_adopted_by_the_same_installation(tmp_path: Path) -> None:
    world = World(tmp_path)
    adopted(world)
    first = engine_of(world)
    world.wordpress.domain = "renamed.org"
    offer = adopted(world)
    assert (offer.renewed, offer.former, engine_of(world)) == (True, "network.org", first)


def test_repeated_adoption_keeps_evidence_and_delays(tmp_path: Path) -> None:
    """A confirmed removal happens after its delay, even if a person adopts meanwhile."""
    world = World(tmp_path)
    names = [f"shop{number}.example.com" for number in range(5)]
    for name in names:
        world.wordpress.add(1, name)
    world.closte |= dict.fromkeys(names, "other")
    adopted(world)
    world.closte |= dict.fromkeys(names, "us")

    def synced() -> None:
        world.checker.begin(syncing=True)
        with world.around(Faults()):
            sync(world.engine(), RunRequest(), command="sync")

    synced()
    world.wordpress.remove(0, tell=True)
    world.wordpress.remove(0, tell=False)
    synced()
    before = world.ledger()
    assert names[0] in before.evidence
    assert names[1] in before.absences
    assert adopted(world).renewed
    assert (world.ledger().evidence, world.ledger().absences) == (before.evidence, before.absences)
    world.true_time += 301
    synced()
    assert world.closte.keys() & {*names} == {*names[1:]}


def test_adoption_after_a_clock_jump_restarts_waits(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.wordpress.add(1, "shop.example.com")
    world.closte["shop.example.com"] = "other"
    adopted(world)
    world.closte["shop.example.com"] = "us"
    world.wordpress.remove(0, tell=True)

    def synced() -> None:
        world.checker.begin(syncing=True)
        with world.around(Faults()):
            sync(world.engine(), RunRequest(), command="sync")

    synced()
    world.offset += 3600
    adopted(world)
    synced()
    assert "shop.example.com" in world.closte


def test_only_domains_wanted_by_this_network_are_adopted(tmp_path: Path) -> None:
    world = World(tmp_path)
    here, there, gone = 1, world.wordpress.create_site("second.net", 2), 77
    claims = [
        ("a.example.com", here),
        ("b.example.com", there),
        ("c.example.com", gone),
        ("d.example.com", here),
        ("d.example.com", there),
        ("e.example.com", here),
        ("www.e.example.com", there),
        ("*.wild.net", there),
        ("f.example.com", there),
        ("f.example.com", gone),
    ]
    for name, site in claims:
        world.wordpress.add(site, name)
    named = {name for name, _ in claims}
    world.closte |= dict.fromkeys(named | {f"www.{name}" for name in named} | {"stranger.example.com"}, "other")
    world.settings = replace(world.settings, wildcards=("*.wild.net",))
    offer = adopted(world)
    assert offer.adoptable == ("*.wild.net", "a.example.com", "e.example.com", "www.a.example.com")
    assert "b.example.com" in offer.unmanaged


@dataclass
class Person:
    """Fake person at a terminal, who does something else before answering yes."""

    meanwhile: Callable[[], None]
    assume_yes: bool = False
    read: list[str] = field(default_factory=list)

    @property
    def console(self) -> Person:
        return self

    def log(self, line: str) -> None:
        self.read.append(line)

    def confirm(self, question: str) -> None:
        self.read.append(question)
        self.meanwhile()


def adopted_by(world: World, person: Person, monkeypatch: pytest.MonkeyPatch) -> AdoptionOffer:
    """Adopt like the command does."""
    monkeypatch.setattr("closte_bridge.cli.commands.adopt.engine_of", lambda *_: world.engine())
    app: Any = person
    app.command, app.network = "adopt", lambda: None
    with world.around(Faults()):
        return run_adoption(app, take_over=False)[1]


def test_adoption_prompt_does_not_hold_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    adopted(world)
    seen = []

    def look() -> None:
        with lock.held(world.settings.state_dir, "sync"):
            seen.append(True)

    person = Person(look)
    assert adopted_by(world, person, monkeypatch).renewed
    assert seen == [True]
    assert person.read[-1] == "Adopt this network?"


def test_changed_offer_is_not_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    adopted(world)

    def rename() -> None:
        world.wordpress.domain = "renamed.org"

    with pytest.raises(BridgeError) as refused:
        adopted_by(world, Person(rename), monkeypatch)
    assert (refused.value.code, refused.value.exit_code) == ("offer-changed", 3)
    assert world.ledger().identity is not None
    assert world.ledger().identity.main_domain == "network.org"  # type: ignore[union-attr] # the line above checks it
