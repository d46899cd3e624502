"""Tests of read-only runs: without adoption, with another owner, or on another network than the adopted one."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.load import load_config
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.errors import ExitCode
from closte_bridge.ledger.store import FILE_NAME
from tests.support.bridge import Bridge, bridge_for
from tests.support.rows import set_option, switch_on
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

OURS = [f"n{number}.example.org" for number in range(10)]


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide the owner of a synced network, whose next sync would add one domain and remove another."""
    switch_on(multisite)
    multisite.add_mappings_sql([(name, 1) for name in OURS])
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        bridge.adopt()
        assert bridge.run("sync").code == 0
        multisite.add_mappings_sql([("new.example.com", 1)])
        bridge.changes()
        yield bridge


def read_only(bridge: Bridge, reason: str, hint: str, *, wanted: int = 1) -> None:
    """Check that a sync changes nothing and states the reason, and that a plan works and warns."""
    ran = bridge.run("sync")
    assert (ran.code, ran.err) == (7, f"Error: closte-bridge changes nothing: {reason}.\n{hint}\n")
    plan = bridge.run("plan", "--format=count")
    assert (plan.code, plan.out) == (0, f"{wanted}\n")
    assert plan.err.startswith(f"Warning: Read-only: {reason}.\n{hint}\n")
    assert bridge.changes() == []


TAKE_OVER = (
    "If that is this machine, `state_dir` differs from the one used at adoption; restore the old value. "
    "Run `closte-bridge adopt --take-over` only if the other installation or its ledger no longer exists."
)


def second_engine(bridge: Bridge, folder: str = "second") -> Bridge:
    """Return a second installation for the same network and the same application."""
    return Bridge(bridge.multisite, bridge.sandbox, bridge.folder.with_name(folder))


def test_second_installation_is_read_only_until_it_takes_over(bridge: Bridge) -> None:
    second = second_engine(bridge)
    read_only(second, 'the closte-bridge installation on "<host>" owns this network', TAKE_OVER)
    owner = bridge.multisite.network_option("closte_bridge_owner")
    refused = second.run("adopt", "--yes")
    assert refused.golden == (
        7,
        "",
        'Error: Another closte-bridge installation, on "<host>", owns this network (since <time>).\n'
        "If that installation is no longer in use, run `closte-bridge adopt --take-over`.\n",
    )
    assert bridge.multisite.network_option("closte_bridge_owner") == owner
    taken = second.run("adopt", "--take-over", "--yes")
    assert taken.code == 0
    assert 'Current owner: the installation on "<host>", since <time>. It will be replaced.\n' in taken.out
    assert second.run("log", "--field=cause", "--limit=20").out.splitlines()[0] == 'taken over from "<host>"'
    read_only(bridge, 'another closte-bridge installation, on "<host>", now owns this network', TAKE_OVER)
    assert second.run("sync", "--format=count", "--quiet").out == "1\n"
    assert second.changes() == [("add", "new.example.com")]
    # An installation that lost its ledger is not the owner, even in the same folder.
    shutil.rmtree(second.state)
    read_only(second, 'the closte-bridge installation on "<host>" owns this network', TAKE_OVER, wanted=0)
    set_option(bridge.multisite, "closte_bridge_owner", None)
    again = "The database may have been restored from a backup. Run `closte-bridge adopt` to become the owner again."
    read_only(bridge, "WordPress no longer records this installation as the owner", again, wanted=0)


COPY = "If this is a staging copy, do nothing. If you changed the live network, run `closte-bridge adopt`."


