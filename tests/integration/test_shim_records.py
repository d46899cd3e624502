"""Tests of missing domain records: closte-bridge creates them for new sites, and for older sites only on command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import bridge_for
from tests.support.rows import delete_mappings, set_option
from tests.support.shim import heartbeat, shimmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with shimmed(multisite, tmp_path / "engine") as bridge:
        # The first successful sync reports to the shim with an extra call of `wp`, which would change the counts below.
        heartbeat(multisite)
        yield bridge


def site_without_record(multisite: Multisite, slug: str) -> int:
    """Create a site while Ultimate Multisite is not loaded, so that the site has no domain record."""
    ran = multisite.wp("site", "create", f"--slug={slug}", "--porcelain", "--skip-plugins")
    assert f"{slug}.{multisite.main_domain}" not in multisite.domains()
    return int(ran.stdout.split()[-1])


def wp_calls(bridge: Bridge) -> int:
    """Return how many `wp` processes a sync starts."""
    ran = bridge.run("sync", "--format=json")
    assert ran.code == 0, ran
    return int(ran.envelope["cost"]["wp_calls"])


def is_made_up_for(bridge: Bridge) -> None:
    """Check that the next sync creates the record like Ultimate Multisite, adds its domain, and does so only once."""
    multisite = bridge.multisite
    site = site_without_record(multisite, "one")
    plan = bridge.run("plan", "--detailed-exitcode")
    assert plan.code == 6
    assert "  *  one.example.net  site 2 has no domain record\n" in plan.out
    assert "1 domain record to create" in plan.out
    assert bridge.run("sync", "--dry-run").out.startswith(plan.out.partition("Cost:")[0])
    assert multisite.domains() == []
    ran = bridge.run("sync", "--format=json")
    assert ran.code == 0, ran
    assert ran.envelope["cost"]["wp_calls"] == 3
    assert [(row["change"], row["domain"], row["status"]) for row in ran.envelope["data"]] == [
        ("record", "one.example.net", "done"),
        ("add", "one.example.net", "done"),
    ]
    assert "one.example.net" in bridge.aliases
    (row,) = multisite.mappings()
    assert (row["blog_id"], row["primary_domain"], row["stage"]) == (str(site), "1", "checking-dns")
    # Ultimate Multisite's own function created the record, so the check of its stage is enqueued.
    checked = {args["domain_id"] for _, args in multisite.jobs("wu_async_process_domain_stage")}
    assert checked == {int(str(row["id"]))}
    assert wp_calls(bridge) == 1
    assert multisite.domains() == ["one.example.net"]
    log = bridge.run("log", "one.example.net", "--fields=action,cause,outcome", "--format=csv").out
    assert "record,site has no record,done\n" in log


def test_missing_record_is_made_by_the_next_sync(bridge: Bridge) -> None:
    is_made_up_for(bridge)


@pytest.mark.mariadb
def test_missing_record_is_made_on_mariadb(multisite_mariadb: Multisite, tmp_path: Path) -> None:
    with shimmed(multisite_mariadb, tmp_path / "engine") as bridge:
        heartbeat(multisite_mariadb)
        is_made_up_for(bridge)


def test_many_missing_records_follow_the_shims_rules(bridge: Bridge) -> None:
    """A shared base domain, a subdirectory site and a site refused by a filter get no record and no second try."""
    multisite = bridge.multisite
    multisite.add_mu_plugin(
        "rules",
        "add_filter('wu_checkout_form_base_domains', fn($d) => array('shared.example.org'));"
        "add_filter('wu_should_create_domain_record_for_site', fn($make, $site) => 'no.example.net' !== $site->domain,"
        " 10, 2);",
    )
    sites = [("shared.example.org", "/"), ("example.net", "/sub/"), ("dir.example.net", "/sub/")]
    sites += [(f"{slug}.example.net", "/") for slug in ("no", "one", "two", "odd")]
    code = "foreach (json_decode($args[0]) as $site) { wpmu_create_blog($site[0], $site[1], 'T', 1); }"
    multisite.wp("eval-file", "-", json.dumps(sites), "--skip-plugins", stdin=f"<?php {code}")
    multisite.sql("UPDATE wp_blogs SET domain = 'o_dd.example.net' WHERE domain = 'odd.example.net'")
    # A command for one domain creates no records, and forgets no missing ones.
    assert bridge.run("domain", "add", "pinned.example.org").code == 0
    assert multisite.domains() == []
    ran = bridge.run("sync", "--format=json")
    # closte-bridge reports the site that Ultimate Multisite refuses, and creates the other records.
    assert (ran.code, ran.codes) == (4, ["record-refused"])
    assert ran.envelope["errors"][0]["domain"] == "o_dd.example.net"
    assert ran.envelope["cost"]["wp_calls"] == 3
    assert multisite.domains() == ["one.example.net", "two.example.net"]
    assert {"one.example.net", "two.example.net"} <= bridge.aliases
    assert wp_calls(bridge) == 1, "what was refused is tried again after an hour, the others never"


def test_site_without_an_event_waits_for_a_day(bridge: Bridge) -> None:
    """The site may be the first half of an import. After the wait closte-bridge creates only a few records per day."""
    multisite = bridge.multisite
    for site in range(2, 7):
        multisite.add_site_sql(site, f"s{site}.example.net")
    ran = bridge.run("sync", "--format=json")
    assert (ran.code, ran.envelope["cost"]["wp_calls"]) == (0, 2)
    row = ran.envelope["data"][0]
    assert (row["change"], row["status"]) == ("record", "on-hold")
    reason = "site 2 has no domain record, but its mappings may still be imported"
    assert row["reason"] == reason
    later(bridge, 86401)
    # If `wp` works only without plugins, closte-bridge still adds domains, and creates the records later.
    broken = multisite.path / "wp-content/plugins/broken.php"
    broken.write_text("<?php\n/* Plugin Name: Broken */\nif (in_array('eval-file', $GLOBALS['argv'])) { exit(3); }\n")
    multisite.wp("plugin", "activate", "broken", "--network")
    multisite.add_mappings_sql([("shop.example.com", 1)])
    ran = bridge.run("sync", "--format=json")
    assert ran.code == 0, ran
    assert {row["reason"] for row in ran.envelope["data"] if row["change"] == "record"} == {
        f"site {site} has no domain record, but an import may be running" for site in range(2, 7)
    }
    ran = bridge.run("sync", "--format=json")
    assert ran.code == 5, ran
    assert ran.envelope["errors"][0]["message"].startswith("Could not create domain records: ")
    assert "shop.example.com" in bridge.aliases
    broken.write_text("<?php\n/* Plugin Name: Broken */\n")
    later(bridge, 601)
    bridge.run("sync")
    assert multisite.domains() == ["s2.example.net", "s3.example.net", "s4.example.net", "shop.example.com"]
    assert wp_calls(bridge) == 1
    later(bridge, 86401)
    bridge.run("sync")
    assert len(multisite.domains()) == 6
    assert {f"s{site}.example.net" for site in range(2, 7)} <= bridge.aliases


def test_import_with_late_mappings_loses_nothing(bridge: Bridge) -> None:
    """An SQL import adds the sites first, and their mappings with the IDs of the dump 15 minutes later."""
    multisite = bridge.multisite
    sites = range(2, 22)
    for site in sites:
        multisite.add_site_sql(site, f"s{site}.example.net")
    rows = [(2 * site - 3, site, f"s{site}.example.net", 1) for site in sites]
    rows += [(2 * site - 2, site, f"shop{site}.example.com", 0) for site in sites]
    for _ in range(3):
        assert bridge.run("sync").code == 0
        later(bridge, 301)
    for row in rows:
        # Like a client that continues after an error: a row with an existing ID is lost.
        multisite.sql(
            "INSERT OR IGNORE INTO wp_wu_domain_mappings (id, blog_id, domain, active, primary_domain, secure, stage)"
            f" VALUES ({row[0]}, {row[1]}, '{row[2]}', 1, {row[3]}, 0, 'done')"
        )
    later(bridge, 2 * 86400)
    assert bridge.run("sync").code == 0
    columns = ("id", "blog_id", "domain", "primary_domain")
    found = [tuple(str(row[name]) for name in columns) for row in multisite.mappings()]
    assert sorted(found) == sorted(tuple(map(str, row)) for row in rows)


def later(bridge: Bridge, seconds: int) -> None:
    """Move the times in the ledger back, as if these seconds had passed."""
    with closing(sqlite3.connect(bridge.state / "ledger.sqlite3")) as connection, connection:
        connection.execute("UPDATE flags SET since = since - ? WHERE kind LIKE 'record-%'", (seconds,))


def test_deleted_record_stays_deleted(bridge: Bridge) -> None:
    multisite = bridge.multisite
    multisite.create_site("one")
    multisite.delete_mapping("one.example.net")
    multisite.create_site("two")
    bridge.run("sync")
    assert multisite.domains() == ["two.example.net"]
    delete_mappings(multisite, ["two.example.net"])
    assert wp_calls(bridge) == 2
    assert multisite.domains() == []


def test_record_deleted_without_an_event_stays_deleted(bridge: Bridge) -> None:
    """This also applies if closte-bridge may not change anything when the record is deleted."""
    multisite = bridge.multisite
    bridge.run("shim", "uninstall", "--keep-owner", "--yes")
    bridge.run("sync")
    set_option(multisite, "wu_host_integrations_enabled", None)
    multisite.create_site("one")
    assert wp_calls(bridge) == 1
    multisite.delete_mapping("one.example.net")
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    for _ in range(3):
        assert wp_calls(bridge) == 1
        later(bridge, 86401)
    assert multisite.domains() == []


def move(multisite: Multisite, site: int, domain: str, path: str = "/", *options: str) -> None:
    """Change the address of a site like Network Admin > Sites > Edit."""
    change = f"array('domain' => '{domain}', 'path' => '{path}')"
    multisite.wp("eval", f"is_wp_error(wp_update_site({site}, {change})) && exit(1);", *options)


def primaries(multisite: Multisite) -> dict[str, str]:
    """Return for each mapping whether it is the primary domain of its site."""
    return {str(row["domain"]): str(row["primary_domain"]) for row in multisite.mappings()}


def test_new_address_gets_its_own_record_and_never_a_second_primary(bridge: Bridge) -> None:
    multisite = bridge.multisite
    site = int(multisite.create_site("one"))
    bridge.run("sync")
    move(multisite, site, "two.example.net")
    expected = {"one.example.net": "1", "two.example.net": "0"}
    assert primaries(multisite) == expected
    assert multisite.jobs("wu_async_process_domain_stage")[-1][1] == {"domain_id": 2}
    assert wp_calls(bridge) == 2
    assert {*expected} <= bridge.aliases
    # Without Ultimate Multisite, the shim cannot create the record, but its event shows the move.
    move(multisite, site, "three.example.net", "/", "--skip-plugins")
    assert primaries(multisite) == expected
    ran = bridge.run("sync", "--format=json")
    assert [(row["change"], row["domain"], row["status"]) for row in ran.envelope["data"]] == [
        ("record", "three.example.net", "done"),
        ("add", "three.example.net", "done"),
    ]
    expected["three.example.net"] = "0"
    assert primaries(multisite) == expected
    # No event shows this change.
    multisite.sql(f"UPDATE wp_blogs SET domain = 'four.example.net' WHERE blog_id = {site}")
    held = bridge.run("sync", "--format=json").envelope["data"]
    assert [(row["domain"], row["status"]) for row in held] == [("four.example.net", "on-hold")]
    shown = bridge.run("domain", "backfill", "--dry-run", "--fields=domain,site", "--format=csv")
    assert shown.out == f"domain,site\nfour.example.net,{site}\n"
    later(bridge, 86401)
    assert wp_calls(bridge) == 3
    expected["four.example.net"] = "0"
    assert primaries(multisite) == expected
    # All sites of a subdirectory network share this domain.
    move(multisite, site, "example.net", "/four/")
    assert wp_calls(bridge) == 1
    assert primaries(multisite) == expected
    assert bridge.aliases == {*expected}


# -- older sites -----------------------------------------------------------------------------------------------------


@pytest.fixture
def older(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide three sites without a record, and an installation that is not the owner yet."""
    multisite.enable_closte()
    multisite.add_mu_plugin("bases", "add_filter('wu_checkout_form_base_domains', fn($d) => array('no.example.net'));")
    for slug in ("one", "no", "two"):
        site_without_record(multisite, slug)
    with bridge_for(multisite, tmp_path / "engine") as bridge:
        yield bridge


