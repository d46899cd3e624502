"""Adoptions that were told in words: what is asked for before a ledger is bound, and what becomes ours."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine.adopt import Offer, adopt
from closte_bridge.errors import ReadOnlyError
from tests.property.world import Faults, World

if TYPE_CHECKING:
    from pathlib import Path


def adopted(world: World, *, take_over: bool = False) -> Offer:
    """Adopt what is there."""
    with world.around(Faults()):
        return adopt(world.engine(), take_over=take_over, agree=lambda _: True, command="adopt")


def engine_of(world: World) -> str:
    """Return the engine that the ledger is."""
    identity = world.ledger().identity
    assert identity is not None
    return identity.engine


def test_a_copy_of_everything_is_not_adopted_unasked(tmp_path: Path) -> None:
    world = World(tmp_path)
    adopted(world)
    first = engine_of(world)
    # The files, the database with its owner in it, and the ledger; then the copy got a domain of its own.
    shutil.copytree(world.settings.state_dir, tmp_path / "copy")
    world.settings = replace(world.settings, state_dir=tmp_path / "copy")
    world.wordpress.domain = "staging.network.org"
    with pytest.raises(ReadOnlyError) as refused:
        adopted(world)
    assert refused.value.code == "perhaps-a-copy"
    assert refused.value.message == (
        "This may be a copy of the network: the main domain is not the one that this ledger is bound to "
        '(it was "network.org", and is "staging.network.org"); '
        "the ledger was bound on another host or in another folder."
    )
    assert engine_of(world) == first
    offer = adopted(world, take_over=True)
    assert (offer.renewed, offer.owner is not None) == (False, True)
    owner = world.wordpress.rows.owner
    assert owner is not None
    assert owner.engine == engine_of(world) != first


def test_a_new_main_domain_is_adopted_by_the_same_engine(tmp_path: Path) -> None:
    world = World(tmp_path)
    adopted(world)
    first = engine_of(world)
    world.wordpress.domain = "renamed.org"
    offer = adopted(world)
    assert (offer.renewed, offer.former, engine_of(world)) == (True, "network.org", first)


def test_only_what_this_network_wants_is_adopted(tmp_path: Path) -> None:
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
    assert "b.example.com" in offer.foreign
