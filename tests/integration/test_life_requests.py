"""Tests of requests from WordPress: a check now, and the retry of a failed change now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ExitCode
from tests.support.life import HERE, STRANGER
from tests.support.shim import events, shimmed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.life import Life
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

SHOP, OTHER = "shop.example.org", "other.example.org"
SITE = 2


def test_requested_check_is_made_in_the_next_run(world: Life) -> None:
    world.bridge.create_events_table()
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER, OTHER: STRANGER})
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE), (OTHER, SITE)], stage="checking-dns")
    world.sync()
    world.names.point(**{SHOP: HERE, OTHER: HERE})
    world.bridge.add_event("check", SHOP, blog_id=SITE)
    world.bridge.add_event("check", "unknown.example.org")
    report = world.sync(after=20)
    assert report.exit_code is ExitCode.OK
    assert report.verified is not None
    assert [*report.verified.checked] == [SHOP]
    assert world.stage(SHOP)[0] == "checking-ssl-cert"
    assert world.stage(OTHER)[0] == "checking-dns"
    # The rows are acknowledged, and the request counts once.
    report = world.sync(after=1)
    assert report.verified is not None
    assert report.verified.checked == {}
    assert world.bridge.event_uids() == []


def test_request_survives_a_run_that_checks_other_domains(world: Life) -> None:
    world.bridge.create_events_table()
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER, OTHER: STRANGER})
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE), (OTHER, SITE)], stage="checking-dns")
    world.sync()
    world.bridge.add_event("check", SHOP, blog_id=SITE)
    world.sync(after=5, only=frozenset({OTHER}))
    report = world.sync(after=5)
    assert report.verified is not None
    assert [*report.verified.checked] == [SHOP]


def test_requested_retry_ends_the_back_off_of_one_domain(multisite: Multisite, tmp_path: Path) -> None:
    """The request is made by the shim; forged rows and a thousand rows change nothing else."""
    with shimmed(multisite, tmp_path / "engine") as bridge:
        multisite.add_mappings_sql([("bad.example.com", 1), ("worse.example.com", 1)])
        bridge.sandbox.set_faults("unknown-error@bad.example.com", "unknown-error@worse.example.com")
        assert bridge.run("sync").code == 4
        bridge.sandbox.set_faults()
        bridge.changes()
        assert bridge.run("sync").code == 0
        assert bridge.changes() == []
        note = r"var_export(Closte_Bridge\Requests::note('retry', 'bad.example.com', 1));"
        load = r"Closte_Bridge\run('Requests', 'note', array('', '', 0));"
        assert multisite.php(f"{load} {note}").strip() == "true"
        assert events(multisite) == [("retry", 1, "bad.example.com", None)]
        multisite.sql(
            "INSERT INTO wp_closte_bridge_events (network_id, uid, created_at, kind, blog_id, domain, detail) VALUES "
            + ", ".join(
                f"(1, 'forged{number}', 1, 'check', 99, 'x{number}.evil.example', '[[')" for number in range(1000)
            )
        )
        assert bridge.run("sync").code == 0
        assert bridge.changes() == [("add", "bad.example.com")]
        bridge.run("sync")
        assert events(multisite) == []
        assert bridge.aliases == {"bad.example.com"}
        assert bridge.run("shim", "status", "--format=json").envelope["data"].get("quarantined", 0) == 0
