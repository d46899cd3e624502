"""Tests of `domain prune`: mappings without a site are explained, and deleted on request only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import Bridge, bridge_for
from tests.support.rows import switch_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

GONE, LATER, KEPT = "gone.example.org", "later.example.org", "kept.example.org"


@pytest.fixture
def orphaned(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide an adopted network with two mappings of sites that do not exist, and one of a site."""
    switch_on(multisite)
    multisite.create_site("shop")
    multisite.add_mappings_sql([(GONE, 98), (LATER, 99), (KEPT, 2)])
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        bridge.adopt()
        assert bridge.run("sync").code == 0
        yield bridge


def test_mapping_without_a_site_is_shown_and_deleted_on_request(orphaned: Bridge) -> None:
    step = "Delete the mapping with `closte-bridge domain prune`. Its site no longer exists."
    explained = orphaned.run("domain", "explain", GONE, "--format=json").envelope["data"]
    assert (explained["wordpress"], explained["next_step"]) == (
        'mapped to site 98, which does not exist, stage "done"',
        step,
    )
    listed = orphaned.run("domain", "list", "--fields=domain,reason", "--format=json").envelope["data"]
    reasons = {row["domain"]: row["reason"] for row in listed}
    assert "98" in reasons[GONE]
    assert "99" in reasons[LATER]
    planned = orphaned.run("domain", "prune", "--dry-run", "--fields=domain,site,status", "--format=csv")
    assert planned.out == f"domain,site,status\n{GONE},98,planned\n{LATER},99,planned\n"

    refused = orphaned.run_asked("n\n", "domain", "prune", GONE)
    assert refused.code == 1
    assert GONE in orphaned.multisite.domains()
    orphaned.changes()
    done = orphaned.run("domain", "prune", GONE, "--yes")
    assert (done.code, "Success: Deleted 1 of 1 mapping." in done.out + done.err) == (0, True), done
    assert orphaned.multisite.domains() == sorted([KEPT, LATER, "shop.example.net"])
    # The alias stays on Closte until a sync removes it by the rules for removals.
    assert orphaned.changes() == []
    assert f"prune,{GONE},done" in orphaned.run("log", "--fields=action,domain,outcome", "--format=csv").out
    assert orphaned.run("domain", "prune", GONE, "--yes").out == "Success: Nothing to do: every mapping has a site.\n"


def test_row_whose_site_exists_again_stays(orphaned: Bridge) -> None:
    """The site may appear after the list was shown: each row is read again just before."""
    sql = "INSERT INTO wp_blogs (blog_id, site_id, domain, path) VALUES (98, 1, 'new.example.net', '/')"
    create = f'global $wpdb; $wpdb->query("{sql}");'
    # Only a process with plugins, which deletes: the read has none.
    orphaned.multisite.add_mu_plugin(
        "restore",
        f"add_action('plugins_loaded', function () {{ if (function_exists('wu_get_domain')) {{ {create} }} }});",
    )
    done = orphaned.run("domain", "prune", "--yes", "--fields=domain,status", "--format=csv")
    assert done.out.startswith(f"domain,status\n{GONE},changed\n{LATER},done\n"), done
    assert GONE in orphaned.multisite.domains()


def test_network_that_is_not_adopted_is_not_changed(multisite: Multisite, tmp_path: Path) -> None:
    switch_on(multisite)
    multisite.add_mappings_sql([(GONE, 98)])
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        assert bridge.run("domain", "prune", "--yes").code == 7
    assert multisite.domains() == [GONE]
