"""Tests that run a short fault injection: one seed, fewer mappings, several faults per round.

Two mutants check that fault injection notices a missing safety rule. `script/proof` runs the long form, and
`python -m tests.proof.mutants` runs all mutants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.proof import faults, upheavals
from tests.proof.campaign import campaign
from tests.proof.mutants import MUTANTS
from tests.support.folders import short_folder

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SEED = 7


def at_once(this: Campaign) -> None:
    """Inject several faults, one right after another."""
    for fault in (faults.killed, faults.closte_fails, faults.wp_fails, faults.killed_blind):
        fault(this)


def and_then(this: Campaign) -> None:
    """Inject several faults of time and environment, one right after another."""
    for fault in (
        faults.two_at_once,
        faults.the_disk_is_full,
        upheavals.the_database_goes_back,
        upheavals.an_import_is_half_done,
        upheavals.copies_wake_up,
        upheavals.the_ledger_is_copied,
    ):
        fault(this)


def test_combined_faults_are_survived(multisite_template: Multisite) -> None:
    with short_folder() as folder:
        result = campaign(folder / "c", multisite_template, SEED, mappings=60, faults=(at_once, and_then))
    assert not result.broken, f"Seed {SEED}: {result.broken}"
    assert result.rounds == 2
    assert sum(result.faults.values()) >= 15, result.faults
    assert result.figures["added at Closte"] >= 30, result.figures


@pytest.mark.parametrize("name", ["no grace", "no word of what a kill left"])
def test_mutant_without_a_safety_rule_is_caught(multisite_template: Multisite, name: str) -> None:
    chosen = [fault for fault in upheavals.FAULTS if fault.__name__ in MUTANTS[name].faults]
    for seed in range(SEED, SEED + 3):
        with short_folder() as folder:
            result = campaign(folder / "c", multisite_template, seed, mappings=20, faults=chosen, mutant=name)
        if result.broken:
            return
    pytest.fail(f"Nobody noticed the lack of a rule: {name}")
