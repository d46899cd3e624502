"""Tests of the integration's switch and connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.three_mapped import ONE, PLAN, three_mapped
from tests.support.closte_worlds import lists_are_refused
from tests.support.rows import set_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bridge import Bridge
    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide three mapped domains, one of them on Closte, and an unmanaged domain."""
    with three_mapped(multisite, tmp_path) as bridge:
        yield bridge


STATUS = {
    "network": "example.net",
    "integration": True,
    "domain_mapping": True,
    "plugin_version": "2.14.2",
    "dns_check_interval": 300,
    "www": "always",
    "environment": "production",
    "key_source": "api_key_file",
    "owner": None,
    "events_waiting": 0,
}


def test_integration_status_toggle_and_connection(bridge: Bridge) -> None:
    status = bridge.run("integration", "status", "--format=json")
    assert status.envelope["data"] == STATUS
    assert json.dumps(yaml.safe_load(bridge.run("integration", "status", "--format=yaml").out)) == json.dumps(STATUS)
    lines = bridge.run("integration", "status", "--fields=integration,owner,www", "--format=csv")
    assert lines.golden == (0, "Field,Value\nintegration,true\nowner,\nwww,always\n", "")
    assert bridge.run("integration", "status", "--field=dns_check_interval").golden == (0, "300\n", "")
    toggling(bridge)
    connecting(bridge)
    resuming(bridge)


def toggling(bridge: Bridge) -> None:
    bridge.adopt()
    switched = "Success: Closte integration {}.\n"
    set_option(bridge.multisite, "wu_host_integrations_enabled", {"cpanel": True, "closte": True})
    for verb, words in (("disable", "disabled"), ("disable", "is already disabled")):
        assert bridge.run("integration", verb).golden == (0, switched.format(words), "")
    assert bridge.multisite.network_option("wu_host_integrations_enabled") == {"cpanel": True, "closte": False}
    off = bridge.run("sync")
    why = (
        "Warning: closte-bridge changes nothing: the Closte integration is disabled in Ultimate Multisite.\n"
        "Run `closte-bridge integration enable` to enable it.\n"
    )
    assert off.golden == (0, PLAN + ONE, why)
    assert bridge.run("plan").golden == (0, PLAN + ONE, why)
    assert bridge.run("status", "--field=mode").out == "paused\n"
    for verb, words in (("enable", "enabled"), ("enable", "is already enabled")):
        assert bridge.run("integration", verb).golden == (0, switched.format(words), "")
    set_option(bridge.multisite, "wp-ultimo_v2_settings", {"enable_domain_mapping": 0})
    off = bridge.run("sync", "--format=json")
    assert (off.code, bridge.changes()) == (0, [])
    assert off.err == ""
    assert [note["code"] for note in off.envelope["notes"]] == ["domain-mapping-off"]
    assert bridge.run("sync").err.startswith("Warning: closte-bridge changes nothing: domain mapping is disabled")
    # A customer who leaves Closte also removes the API key.
    for fault in ("list-unknown", "key"):
        bridge.sandbox.set_faults(*(() if fault == "key" else (fault,)))
        bridge.take_keys(taken=fault != "key")
        assert (bridge.run("sync").code, bridge.run("plan").code) == (0, 0)
        assert bridge.run("health").code == 0
    bridge.sandbox.set_faults()
    bridge.take_keys(taken=True)
    bridge.write_config(api_key_file=None)
    none = bridge.run("plan", "--format=json")
    assert (none.code, [note["code"] for note in none.envelope["notes"]]) == (0, ["domain-mapping-off"])
    assert bridge.run("sync").code == 0
    listed = bridge.run("domain", "list", "--field=closte")
    assert (listed.code, {*listed.out.split()}) == (0, {"unknown"})
    assert listed.err == (
        "Warning: Could not read Closte's list: closte-bridge found no API key.\n"
        "This is expected: domain mapping is disabled in Ultimate Multisite.\n"
        "Warning: closte-bridge changes nothing: domain mapping is disabled in Ultimate Multisite.\n"
        "Enable it in Ultimate Multisite > Settings > Domain Mapping.\n"
    )
    for command, code in ((("adopt", "--yes"), 5), (("integration", "test"), 2)):
        assert bridge.run(*command).code == code
    bridge.write_config(api_key_file=str(bridge.key_file))
    set_option(bridge.multisite, "wp-ultimo_v2_settings", None)


