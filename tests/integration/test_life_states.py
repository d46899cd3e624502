"""Tests that the results of checks reach the domain states in WordPress within one run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.life import HERE, STRANGER

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real
SHOP, OTHER = "shop.example.org", "other.example.org"


def test_check_results_are_in_wordpress_within_one_run(world: Life) -> None:
    """Only what people see first needs a call of its own: the time of the next check travels in the next read."""
    bridge = world.bridge
    bridge.create_events_table()
    bridge.adopt()
    world.names.point(**{SHOP: STRANGER, OTHER: STRANGER})
    bridge.multisite.add_mappings_sql([(SHOP, 2), (OTHER, 2)], stage="checking-dns")
    world.sync()

    def states() -> dict[str, dict[str, Any]]:
        rows = bridge.multisite.sql("SELECT * FROM wp_closte_bridge_domains")
        return {str(row["domain"]): {**row, "args": json.loads(row["args"] or "")} for row in rows}

    shop = states()[SHOP]
    assert (shop["state"], shop["code"], shop["needs"], shop["blog_id"]) == (
        "blocked", "points-elsewhere", "customer", "2",
    )  # fmt: skip
    (record,) = shop["args"]["step"]["records"]
    assert (record["type"], record["value"], record["current"]) == ("A", [HERE], [STRANGER])
    assert shop["args"]["evidence"]["addresses"] == [STRANGER]
    # Nothing changed but the times.
    report = world.sync(after=400)
    assert report.verified is not None
    assert {SHOP, OTHER} <= report.verified.checked.keys()
    assert states()[SHOP] == shop
    world.names.point(**{SHOP: HERE})
    report = world.sync(after=400)
    assert report.unpublished is None
    found = states()
    assert (found[SHOP]["state"], found[SHOP]["needs"]) == ("dns-ok", "")
    assert [entry[1:] for entry in found[SHOP]["args"]["history"]][-1] == ["blocked", "points-elsewhere"]
    assert found[OTHER]["next_check"] != shop["next_check"]
