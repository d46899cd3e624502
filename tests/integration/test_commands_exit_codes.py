"""Tests that reach each exit code of the contract with a real run."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import lock
from tests.support.bridge import Bridge, bridge_for
from tests.support.rows import switch_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

NAMES = [f"n{number}.example.org" for number in range(4)]


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide the owner of a network with four domains to add."""
    switch_on(multisite)
    multisite.add_mappings_sql([(name, 1) for name in NAMES])
    with bridge_for(multisite, tmp_path / "bridge") as bridge:
        bridge.adopt()
        yield bridge


def test_exit_codes_0_and_6_for_plans_and_2_for_usage_errors(bridge: Bridge) -> None:
    count = ("plan", "--quiet", "--format=count")
    assert bridge.run(*count).golden == (0, "4\n", "")
    assert bridge.run(*count, "--detailed-exitcode").golden == (6, "4\n", "")
    assert bridge.run("sync", "--quiet", "--format=count").golden == (0, "4\n", "")
    assert bridge.run(*count, "--detailed-exitcode").golden == (0, "0\n", "")
    usage = {
        ("sync", "--nonsense"): "usage",
        ("sync", "two words"): "bad-domain",
        ("domain", "add", "intranet.local"): "not-public",
        ("domain", "add", "*.co.uk"): "not-public",
        ("domain", "add", "shop.customer.con"): "not-public",
        ("domain", "add", "x.closte.com"): "clostes-own",
        ("sync", "--allow-removals=everything"): "usage",
        ("nonsense",): "unknown-command",
        ("--network=nobody", "plan"): "unknown-network",
        ("apply",): "usage",
        ("plan", "surplus"): "usage",
    }
    for args, code in usage.items():
        ran = bridge.run(*args, "--format=json")
        assert (ran.code, ran.codes) == (2, [code]), args
    bridge.key_file.chmod(0o644)
    assert bridge.run("plan", "--format=json").codes == ["key-file"]
    bridge.write_config(api_key_file=None)
    assert bridge.run("plan").golden == (
        2,
        "",
        "Error: No API key found in the config (`api_key_file`), the constant CLOSTE_CLIENT_API_KEY or Ultimate "
        "Multisite's network option.\n"
        "Define CLOSTE_CLIENT_API_KEY in wp-config.php, or write the key to a file and name it in `api_key_file`.\n",
    )


def test_exit_code_1_for_a_rejected_key(bridge: Bridge) -> None:
    source = 'the file "<folder>/key"'
    rejected = f"Error: Closte rejected the API key from {source}.\n"
    hint = "Compare the API key with the one in Closte's dashboard, then run `closte-bridge integration test`.\n"
    bridge.take_keys(taken=False)
    ran = bridge.run("sync")
    assert ran.code == 1
    assert ran.err.endswith(rejected + hint)
    tested = bridge.run("integration", "test")
    assert tested.golden == (
        1,
        "",
        f'Error: Closte answered "Invalid API key.".\nCompare the API key from {source} with the one in Closte\'s '
        "dashboard.\n",
    )
    assert bridge.run("adopt", "--yes", "--format=json").codes == ["key-rejected"]
    assert bridge.aliases == set()
    a_mistyped_key_has_one_remedy(bridge, rejected + hint)


def a_mistyped_key_has_one_remedy(bridge: Bridge, error: str) -> None:
    """The error suggests only a comparison of the keys. Another adoption would not help.

    The plan uses the ledger to decide which domains are in sync.
    """
    key_file = Path(bridge.settings["api_key_file"])
    key_file.write_text("mistyped-" + key_file.read_text())
    ran = bridge.run("plan")
    assert (ran.code, ran.err) == (1, error)
    assert ran.out.split("\n")[0].endswith(" 0 unknown (based on the ledger, without Closte's list).")
    assert bridge.run("sync").golden == (1, "", error)


