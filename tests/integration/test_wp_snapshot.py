"""Tests of reading a network with real `wp`: all data, from a single moment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.snapshot import Mapping, Owner, Site, WwwPolicy
from closte_bridge.wordpress.wp import WpCost
from tests.support.rows import EVENTS, add_event, create_events_table, set_option
from tests.support.running import wp_settings
from tests.support.snapshots import names, read, read_key
from tests.support.wordpress import TABLE, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from closte_bridge.config.model import WpSettings
    from tests.support.ssh import SshServer
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

KEY = "constant-key-0123456789abcdef"
# The creation date of a completed mapping matters only if its modification date is unknown.
DATE = "2024-01-01 00:00:00"


def everything_is_read(multisite: Multisite, settings: WpSettings) -> None:
    """Fill the network with every kind of row, and check each row of the snapshot."""
    blog_id = multisite.create_site("one")
    bulk = [(f"d{number:03}.example.org", blog_id) for number in range(248)]
    odd = [("twice.example.org", blog_id), ("twice.example.org", 1), ("of-a-site-that-is-gone.example.org", 999)]
    multisite.add_mappings_sql([*bulk, *odd])
    multisite.sql(f"UPDATE {TABLE} SET secure = 1, primary_domain = 1, active = 0 WHERE domain = 'd000.example.org'")
    multisite.sql(
        f"UPDATE {TABLE} SET domain = 'Bücher.example.org', stage = 'ssl-failed' WHERE domain = 'd001.example.org'"
    )
    multisite.sql(f"UPDATE wp_blogs SET archived = 1, spam = 1 WHERE blog_id = {blog_id}")
    multisite.wp("eval", "1;")
    assert multisite.serves_mapped_domains()
    snapshot = read(settings)
    assert snapshot.complete
    # Ultimate Multisite's sunrise.php must not treat the skipped plugins as disabled.
    assert multisite.serves_mapped_domains(), "Mapped domains are served no more."
    assert len(snapshot.mappings) == 252
    assert [m.id for m in snapshot.mappings] == list(range(1, 253))
    assert snapshot.highest_mapping == 252
    assert snapshot.highest_site == blog_id
    by_id = {mapping.id: mapping for mapping in snapshot.mappings}
    assert by_id[1].domain == "one.example.net"
    assert by_id[2] == Mapping(2, blog_id, "d000.example.org", False, True, True, "done", None, DATE)
    # The age of an uncompleted mapping matters.
    assert by_id[3] == Mapping(3, blog_id, "Bücher.example.org", True, False, False, "ssl-failed", DATE, DATE)
    assert [(m.domain, m.blog_id) for m in snapshot.mappings[249:]] == odd
    assert snapshot.sites == {
        1: Site(1, 1, "example.net", archived=False, spam=False, deleted=False),
        blog_id: Site(blog_id, 1, "one.example.net", archived=True, spam=True, deleted=False),
    }
    network = snapshot.network
    assert (network.id, network.domain, network.main_site) == (1, "example.net", 1)
    assert network.root == f"{multisite.path}/"
    # A deleted row is gone, but the highest assigned ID remains.
    multisite.sql(f"DELETE FROM {TABLE} WHERE id = 252")
    after = read(settings)
    assert (len(after.mappings), after.highest_mapping) == (251, 252)


def test_snapshot_is_complete(multisite: Multisite) -> None:
    everything_is_read(multisite, wp_settings(multisite))
    multisite.sql(f"DELETE FROM {TABLE}")
    empty = read(wp_settings(multisite))
    assert (empty.mappings, empty.complete) == ([], empty)


@pytest.mark.mariadb
def test_snapshot_is_complete_on_mariadb(multisite_mariadb: Multisite) -> None:
    everything_is_read(multisite_mariadb, wp_settings(multisite_mariadb))


@pytest.mark.mariadb
def test_null_line_breaks_and_broken_utf8_shift_no_columns(multisite_mariadb: Multisite) -> None:
    """Columns travel as lines of one text. NULL, line breaks and broken UTF-8 must not shift other columns."""
    multisite = multisite_mariadb
    multisite.sql(f"DELETE FROM {TABLE}")
    multisite.sql(f"ALTER TABLE {TABLE} MODIFY domain VARBINARY(191), MODIFY stage VARCHAR(40)")
    # More rows than fit in one part.
    multisite.add_mappings_sql((f"d{number}.example.org", number) for number in range(5003))
    for stage, domain in ((r"'two\nlines'", "d1.example.org"), ("''", "d2.example.org")):
        multisite.sql(f"UPDATE {TABLE} SET stage = {stage} WHERE domain = '{domain}'")
    multisite.sql(f"UPDATE {TABLE} SET date_modified = NULL, date_created = NULL WHERE domain = 'd3.example.org'")
    multisite.sql(f"UPDATE {TABLE} SET domain = X'6434C3' WHERE domain = 'd4.example.org'")
    snapshot = read(wp_settings(multisite))
    assert snapshot.complete
    rows = {mapping.blog_id: mapping for mapping in snapshot.mappings}
    assert sorted(rows) == list(range(5003))
    assert (rows[1].stage, rows[2].stage, rows[5].stage) == ("two\nlines", "", "done")
    assert (rows[3].created, rows[3].modified) == (None, None)
    assert rows[4].domain == "d4\ufffd"
    others = [mapping for blog_id, mapping in rows.items() if blog_id != 4]
    assert all(mapping.domain == f"d{mapping.blog_id}.example.org" for mapping in others)


@pytest.mark.ssh
def test_snapshot_is_complete_over_ssh(multisite: Multisite, sshd: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", sshd.env(dict(os.environ))["PATH"])
    multisite.define("CLOSTE_CLIENT_API_KEY", KEY)
    remote = wp_settings(multisite, command=("wp",), path=None, ssh=sshd.target(multisite.path))
    everything_is_read(multisite, remote)
    assert read_key(remote) == (KEY, "the constant CLOSTE_CLIENT_API_KEY")


# Settings


@pytest.mark.parametrize(
    ("stored", "mapping", "interval", "www"),
    [
        (None, True, 300, WwwPolicy.ALWAYS),
        ({"enable_domain_mapping": 0, "dns_check_interval": 3, "auto_create_www_subdomain": "never"},
         False, 10, WwwPolicy.NEVER),
        ({"enable_domain_mapping": "1", "dns_check_interval": "86400", "auto_create_www_subdomain": "main_only"},
         True, 300, WwwPolicy.MAIN_ONLY),
        ({"enable_domain_mapping": False, "dns_check_interval": "60", "auto_create_www_subdomain": "sometimes"},
         False, 60, WwwPolicy.ALWAYS),
        # The values that PHP reads from such numbers. An old release stored "not set" as "false".
        ({"enable_domain_mapping": "false", "dns_check_interval": "false", "auto_create_www_subdomain": ["x"]},
         True, 300, WwwPolicy.ALWAYS),
        ({"enable_domain_mapping": "", "dns_check_interval": 45.7, "auto_create_www_subdomain": None},
         False, 45, WwwPolicy.ALWAYS),
        ({"dns_check_interval": "abc"}, True, 10, WwwPolicy.ALWAYS),
        ("an option of another kind", True, 300, WwwPolicy.ALWAYS),
    ],
)  # fmt: skip
def test_settings_are_read_with_their_defaults(
    shared: Multisite, stored: object, mapping: bool, interval: int, www: WwwPolicy
) -> None:
    value = dict_of_lists(stored)
    set_option(shared, "wp-ultimo_v2_settings", value)
    settings = read(wp_settings(shared)).settings
    assert (settings.domain_mapping, settings.dns_check_interval, settings.www) == (mapping, interval, www)
    assert settings.plugin_version == "2.14.2"


def dict_of_lists(stored: object) -> object:
    """Return `stored` with lists in PHP form, as arrays with numeric keys."""
    if not isinstance(stored, dict):
        return stored
    return {key: dict(enumerate(item)) if isinstance(item, list) else item for key, item in stored.items()}


@pytest.fixture(scope="module")
def shared(multisite_template: Multisite, tmp_path_factory: pytest.TempPathFactory) -> Multisite:
    """Provide one network for the tests that set all options they read."""
    path = tmp_path_factory.mktemp("shared") / "wordpress"
    return copy_multisite(multisite_template, path, sqlite_database(path))


def test_toggle_is_read_in_every_stored_form(shared: Multisite) -> None:
    found = []
    for stored in (None, {"closte": True}, {"closte": False, "cpanel": True}, {"closte": "1"}, "broken"):
        set_option(shared, "wu_host_integrations_enabled", stored)
        found.append(read(wp_settings(shared)).settings.integration)
    assert found == [False, True, False, True, False]


def test_environment_application_and_owner_are_read(multisite: Multisite) -> None:
    settings = wp_settings(multisite)
    before = read(settings)
    assert (before.network.environment, before.network.app_id, before.owner) == ("production", None, None)
    multisite.define("WP_ENVIRONMENT_TYPE", "staging")
    multisite.define("CLOSTE_APP_ID", 4711)
    set_option(multisite, "closte_bridge_owner", {"engine": "e1", "host": "web1", "since": "2024-01-01T00:00:00+00:00"})
    after = read(settings)
    assert (after.network.environment, after.network.app_id) == ("staging", "4711")
    assert after.owner == Owner("e1", "web1", "2024-01-01T00:00:00+00:00")
    assert after.network.database == before.network.database
    set_option(multisite, "closte_bridge_owner", {"host": "without an engine"})
    # A maintenance file left by a failed update has no effect after ten minutes.
    (multisite.path / ".maintenance").write_text("<?php $upgrading = time() - 600;")
    assert read(settings).owner is None


# Consistency

# During the read of the sites, this adds a site with a mapping, deletes another site, and changes a setting.
MEDDLER = r"""
add_filter('query', function ($sql) {
    static $done = false;
    if (!$done && false !== strpos($sql, 'FROM wp_blogs ORDER BY')) {
        $done = true;
        [$host, $socket] = explode(':', DB_HOST, 2);
        $other = new mysqli($host, DB_USER, DB_PASSWORD, DB_NAME, 0, $socket);
        $other->multi_query("STATEMENTS");
        while ($other->more_results() && $other->next_result()) {}
        fwrite(STDERR, $other->error ?: 'meddled');
    }
    return $sql;
});
"""


@pytest.mark.mariadb
def test_snapshot_is_consistent_during_concurrent_writes(multisite_mariadb: Multisite) -> None:
    multisite = multisite_mariadb
    multisite.add_mappings_sql([("stays.example.org", 1), ("goes.example.org", 1)])
    create_events_table(multisite)
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    row = "7, 'comes.example.org', 1, 0, 0, 'done', NULL, NULL"
    columns = "blog_id, domain, active, primary_domain, secure, stage, date_created, date_modified"
    statements = [
        "INSERT INTO wp_blogs (blog_id, site_id, domain, path) VALUES (7, 1, 'seven.example.net', '/')",
        f"INSERT INTO {TABLE} ({columns}) VALUES ({row})",
        f"DELETE FROM {TABLE} WHERE domain = 'goes.example.org'",
        "DELETE FROM wp_sitemeta WHERE meta_key = 'wu_host_integrations_enabled'",
        f"INSERT INTO {EVENTS} (network_id, uid, created_at, kind, blog_id, domain, detail)"
        " VALUES (1, 'late', 1, 'everything', 0, '', '')",
    ]
    plugin = multisite.add_mu_plugin("meddler", MEDDLER.replace("STATEMENTS", ";".join(statements)))
    during = read(wp_settings(multisite))
    plugin.unlink()
    assert during.complete
    assert (names(during), sorted(during.sites)) == (["goes.example.org", "stays.example.org"], [1])
    assert (during.settings.integration, during.events, during.events_waiting) == (True, [], 0)
    after = read(wp_settings(multisite))
    assert (names(after), sorted(after.sites)) == (["comes.example.org", "stays.example.org"], [1, 7])
    assert (after.settings.integration, [event.uid for event in after.events]) == (False, ["late"])


# Events


def test_events_are_acknowledged_for_their_owner_only(multisite: Multisite) -> None:
    settings = wp_settings(multisite)
    assert (read(settings).shim_table, read(settings).events_waiting) == (False, 0)
    create_events_table(multisite)
    for uid in ("a", "b"):
        add_event(multisite, "mapping_removed", f"{uid}.example.org", uid=uid, detail={"n": "ü"}, blog_id=3)
    found = read(settings)
    assert found.shim_table
    assert [(e.uid, e.kind, e.blog_id, e.domain, e.detail) for e in found.events] == [
        (uid, "mapping_removed", 3, f"{uid}.example.org", '{"n": "ü"}') for uid in ("a", "b")
    ]

    def acknowledge(engine: str) -> list[str]:
        call = SnapshotCall(settings, WpCost(), ask_key=False, engine=engine, acknowledge=["a", "b' OR '1'='1"])
        return [event.uid for event in call.snapshot().events]

    assert acknowledge("e1") == ["a", "b"]
    set_option(multisite, "closte_bridge_owner", {"engine": "e1", "host": "h", "since": "s"})
    assert acknowledge("e2") == ["a", "b"]
    assert acknowledge("e1") == ["b"]
