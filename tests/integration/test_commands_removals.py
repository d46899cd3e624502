"""Tests of removals: the required evidence, and the removal limit that needs a person's approval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import AT_ONCE, Bridge, bridge_for
from tests.support.rows import delete_mappings, switch_on
from tests.support.wordpress import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide an adopted network without mappings, whose waiting times end immediately."""
    switch_on(multisite)
    with bridge_for(multisite, tmp_path / "bridge", removal_delay=AT_ONCE, removal_grace=AT_ONCE) as bridge:
        bridge.create_events_table()
        bridge.adopt()
        yield bridge


def start(bridge: Bridge, *names: str) -> None:
    """Map the domains and add them on Closte."""
    bridge.multisite.add_mappings_sql([(name, 1) for name in names])
    assert bridge.run("sync", "--quiet", "--format=count").golden == (0, f"{len(names)}\n", "")
    assert bridge.aliases == set(names)
    bridge.changes()


def statuses(bridge: Bridge, *args: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Run a command that shows a plan. Return its exit code and the change and status of each domain."""
    document = bridge.run(*args, "--format=json").envelope
    return document["exit_code"], {row["domain"]: (row["change"], row["status"]) for row in document["data"]}


# Confirmed removals


def test_removed_and_renamed_mappings_leave_and_moved_ones_stay(bridge: Bridge) -> None:
    start(bridge, "removed.example.org", "renamed.example.org", "moved.example.org", "quiet.example.org")
    bridge.sandbox.aliases = bridge.aliases | {"www.removed.example.org", "new.example.org"}
    rows = bridge.multisite
    delete_mappings(rows, ["removed.example.org"])
    rows.sql(f"UPDATE {TABLE} SET domain = 'new.example.org' WHERE domain = 'renamed.example.org'")
    rows.sql(f"UPDATE {TABLE} SET blog_id = 2 WHERE domain = 'moved.example.org'")
    rows.add_site_sql(2, "moved.example.org")
    waiting = [
        bridge.add_event("mapping_removed", "removed.example.org"),
        bridge.add_event("mapping_renamed", "new.example.org", detail={"from": "renamed.example.org"}),
        bridge.add_event("mapping_removed", "moved.example.org", blog_id=1),
        bridge.add_event("mapping_added", "moved.example.org", blog_id=2),
    ]
    # The first run stores the events and waits, in case a domain is mapped again.
    held = ("remove", "on-hold")
    waits = {"removed.example.org": held, "renamed.example.org": held, "www.removed.example.org": ("", "unmanaged")}
    assert statuses(bridge, "sync") == (0, waits)
    assert bridge.changes() == []
    assert bridge.event_uids() == waiting
    # The second run has the events in its ledger, so WordPress may delete them.
    assert bridge.run("sync").golden == (
        0,
        'Network "example.net": 0 to add, 2 to remove, 3 in sync, 1 unmanaged.\n'
        "  -  removed.example.org      mapping removed\n"
        "  -  renamed.example.org      mapping renamed\n"
        "  ?  www.removed.example.org  unmanaged: not used in this network; not touched\n"
        "Success: Removed 2 of 2 domains.\n"
        "Cost: 3 wp calls (0.00 s), 3 API calls (0.00 s), planning 0.000 s.\n",
        "",
    )
    assert bridge.changes() == [("remove", "removed.example.org"), ("remove", "renamed.example.org")]
    assert bridge.event_uids() == []
    assert bridge.run("integration", "status", "--field=events_waiting").out == "0\n"
    log = bridge.run("log", "removed.example.org", "--fields=action,cause,outcome").out
    assert log.splitlines()[-1] == "remove\tmapping removed\tdone"


def test_domains_of_a_site_deleted_by_sql_leave_after_its_mappings(bridge: Bridge) -> None:
    start(bridge, "one.example.org", "two.example.org")
    blog_id = bridge.multisite.create_site("gone")
    bridge.multisite.sql(f"UPDATE {TABLE} SET blog_id = {blog_id} WHERE domain <> 'gone.example.net'")
    assert bridge.run("sync").code == 0
    bridge.multisite.sql(f"DELETE FROM wp_blogs WHERE blog_id = {blog_id}")
    bridge.add_event("site_deleted", blog_id=blog_id, detail={"domains": ["one.example.org", "two.example.org"]})
    for _ in range(2):
        # The rows of the deleted site still contain its domains.
        assert statuses(bridge, "sync") == (0, {})
    delete_mappings(bridge.multisite, ["one.example.org", "two.example.org"])
    bridge.changes()
    bridge.add_event("site_deleted", blog_id=blog_id, detail={"domains": ["one.example.org", "two.example.org"]})
    assert bridge.run("sync").code == 0
    assert bridge.run("sync").code == 0
    assert bridge.changes() == [("remove", "one.example.org"), ("remove", "two.example.org")]


def test_malformed_events_block_nothing(bridge: Bridge) -> None:
    start(bridge, "stays.example.org", "goes.example.org")
    delete_mappings(bridge.multisite, ["goes.example.org"])
    poison: list[tuple[str, str, object]] = [
        ("no_such_kind", "stays.example.org", ""),
        ("mapping_removed", "", ""),
        ("mapping_removed", "not a domain", ""),
        ("mapping_removed", "example.net", ""),
        ("mapping_removed", "*.example.org", ""),
        ("mapping_removed", "stays.example.org", ""),
        ("mapping_renamed", "x.example.org", "no JSON at all"),
        ("mapping_renamed", "x.example.org", {"to": "nothing"}),
        ("mapping_renamed", "x.example.org", {"from": ["stays.example.org"]}),
        ("site_deleted", "", {"domains": "stays.example.org"}),
        ("site_deleted", "", {"domains": {"a": 1}}),
        ("site_deleted", "", "[" * 50_000),
        ("'; DROP TABLE events; --", "x' OR 1=1", {"from": "x' OR 1=1"}),
        ("mapping_removed", "ünïcödé.example.org", "\x1b[31mred\x07"),
    ]
    for kind, name, detail in poison:
        bridge.add_event(kind, name, detail=detail)
    # Event IDs that are not unique or empty.
    for uid in ("same", "same", "", ""):
        bridge.add_event("everything", uid=uid)
    bridge.add_event("mapping_removed", "goes.example.org")
    for _ in range(2):
        ran = bridge.run("sync")
        assert (ran.code, ran.err) == (0, ""), ran
    assert bridge.changes() == [("remove", "goes.example.org")]
    assert bridge.aliases == {"stays.example.org"}
    assert bridge.event_uids() == []


# Removals over the limit

DOOMED = [f"d{number:02}.example.org" for number in range(30)]
KEPT = [f"k{number}.example.org" for number in range(10)]
RULE = "the limit is 20 confirmed removals per hour, with 0 removed and 30 pending"
DIGEST = "DIGEST"
TEN = ", ".join(json.dumps(name) for name in DOOMED[:10])
NEEDS_APPROVAL = (
    f"Error: 30 removals need your approval ({RULE}): {TEN} and 20 more.\n"
    "If you intend them, review them with `closte-bridge plan --out=FILE` and run `closte-bridge apply FILE`. "
    "To approve them without a file, run `closte-bridge sync --allow-removals=DIGEST`.\n"
)
SHOWN = (
    'Network "example.net": 0 to add, 0 to remove, 10 in sync, 30 need approval.\n'
    + "".join(f"  !  {name}  needs approval: {RULE}\n" for name in DOOMED[:10])
    + "     …                20 more removals blocked by the same limit\n"
)
COST = "Cost: 1 wp call (0.00 s), 1 API call (0.00 s), planning 0.000 s.\n"


def digest_of(ran_err: str) -> str:
    return ran_err.rsplit("--allow-removals=", 1)[1][:12]


@pytest.fixture
def doomed(bridge: Bridge) -> Bridge:
    """Provide forty domains on Closte, thirty of which were unmapped together, each with its event."""
    start(bridge, *DOOMED, *KEPT)
    delete_mappings(bridge.multisite, DOOMED)
    for name in DOOMED:
        bridge.add_event("mapping_removed", name)
    assert statuses(bridge, "sync") == (0, dict.fromkeys(DOOMED, ("remove", "on-hold")))
    return bridge


def test_mass_removal_waits_for_its_digest(doomed: Bridge) -> None:
    refused = doomed.run("sync")
    digest = digest_of(refused.err)
    # One more call writes the states for people in WordPress, and one sends the plugin's event.
    told = COST.replace("1 wp call", "3 wp calls")
    assert refused.golden == (3, SHOWN + told, NEEDS_APPROVAL.replace(DIGEST, digest))
    # A second sync changes nothing, and a wrong digest does not help.
    assert doomed.run("sync", "--allow-removals=0123456789ab").golden == (3, SHOWN + COST, refused.err)
    assert doomed.run("sync", "--allow-removals=all").golden == (
        2,
        "",
        'Error: Invalid value for "--allow-removals": "all" is not a digest.\n'
        "Use the 12-character digest from the message about removals that need approval.\n",
    )
    assert doomed.changes() == []
    # Additions continue while the removals wait.
    doomed.multisite.add_mappings_sql([("new.example.com", 1)])
    over_limit = doomed.run("sync", "--format=json")
    assert (over_limit.code, over_limit.envelope["status"], over_limit.codes) == (
        3,
        "needs-approval",
        ["needs-approval"],
    )
    assert doomed.changes() == [("add", "new.example.com")]
    # A domain that is mapped again leaves the list, which changes the digest and invalidates the old one.
    doomed.multisite.add_mappings_sql([(DOOMED[0], 1)])
    other = doomed.run("sync", f"--allow-removals={digest}")
    assert (other.code, doomed.changes()) == (3, [])
    done = doomed.run("sync", f"--allow-removals={digest_of(other.err)}", "--quiet", "--format=count")
    assert done.golden == (0, "29\n", "")
    assert doomed.changes() == [("remove", name) for name in DOOMED[1:]]
    assert doomed.aliases == {*KEPT, "new.example.com", DOOMED[0]}


def test_mass_removal_follows_a_reviewed_plan(doomed: Bridge) -> None:
    plan = doomed.folder / "plan.json"
    written = doomed.run("plan", f"--out={plan}")
    success = 'Success: Saved the plan to "<folder>/plan.json".\n'
    assert written.golden == (3, f"{SHOWN}{success}{COST}", NEEDS_APPROVAL.replace(DIGEST, digest_of(written.err)))
    document = json.loads(plan.read_text())
    assert [change["name"] for change in document["changes"] if change["needs_approval"]] == DOOMED
    damaged_plans(doomed, document)
    tampered_plans(doomed, document)
    # Two of the domains are mapped again meanwhile. closte-bridge removes the others.
    doomed.multisite.add_mappings_sql([(name, 1) for name in DOOMED[:2]])
    stale = doomed.run("apply", str(plan))
    assert stale.code == 3
    words = [f'Error: Could not remove "{name}": the reviewed change no longer applies.\n' for name in DOOMED[:2]]
    assert stale.err == "".join(words) + "Create a new plan with `closte-bridge plan --out=FILE`, and review it.\n"
    assert doomed.changes() == [("remove", name) for name in DOOMED[2:]]
    # A completed removal is not stale when the plan is applied again.
    delete_mappings(doomed.multisite, DOOMED[:2])
    again = doomed.run("apply", str(plan))
    assert (again.code, doomed.changes()) == (3, [])
    assert doomed.aliases == {*KEPT, *DOOMED[:2]}


def damaged_plans(doomed: Bridge, document: dict[str, object]) -> None:
    path = doomed.folder / "other.json"
    error = 'Error: "<folder>/other.json" is not a valid closte-bridge plan.\n'
    hint = "Create a new one with `closte-bridge plan --out=FILE`.\n"
    assert doomed.run("apply", str(path)).golden == (
        2,
        "",
        'Error: Could not read the plan file "<folder>/other.json" (No such file or directory).\n'
        "Create one with `closte-bridge plan --out=FILE`.\n",
    )
    path.write_text(json.dumps(document)[:-20])
    assert doomed.run("apply", str(path)).golden == (2, "", error + hint)
    path.write_text(json.dumps(document | {"network": "another.example.com"}))
    assert doomed.run("apply", str(path)).golden == (
        3,
        "",
        f'Error: The plan is for another network or database: "another.example.com".\n{hint}',
    )


def tampered_plans(doomed: Bridge, document: dict[str, object]) -> None:
    """Check that `apply` does not remove domains that a person wrote into a plan and that are not due."""
    path = doomed.folder / "other.json"
    extra = ["example.net", KEPT[0], "victim.example.org"]
    changes = [{"action": "remove", "name": name, "cause": "event", "needs_approval": True} for name in extra]
    path.write_text(json.dumps(document | {"changes": changes}))
    ran = doomed.run("apply", str(path))
    assert ran.code == 3
    assert doomed.changes() == []
    assert 'Could not remove "k0.example.org": the reviewed change no longer applies.' in ran.err


def test_missing_mappings_wait_for_three_reads_and_an_approval(bridge: Bridge) -> None:
    start(bridge, *DOOMED, *KEPT)
    delete_mappings(bridge.multisite, DOOMED)
    for _ in range(2):
        code, found = statuses(bridge, "sync")
        assert (code, set(found.values())) == (0, {("remove", "on-hold")})
    refused = bridge.run("sync")
    assert refused.code == 3
    assert "(the limit is 4 inferred removals per 24 hours, with 0 removed and 30 pending)" in refused.err
    assert bridge.changes() == []
    bridge.write_config(removal_grace="24h")
    # A digest lifts the limit, but not the waiting time.
    early = bridge.run("sync", f"--allow-removals={digest_of(refused.err)}")
    assert (early.code, bridge.changes()) == (0, [])
    bridge.write_config(removal_grace=AT_ONCE)
    done = bridge.run("sync", f"--allow-removals={digest_of(refused.err)}", "--quiet", "--format=count")
    assert done.golden == (0, "30\n", "")
    assert bridge.changes() == [("remove", name) for name in DOOMED]
    # closte-bridge forgets a domain missing from the list. The other one waits because 30 removals count today.
    delete_mappings(bridge.multisite, KEPT[:2])
    bridge.sandbox.aliases = set(KEPT[1:])
    codes = [bridge.run("sync").code for _ in range(3)]
    assert codes == [0, 0, 3]
    assert "(the limit is 3 inferred removals per 24 hours, with 30 removed and 1 pending)" in bridge.run("sync").err
    assert bridge.changes() == []


def test_restored_database_removes_nothing(bridge: Bridge) -> None:
    start(bridge, *KEPT)
    delete_mappings(bridge.multisite, KEPT[5:])
    bridge.multisite.sql(f"UPDATE sqlite_sequence SET seq = 5 WHERE name = '{TABLE}'")
    for name in KEPT[5:]:
        bridge.add_event("mapping_removed", name)
    ran = bridge.run("sync", "--format=json")
    assert (ran.code, ran.codes) == (0, ["database-restored"])
    again = bridge.run("sync")
    assert again.err == (
        "Warning: WordPress was probably restored from a backup: the highest mapping ID dropped from 10 to 5. "
        "Removals wait.\n"
        "Check in WordPress that no mapping is missing, then run `closte-bridge adopt`.\n"
    )
    assert bridge.changes() == []
    # New mappings reach the old highest ID again, but the warning remains.
    new = [f"new{number}.example.org" for number in range(6)]
    bridge.multisite.add_mappings_sql((name, 1) for name in new)
    assert bridge.run("sync", "--format=json").codes == ["database-restored"]
    assert {name for action, name in bridge.changes() if action == "add"} >= set(new)
    assert not [name for action, name in bridge.changes() if action == "remove"]
    health = bridge.run("doctor")
    assert "the highest mapping ID dropped from 10 to 5" in health.out + health.err
    assert bridge.run("adopt", "--yes").code == 0
    assert bridge.run("sync", "--format=json").codes == []