def test_exit_code_4_for_failed_changes_that_are_retried(bridge: Bridge) -> None:
    bridge.sandbox.set_faults("unknown-error@n1.example.org")
    ran = bridge.run("sync")
    incomplete = (
        "closte-bridge retries failed changes, with increasing delays. Retry now with `closte-bridge sync --retry`, "
        "or see the next attempt with `closte-bridge domain explain <domain>`.\n"
    )
    assert (ran.code, ran.err) == (
        4,
        'Error: Could not add "n1.example.org": Closte answered "The operation could not be completed.".\n'
        f"Error: Added 3 of 4 domains; 1 failed.\n{incomplete}",
    )
    bridge.changes()
    # The failed domain waits for its next try, unless `--retry` skips the wait.
    waits = bridge.run("sync", "--fields=domain,status,until", "--format=json")
    assert (waits.code, bridge.changes()) == (0, [])
    [row] = waits.envelope["data"]
    assert (row["domain"], row["status"]) == ("n1.example.org", "on-hold")
    failed = bridge.run("sync", "--retry", "--format=json")
    assert (failed.code, failed.envelope["status"]) == (4, "some-failed")
    assert failed.envelope["errors"][0] == {
        "code": "add-failed",
        "message": 'Could not add "n1.example.org": Closte answered "The operation could not be completed.".',
        "domain": "n1.example.org",
        "hint": incomplete.rstrip(),
    }
    bridge.sandbox.set_faults()
    assert bridge.run("sync", "n1.example.org", "--quiet", "--format=ids").golden == (0, "n1.example.org\n", "")
    # A domain that Closte refuses permanently does not delay other domains.
    bridge.multisite.add_mappings_sql([("internal.closte.com", 1), ("good.example.org", 1)])
    refused = bridge.run("sync", "--format=json")
    assert (refused.code, refused.codes) == (4, ["add-refused", "incomplete"])
    assert bridge.aliases == {*NAMES, "good.example.org"}


def test_exit_code_5_for_an_unreadable_list(bridge: Bridge) -> None:
    assert bridge.run("sync").code == 0
    bridge.changes()
    bridge.multisite.add_mappings_sql([("new.example.org", 1)])
    bridge.multisite.sql("DELETE FROM wp_wu_domain_mappings WHERE domain = 'n0.example.org'")
    bridge.sandbox.set_faults("list-unknown")
    ran = bridge.run("sync", "--format=json")
    # Additions continue. closte-bridge does not search for missing domains.
    assert (ran.code, ran.codes) == (5, ["list-unreadable"])
    assert bridge.changes() == [("add", "new.example.org")]
    assert bridge.run("domain", "get", "n1.example.org", "--field=closte").out == "unknown\n"
    bridge.sandbox.set_faults("list-no-own")
    partial = bridge.run("sync")
    assert (partial.code, partial.err) == (
        0,
        "Warning: Closte's list is incomplete: the network's main domain \"example.net\" is missing from the list. "
        "Inferred removals wait.\n"
        "Check the domains in Closte's dashboard. If you removed some there, run `closte-bridge adopt`.\n",
    )


def test_exit_code_75_while_another_run_holds_the_lock(bridge: Bridge) -> None:
    with lock.held(bridge.state, "watch"):
        ran = bridge.run("sync")
        assert (ran.code, ran.out) == (75, "")
        assert "Error: Another run is in progress: process " in ran.err
        assert (
            "(`watch`), running for 0 minutes.\nWait for it to finish. The next run handles anything it leaves.\n"
            in ran.err
        )
        assert bridge.run("domain", "add", "x.example.org", "--format=json").codes == ["locked"]
        # With `--quiet`, cron sends no e-mail about a run that meets another one. A program gets the exit code.
        assert bridge.run("sync", "--quiet").golden == (75, "", "")
        assert bridge.run("domain", "add", "x.example.org", "--quiet").err != ""
        # Reading needs no lock.
        assert bridge.run("plan", "--format=count", "--quiet").golden == (0, "4\n", "")
    assert bridge.changes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_exit_code_130_after_an_interruption(bridge: Bridge, number: signal.Signals) -> None:
    bridge.write_config(concurrency=1)
    bridge.sandbox.set_faults("slow@n2.example.org")

    def in_the_middle() -> bool:
        return len(bridge.aliases) == 2

    ran = bridge.run_interrupted(number, in_the_middle, "sync")
    interrupted = (
        r'Warning: [12] changes? w(as|ere) not sent\. 1 change was under way, with an unknown result: "n[12]\..*"\.\n'
        r"The next run continues with them\.\n"
        r"Error: Interrupted\.\nNothing is lost\. Run the command again to continue\.\n"
    )
    assert (ran.code, ran.out) == (130, "")
    assert re.fullmatch(interrupted, ran.err), ran.err
    # The request for the last domain was never sent, so its result is not unknown.
    causes = {row["domain"]: row["reason"] for row in bridge.run("plan", "--format=json").envelope["data"]}
    assert causes["n3.example.org"] == "mapped to site 1"
    assert bridge.aliases >= set(NAMES[:2])
    bridge.sandbox.set_faults()
    # The next run completes the changes, and no lock remains.
    assert bridge.run("sync").code == 0
    assert bridge.aliases == set(NAMES)
    assert bridge.run("domain", "list", "--state=in-sync", "--format=count").out == "4\n"
