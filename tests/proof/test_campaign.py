"""The short form of the campaign: fewer mappings, some faults in each round, one seed. The long one: `script/proof`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import short_folder
from tests.proof import faults
from tests.proof.campaign import campaign

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SEED = 7


def at_once(this: Campaign) -> None:
    """Several things go wrong one after another, with nothing good between them."""
    for fault in (faults.killed, faults.closte_fails, faults.wp_fails):
        fault(this)


def and_then(this: Campaign) -> None:
    """Likewise, with what concerns time and place."""
    for fault in (faults.two_at_once, faults.the_disk_is_full, faults.the_database_goes_back, faults.a_copy_wakes_up):
        fault(this)


def test_what_is_thrown_at_it_is_survived(multisite_template: Multisite) -> None:
    with short_folder() as folder:
        result = campaign(folder / "c", multisite_template, SEED, mappings=60, faults=(at_once, and_then))
    assert not result.broken, f"Seed {SEED}: {result.broken}"
    assert result.rounds == 2
    assert sum(result.faults.values()) >= 8, result.faults
    assert result.figures["added at Closte"] >= 30, result.figures