def test_copied_database_is_read_only_and_copied_ledger_adds_only(bridge: Bridge, tmp_path: Path) -> None:
    # The whole site was copied: its database and the files of closte-bridge.
    path = tmp_path / "copy"
    copy = copy_multisite(bridge.multisite, path, sqlite_database(path))
    at_copy = Bridge(copy, bridge.sandbox, tmp_path / "at-copy")
    shutil.copytree(bridge.state, at_copy.state)
    read_only(at_copy, "the database differs from the one recorded at adoption", COPY)
    # Only the files of closte-bridge were copied. The copy may add domains, but not remove them.
    moved = second_engine(bridge, "moved")
    shutil.copytree(bridge.state, moved.state)
    with closing(sqlite3.connect(moved.state / FILE_NAME)) as connection, connection:
        # The recorded config path is that of the first host, as after a move to another host.
        connection.execute("UPDATE meta SET value = ? WHERE key = 'config_path'", (str(moved.config),))
    bridge.multisite.sql("DELETE FROM wp_wu_domain_mappings WHERE domain = 'n0.example.org'")
    moved.write_config(removal_grace=0.001)
    words = "Add-only: the state folder was moved from another host or folder."
    for _ in range(3):
        ran = moved.run("sync", "--format=json")
        assert (ran.code, [problem["message"] for problem in ran.envelope["warnings"]]) == (0, [words])
    assert moved.changes() == [("add", "new.example.com")]
    held = moved.run("domain", "get", "n0.example.org", "--fields=state,reason", "--format=json").envelope["data"]
    assert held["state"] == "on-hold"
    moved.adopt()
    for _ in range(3):  # earlier reads without the mapping do not count after an adoption
        assert moved.run("sync").code == 0
    assert moved.changes() == [("remove", "n0.example.org")]


def test_staging_environment_is_read_only_unless_allowed(bridge: Bridge) -> None:
    bridge.multisite.define("WP_ENVIRONMENT_TYPE", "staging")
    hint = "To allow changes from this environment, add it to the config: `environments: [production, staging]`."
    read_only(bridge, 'WP_ENVIRONMENT_TYPE is "staging"', hint)
    assert bridge.run("adopt", "--yes").golden == (
        7,
        "",
        'Error: Could not adopt "example.net": WP_ENVIRONMENT_TYPE is "staging".\n'
        "To allow it, add it to the config: `environments: [production, staging]`.\n",
    )
    bridge.write_config(environments=["production", "staging"])
    assert bridge.run("sync", "--quiet", "--format=ids").golden == (0, "new.example.com\n", "")
    bridge.multisite.define("CLOSTE_APP_ID", "4711")
    bridge.multisite.add_mappings_sql([("newer.example.com", 1)])
    bridge.changes()
    reason = 'the Closte application differs from the one recorded at adoption (was none, now "4711")'
    read_only(bridge, reason, COPY)


def test_unauthorised_pin_or_removal_is_not_recorded(bridge: Bridge) -> None:
    """closte-bridge must not record a change now and make it after the next adoption."""
    assert bridge.run("domain", "add", "pinned.example.org").code == 0
    bridge.changes()
    owner = bridge.multisite.network_option("closte_bridge_owner")
    set_option(bridge.multisite, "closte_bridge_owner", None)
    before = bridge.run("log", "--limit=100").out
    nothing = (
        "Error: closte-bridge changes nothing: WordPress no longer records this installation as the owner.\n"
        "The database may have been restored from a backup. Run `closte-bridge adopt` to become the owner again.\n"
    )
    assert bridge.run("domain", "add", "wanted.example.org").golden == (7, "", nothing)
    assert bridge.run("domain", "remove", "pinned.example.org", "--yes").golden == (7, "", nothing)
    # The key of another application is refused, too. Only Closte's list reveals it.
    set_option(bridge.multisite, "closte_bridge_owner", owner)
    right = bridge.key_file.read_text().strip()
    bridge.write_key("a-key-of-another-application")
    bridge.sandbox.aliases = {"somebody.example.com"}
    there = {*OURS, "pinned.example.org"}
    for verb, name in (("add", "wanted.example.org"), ("remove", "pinned.example.org")):
        refused = bridge.run("domain", verb, name, "--yes", "--format=json")
        assert (refused.code, refused.codes) == (7, ["identity-key"])
    # closte-bridge reports a rejected key as rejected.
    bridge.take_keys(taken=False)
    assert bridge.run("domain", "add", "wanted.example.org", "--format=json").codes == ["key-rejected"]
    bridge.take_keys(taken=True)
    bridge.write_key(right)
    bridge.sandbox.aliases = there
    assert bridge.run("log", "--limit=100").out == before
    bridge.adopt()
    bridge.run("sync")
    assert bridge.changes() == [("add", "new.example.com")]
    assert bridge.aliases == there | {"new.example.com"}


