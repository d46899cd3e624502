"""Tests of the `doctor` checks of Ultimate Multisite and of mappings when some belong to another network."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from closte_bridge.config.model import WpSettings
from closte_bridge.doctor.model import Status
from closte_bridge.doctor.wordpress import of_records, of_rows, of_snapshot
from closte_bridge.ledger.state import LedgerState
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.wordpress.wp import WpCost
from tests.support.check_states import MAIN, NOW, a_row, a_site, a_snapshot

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine


def test_stuck_mapping_of_another_network_is_not_reported() -> None:
    snapshot = a_snapshot(
        a_row("ours.com", 1, 1, "failed"), a_row("theirs.com", 7, 2, "failed"), sites=[a_site(7, network=2)]
    )
    engine = cast("Engine", SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)))
    found = {f.check: f for f in of_rows(snapshot, engine, desired(snapshot, DomainPolicy(), LedgerState()))}
    assert found["stuck-stages"].message == "1 mapping stuck in a stage: ours.com."
    assert found["orphan-rows"].status is Status.OK


def test_missing_records_are_unknown_without_a_complete_read_or_plugins() -> None:
    wp = WpSettings(command=("/nowhere/wp",))
    engine = cast("Engine", SimpleNamespace(settings=SimpleNamespace(wp=wp), cost=SimpleNamespace(wp=WpCost())))
    snapshot = a_snapshot(a_row("shop.com", 2), sites=[a_site(2)])
    partial = of_records(engine, replace(snapshot, faults=("1 of 2 sites were read",)))
    assert (partial.status, partial.message) == (Status.SKIP, "Skipped: WordPress could not be read completely.")
    failing = of_records(engine, snapshot)
    assert (failing.status, failing.message) == (Status.SKIP, "Skipped: WordPress fails with plugins loaded.")
    mapped = a_snapshot(a_row(f"site2.{MAIN}", 2), sites=[a_site(2)])
    assert of_records(engine, mapped).status is Status.OK


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.3.4", Status.OK), ("2.14.99", Status.OK), ("2.15.0", Status.WARNING), ("3", Status.WARNING), ("?", Status.OK)],
)
def test_release_newer_than_those_tested_is_a_warning(version: str, status: Status) -> None:
    snapshot = a_snapshot(a_row("shop.com", 1, 1))
    snapshot = replace(snapshot, settings=replace(snapshot.settings, plugin_version=version))
    (plugin,) = [finding for finding in of_snapshot(snapshot) if finding.check == "plugin"]
    assert plugin.status is status
    assert version in plugin.message