def test_older_sites_get_records_by_command_only(older: Bridge) -> None:
    multisite = older.multisite
    refused = older.run("domain", "backfill", "--yes", "--format=json")
    assert (refused.code, refused.codes) == (7, ["not-adopted"])
    older.adopt()
    assert wp_calls(older) == 1
    assert multisite.domains() == []
    set_option(multisite, "wu_host_integrations_enabled", None)
    idle = older.run("domain", "backfill", "--yes")
    assert (idle.code, idle.out) == (0, "")
    assert idle.err.startswith("Warning: closte-bridge changes nothing: the Closte integration is disabled")
    # A site created meanwhile is not an older site: it gets its record as soon as closte-bridge may change the network.
    site_without_record(multisite, "new")
    assert wp_calls(older) == 1
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    assert wp_calls(older) == 1
    later(older, 86401)
    assert wp_calls(older) == 2
    assert multisite.domains() == ["new.example.net"]
    shown = older.run("domain", "backfill", "--dry-run", "--fields=domain,site,status", "--format=csv")
    assert shown.golden == (0, "domain,site,status\none.example.net,2,planned\ntwo.example.net,4,planned\n", "")
    said = '"one.example.net" for site 2.\n"two.example.net" for site 4.\n'
    question = "Create these 2 domain records? [y/n] "
    aborted = "Error: Aborted.\ncloste-bridge made no further changes. Run the command again to continue.\n"
    assert older.run_asked("n\n", "domain", "backfill").golden == (1, said, question + aborted)
    assert multisite.domains() == ["new.example.net"]
    done = older.run_asked("y\n", "domain", "backfill")
    closing = "Success: Created 2 of 2 domain records.\nRun `closte-bridge sync` to add the domains to Closte.\n"
    cost = "Cost: 3 wp calls (0.00 s), 1 API call (0.00 s), planning 0.000 s.\n"
    assert done.golden == (0, said + closing + cost, question)
    assert multisite.domains() == ["new.example.net", "one.example.net", "two.example.net"]
    assert older.run("domain", "backfill").golden == (
        0,
        "Success: Nothing to do: no domain records are missing.\n",
        "",
    )
    older.run("sync")
    assert older.aliases == {"new.example.net", "one.example.net", "two.example.net"}


def test_backfill_of_named_domains_rejects_the_others(older: Bridge) -> None:
    older.adopt()
    names = ("TWO.example.net", "no.example.net", "nobody.example.net")
    ran = older.run("domain", "backfill", *names, "--yes", "--format=json")
    assert ran.code == 4
    assert ran.codes == ["record-not-needed", "record-not-needed"]
    assert [(row["domain"], row["status"]) for row in ran.envelope["data"]] == [("two.example.net", "done")]
    assert older.multisite.domains() == ["two.example.net"]
    assert older.run("domain", "backfill", "a b").code == 2