def test_new_key_is_accepted_for_the_same_application_only(bridge: Bridge) -> None:
    # The new key belongs to the same application, so the list contains the managed domains.
    bridge.write_key("another-key-of-the-same-application")
    bound = bridge.run("sync")
    assert (bound.code, bound.err) == (
        0,
        "Warning: The API key changed. It belongs to the same application, so closte-bridge uses it from now on.\n",
    )
    assert bridge.changes() == [("add", "new.example.com")]
    assert bridge.run("sync").err == ""
    assert bridge.run("log", "--limit=20", "--field=action").out.count("rebind") == 1
    # The new key belongs to another application. closte-bridge does not touch its domains.
    bridge.write_key("a-key-of-another-application")
    bridge.sandbox.aliases = {"somebody.example.com", *OURS[:5]}
    reason = "the API key changed, and its list does not match the previous application"
    hint = "Restore the old key, or run `closte-bridge adopt` to accept the new one."
    ran = bridge.run("sync", "--format=json")
    assert (ran.code, ran.codes) == (7, ["identity-key"])
    assert ran.envelope["errors"][0]["message"] == f"closte-bridge changes nothing: {reason}."
    assert ran.envelope["errors"][0]["hint"] == hint
    assert bridge.changes() == []


def test_changed_main_domain_makes_the_ledger_read_only(bridge: Bridge) -> None:
    site = bridge.multisite
    assert bridge.run("domain", "add", "www.example.net").code == 0
    assert bridge.run("domain", "add", "*.example.net").code == 0
    bridge.changes()
    for table, column in (("wp_site", "domain"), ("wp_blogs", "domain")):
        site.sql(f"UPDATE {table} SET {column} = 'example.com' WHERE {column} = 'example.net'")
    site.define("DOMAIN_CURRENT_SITE", "example.com")
    site.sql("UPDATE wp_options SET option_value = 'http://example.com' WHERE option_name IN ('home', 'siteurl')")
    bridge.sandbox.aliases = {*bridge.sandbox.aliases, "example.com"}
    reason = 'the main domain differs from the one recorded at adoption (was "example.net", now "example.com")'
    read_only(bridge, reason, COPY)
    adopted = bridge.adopt()
    assert 'The main domain changed from "example.net". The old domain, its www. variant ' in adopted.out
    # closte-bridge keeps the domains of the former main domain, even if a command requests their removal.
    kept = bridge.run("domain", "remove", "www.example.net", "*.example.net", "--yes")
    words = 'Warning: "{}" is not removed yet: protected as the network\'s former main domain ("example.net").\n'
    told = (
        words.format("*.example.net")
        + words.format("www.example.net")
        + "closte-bridge checks it again on every sync.\n"
    )
    assert (kept.code, kept.err) == (3, told)
    assert bridge.run("sync").code == 0
    assert bridge.changes() == [("add", "new.example.com")]
    assert {"example.net", "www.example.net", "*.example.net"} < bridge.sandbox.aliases


