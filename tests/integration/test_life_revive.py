"""Tests that `domain revive` does what it announces, and reports what it did not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.life import HERE, STRANGER
from tests.support.rows import set_option

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, OTHER = "shop.example.org", "other.example.org"
SITE = 2


def given_up(world: Life, *rows: tuple[str, int]) -> None:
    """Create mappings that failed before adoption, but have correct DNS and valid certificates now."""
    names = {name.lower() for name, _ in rows}
    world.names.point(**dict.fromkeys(names, HERE))
    world.certificates.issue(*names)
    world.bridge.multisite.add_mappings_sql(rows, stage="failed")
    world.bridge.adopt()


def test_revive_checks_even_if_checks_are_disabled(world: Life) -> None:
    given_up(world, (SHOP, SITE), (OTHER, SITE))
    world.bridge.write_config(checks=False)
    assert world.run("sync").code == 0
    assert world.stage(SHOP) == ("failed", False)
    revived = world.run("domain", "revive", SHOP, "--yes")
    assert revived.code == 0, revived
    assert world.stage(SHOP) == ("done", True)
    assert world.stage(OTHER) == ("failed", False)


def test_one_unrevived_domain_is_an_error(world: Life) -> None:
    given_up(world, (SHOP, SITE), (OTHER, SITE))
    world.names.point(**{OTHER: STRANGER})
    ran = world.run("domain", "revive", SHOP, OTHER, "--yes", "--format=json")
    assert (ran.code, ran.codes) == (4, ["not-revived"])
    (problem,) = ran.envelope["errors"]
    assert (problem["domain"], problem["message"]) == (
        OTHER,
        f'Could not revive "{OTHER}": its stage stays "failed" (DNS: points-elsewhere, certificate: no-listener).',
    )
    assert world.stage(SHOP) == ("done", True)
    assert world.stage(OTHER) == ("failed", False)


def test_contested_domain_is_not_offered_for_revival(world: Life) -> None:
    given_up(world, (SHOP, SITE), (SHOP, 1))
    ran = world.run("domain", "revive", SHOP, answer="y\n")
    assert ran.code == 4
    assert "would move" not in ran.out
    assert ran.err.startswith(f'Error: Could not revive "{SHOP}": mapped to several sites (1, 2).\n')


def test_mapping_of_another_network_is_not_revived(world: Life) -> None:
    multisite = world.bridge.multisite
    multisite.sql("INSERT INTO wp_blogs (blog_id, site_id, domain, path) VALUES (9, 2, 'second.example.com', '/')")
    given_up(world, (SHOP, SITE), (OTHER, 9))
    ran = world.run("domain", "revive", OTHER, answer="y\n")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f'Error: Could not revive "{OTHER}": it is not mapped to a site in this network.\n')
    nowhere = world.run("domain", "revive", "typo.example.org", "--format=json")
    assert (nowhere.code, nowhere.codes) == (1, ["not-mapped"])


def test_mapping_in_another_spelling_is_found(world: Life) -> None:
    given_up(world, ("Shop.Example.ORG", SITE))
    ran = world.run("domain", "revive", SHOP, "--yes")
    assert ran.code == 0, ran
    (row,) = [row for row in world.bridge.multisite.mappings() if str(row["domain"]).lower() == SHOP]
    assert row["stage"] == "done"


def test_revive_does_not_prompt_without_authority(world: Life) -> None:
    given_up(world, (SHOP, SITE))
    set_option(world.bridge.multisite, "closte_bridge_owner", None)
    ran = world.run("domain", "revive", SHOP, answer="y\n")
    assert (ran.code, ran.out) == (7, "")
    assert ran.err.startswith(
        "Error: closte-bridge changes nothing: WordPress no longer records this installation as the owner.\n"
    )