def test_requests_while_the_integration_is_off_are_remembered(bridge: Bridge) -> None:
    """closte-bridge saves requests while the integration is off, and reports this."""
    bridge.adopt()
    for name in ("pinned.example.org", "leaving.example.org"):
        assert bridge.run("domain", "add", name).code == 0
    assert bridge.run("integration", "disable").code == 0
    bridge.changes()
    words = "Your request is saved. A sync carries it out once this is enabled.\n"
    for argv in (("add", "wanted.example.org"), ("remove", "leaving.example.org", "--yes")):
        ran = bridge.run("domain", *argv)
        assert ran.code == 0
        assert ran.err.startswith("Warning: closte-bridge changes nothing: the Closte integration is disabled")
        assert words in ran.out
        assert "Success" not in ran.out
    told = bridge.run("domain", "add", "wanted.example.org", "--format=json")
    assert [note["code"] for note in told.envelope["notes"]] == ["integration-off", "remembered"]
    assert bridge.changes() == []
    assert bridge.run("integration", "enable").code == 0
    assert words not in bridge.run("domain", "add", "wanted.example.org").out
    assert bridge.run("sync").code == 0
    assert {("add", "wanted.example.org"), ("remove", "leaving.example.org")} <= {*bridge.changes()}


def resuming(bridge: Bridge) -> None:
    """Check that each pause and its end are in the log once."""
    bridge.write_config(api_url=bridge.sandbox.url)
    assert bridge.run("sync", "--quiet").code == 0
    kept = bridge.run("log", "--fields=action,cause", "--format=csv").out.splitlines()
    assert [line for line in kept if line.startswith(("pause,", "resume,"))] == [
        "pause,the Closte integration is disabled in Ultimate Multisite",
        "pause,domain mapping is disabled in Ultimate Multisite",
        "resume,changes are allowed again",
    ]
    assert bridge.run("status", "--field=mode").out == "full\n"


def connecting(bridge: Bridge) -> None:
    good = 'Success: Connected to Closte (API key from the file "<folder>/key"); 3 domains found.\n'
    assert bridge.run("integration", "test").golden == (0, good, "")
    bridge.sandbox.set_faults("list-unknown")
    unreadable = bridge.run("integration", "test", "--format=json")
    assert (unreadable.code, unreadable.codes) == (5, ["list-unreadable"])
    bridge.sandbox.set_faults()
    with lists_are_refused(bridge.sandbox):
        # Each command reports that Closte accepts the key and that the list is unreadable.
        for argv in (("integration", "test"), ("sync",), ("adopt", "--yes")):
            refused = bridge.run(*argv, "--format=json")
            assert (refused.code, refused.codes) == (5, ["list-unreadable"]), argv
            assert "Closte accepts the API key" in refused.envelope["errors"][0]["message"]
        findings = {row["check"]: row["status"] for row in bridge.run("doctor", "--format=json").envelope["data"]}
        assert (findings["connection"], findings["list"]) == ("ok", "warning")
    good_url = bridge.settings["api_url"]
    bridge.write_config(api_url=good_url.replace("/client", "/elsewhere"))
    elsewhere = bridge.run("integration", "test")
    assert (elsewhere.code, elsewhere.out) == (1, "")
    assert elsewhere.err.startswith("Error: ")
    bridge.write_config(api_url="http://127.0.0.1:9/api/client", rate_limit=1000)
    assert bridge.run("integration", "test").golden == (
        5,
        "",
        'Error: "127.0.0.1:9" refused the connection.\n'
        "Check this machine's network and `api_url` (http://127.0.0.1:9/api/client).\n",
    )