def test_missing_config_file_makes_the_run_read_only(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a config file the defaults apply, including the real Closte URL, so the test passes its own settings."""
    for name, value in bridge.environment().items():
        monkeypatch.setenv(name, value)
    settings = load_config(bridge.config, bridge.environment()).networks["default"]
    bridge.config.unlink()
    engine = Engine(replace(settings, source=None), bridge.environment())
    report = sync(engine, RunRequest(), command="sync")
    assert report.exit_code is ExitCode.READ_ONLY
    assert report.plan.authority.code == "config-gone"
    reason = f'the config file used at adoption ("{bridge.config}") is not in use: closte-bridge uses no config file'
    assert report.plan.authority.reason == reason
    assert bridge.changes() == []
    # A missing file given with `--config` is a separate error.
    assert bridge.run("sync").code == 2


# Several networks in one config


def test_sync_all_covers_every_network(multisite: Multisite, tmp_path: Path) -> None:
    other = copy_multisite(multisite, tmp_path / "other", sqlite_database(tmp_path / "other"))
    with bridge_for(multisite, tmp_path / "a") as first, bridge_for(other, tmp_path / "b") as second:
        for bridge, name in ((first, "Müller.example.org"), (second, "second.example.org")):
            switch_on(bridge.multisite)
            bridge.multisite.add_mappings_sql([(name, 1)])
        networks = {"one": first.settings, "two": second.settings}
        first.config.write_text(json.dumps({"networks": networks}))
        first.run("--network=two", "adopt", "--yes")
        both(first, second)


def test_interrupted_sync_all_finishes_running_changes_only(multisite: Multisite, tmp_path: Path) -> None:
    """Each network finishes its running changes and starts no others, since a whole run would take minutes."""
    other = copy_multisite(multisite, tmp_path / "other", sqlite_database(tmp_path / "other"))
    many = [f"n{number:03}.example.org" for number in range(300)]
    with bridge_for(multisite, tmp_path / "a") as first, bridge_for(other, tmp_path / "b") as second:
        for bridge in (first, second):
            switch_on(bridge.multisite)
            bridge.multisite.add_mappings_sql([(name, 1) for name in many])
            bridge.write_config(rate_limit=2, certificate_budget=1000)
        first.config.write_text(json.dumps({"networks": {"one": first.settings, "two": second.settings}}))
        for name in ("one", "two"):
            first.run(f"--network={name}", "adopt", "--yes")

        def in_the_middle() -> bool:
            return bool(first.aliases and second.aliases)

        ran = first.run_interrupted(signal.SIGTERM, in_the_middle, "sync", "--all")
        interrupted = "Error: Interrupted.\nNothing is lost. Run the command again to continue.\n"
        assert ran.golden == (130, "", interrupted)
        assert max(len(first.aliases), len(second.aliases)) < 100
        # The ledger contains each completed change, and the next run makes the remaining ones immediately.
        for bridge, name in ((first, "one"), (second, "two")):
            outcomes = first.run(f"--network={name}", "log", "--limit=1000", "--field=outcome").out.split()
            assert outcomes.count("done") == 1 + len(bridge.aliases)
        for bridge in (first, second):
            bridge.write_config(rate_limit=1000)
        first.config.write_text(json.dumps({"networks": {"one": first.settings, "two": second.settings}}))
        assert first.run("sync", "--all").code == 0
        assert first.aliases == second.aliases == {*many}


def both(first: Bridge, second: Bridge) -> None:
    assert first.run("sync").golden == (
        2,
        "",
        "Error: No network selected: the config defines 2 networks.\nSelect one with `--network=<name>`: one, two. "
        "`plan`, `sync` and `doctor` accept `--all`.\n",
    )
    # The second network is read-only. The first one still works.
    assert first.run("--network=one", "adopt", "--yes", "--quiet").golden == (0, "", "")
    second.write_config(environments=["staging"])
    first.config.write_text(json.dumps({"networks": {"one": first.settings, "two": second.settings}}))
    half = first.run("sync", "--all", "--format=json")
    assert (half.code, half.codes) == (7, ["environment"])
    assert [(row["domain"], row["status"]) for row in half.envelope["data"]] == [
        ("xn--mller-kva.example.org", "done"),
        ("second.example.org", "planned"),
    ]
    second.write_config(environments=["production"])
    first.config.write_text(json.dumps({"networks": {"one": first.settings, "two": second.settings}}))
    done = first.run("sync", "--all")
    assert done.golden == (
        0,
        'Network "example.net": 0 to add, 0 to remove, 1 in sync.\n\n'
        'Network "example.net": 1 to add, 0 to remove, 0 in sync.\n'
        "  +  second.example.org  mapped to site 1\n"
        "Success: Nothing to change.\n"
        "Success: Added 1 of 1 domain.\n"
        "one: Cost: 1 wp call (0.00 s), 1 API call (0.00 s), planning 0.000 s.\n"
        "two: Cost: 1 wp call (0.00 s), 2 API calls (0.00 s), planning 0.000 s.\n",
        "",
    )
    assert (first.aliases, second.aliases) == ({"xn--mller-kva.example.org"}, {"second.example.org"})
    # If closte-bridge cannot read one network, it still syncs the other.
    shutil.move(second.multisite.path / "wp-config.php", second.folder / "wp-config.php")
    first.multisite.add_mappings_sql([("more.example.org", 1)])
    first.changes()
    broken = first.run("sync", "--all", "--format=json")
    assert (broken.code, broken.codes) == (5, ["wp-path"])
    assert broken.envelope["errors"][0]["message"].startswith("two: ")
    found = [line for line in first.run("doctor", "--all").out.splitlines() if line in {"one:", "two:"}]
    assert found == ["one:", "two:"]
    assert first.changes() == [("add", "more.example.org")]
    assert first.run("plan", "--all", "--out=plan.json").code == 2
