"""Tests of the way from adoption to a synced network, with the complete output in each format."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import yaml

from closte_bridge.ledger.log import LogAction, LogEntry, append
from tests.integration.three_mapped import COST, NOTES, OFFER, ONE, PLAN, TWO, three_mapped
from tests.support.bridge import Bridge, table
from tests.support.ledgers import opened
from tests.support.rows import delete_mappings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

IN_SYNC = f"""\
Network "example.net": 0 to add, 0 to remove, 3 in sync, 3 on hold, 1 unmanaged.
{NOTES}"""
NOT_ADOPTED = "this network has not been adopted"
RUN_ADOPT = "Run `closte-bridge adopt` to make this installation the owner."
NO_TIME = """\
Error: Invalid value for "--since": "someday" is neither a duration nor a date.
Use a form like 1d, 24h, yesterday or 2026-11-01.
"""
NO_TERMINAL = """\
Error: Confirmation required, but stdin is not a terminal.
Pass `--yes` to skip the prompt.
"""
CSV = """\
domain,change,status,reason,until,network
b.customer.org,add,planned,mapped to site 1,,example.net
shop.customer.com,add,planned,mapped to site 1,,example.net
www.a.customer.org,add,on-hold,"waiting for DNS to point to the same address as ""a.customer.org""\",,example.net
www.b.customer.org,add,on-hold,"waiting for DNS to point to the same address as ""b.customer.org""\",,example.net
www.shop.customer.com,add,on-hold,"waiting for DNS to point to the same address as ""shop.customer.com""\",,example.net
stranger.example.org,,unmanaged,not used in this network; not touched,,example.net
"""
ENVELOPE = ["version", "command", "status", "exit_code", "data", "errors", "warnings", "notes", "cost"]
COSTS = {"wp_calls", "wp_seconds", "api_calls", "api_seconds", "list_wait_seconds", "planning_seconds"}


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    with three_mapped(multisite, tmp_path) as bridge:
        yield bridge


def test_adoption_plan_sync_and_log_output(bridge: Bridge) -> None:
    before_adoption(bridge)
    adoption(bridge)
    planning(bridge)
    syncing(bridge)
    the_log(bridge)


def before_adoption(bridge: Bridge) -> None:
    assert bridge.run("plan").golden == (0, PLAN + ONE, f"Warning: Read-only: {NOT_ADOPTED}.\n{RUN_ADOPT}\n")
    nothing = f"Error: closte-bridge changes nothing: {NOT_ADOPTED}.\n{RUN_ADOPT}\n"
    assert bridge.run("sync").golden == (7, PLAN + ONE, nothing)
    assert bridge.run("domain", "add", "x.example.org").golden == (
        7, "", f"Error: This network has not been adopted.\n{RUN_ADOPT}\n"
    )  # fmt: skip
    assert bridge.run("log").golden == (0, "time\taction\tdomain\tcause\toutcome\tdetail\n", "")
    assert bridge.changes() == []


def adoption(bridge: Bridge) -> None:
    assert bridge.run("adopt").golden == (2, OFFER, NO_TERMINAL)
    question = "Adopt this network? [y/n] "
    assert bridge.run_asked("n\n", "adopt").golden == (
        1,
        OFFER,
        f"{question}Error: Aborted.\ncloste-bridge made no further changes. Run the command again to continue.\n",
    )
    assert bridge.multisite.network_option("closte_bridge_owner") is None
    # closte-bridge reads again after the question, because no other run waits while a person reads.
    looks = ONE.replace("1 wp call", "3 wp calls").replace("1 API call", "2 API calls")
    said = 'Success: closte-bridge now manages "example.net" (1 domain adopted).\n'
    assert bridge.run_asked("y\n", "adopt").golden == (0, OFFER + said + looks, question)
    owner = bridge.multisite.network_option("closte_bridge_owner")
    assert sorted(owner) == ["engine", "host", "since"]
    # A second adoption changes nothing and finds no more domains to adopt.
    again = bridge.run("adopt", "--yes", "--format=json", "--quiet")
    assert (again.code, again.err) == (0, "")
    assert again.envelope["data"] == {
        "network": "example.net",
        "adopted": [],
        "unmanaged": ["stranger.example.org"],
        "taken_over_from": None,
        "renewed": True,
    }
    assert bridge.changes() == []


def planning(bridge: Bridge) -> None:
    assert bridge.run("plan").golden == (0, PLAN + ONE, "")
    assert bridge.run("plan", "--format=csv").golden == (0, CSV, ONE)
    assert bridge.run("plan", "--format=ids", "--quiet").golden == (0, "b.customer.org shop.customer.com\n", "")
    assert bridge.run("sync", "--dry-run", "--format=count").golden == (0, "2\n", ONE)
    fields = bridge.run("plan", "--fields=domain,status", "--quiet", "--detailed-exitcode")
    assert fields.golden == (6, "\n".join(["domain\tstatus", *TWO_COLUMNS]) + "\n", "")
    assert bridge.run("plan", "--field=change", "--quiet").out == "add\nadd\nadd\nadd\nadd\n\n"
    rows = yaml.safe_load(bridge.run("plan", "--format=yaml").out)
    ran = bridge.run("plan", "--format=json", "--detailed-exitcode")
    assert (ran.code, ran.err) == (6, "")
    assert list(ran.envelope) == ENVELOPE
    assert ran.envelope | {"cost": {}} == {
        "version": 1,
        "command": "plan",
        "status": "changes",
        "exit_code": 6,
        "data": rows,
        "errors": [],
        "warnings": [],
        "notes": [],
        "cost": {},
    }
    assert set(ran.envelope["cost"]) == COSTS
    assert (ran.envelope["cost"]["wp_calls"], ran.envelope["cost"]["api_calls"]) == (1, 1)
    assert [list(row) for row in rows] == [CSV.split("\n", 1)[0].split(",")] * 6
    assert bridge.run("plan", "--fields=domain,nonsense").golden == (
        2,
        "",
        'Error: Unknown field: "nonsense".\nAvailable fields: domain, change, status, reason, until, network.\n',
    )
    assert bridge.changes() == []


TWO_COLUMNS = [
    "b.customer.org\tplanned",
    "shop.customer.com\tplanned",
    "www.a.customer.org\ton-hold",
    "www.b.customer.org\ton-hold",
    "www.shop.customer.com\ton-hold",
    "stranger.example.org\tunmanaged",
]


def syncing(bridge: Bridge) -> None:
    # A sync of a single domain.
    one = bridge.run("sync", "b.customer.org")
    assert one.golden == (
        0,
        'Network "example.net": 1 to add, 0 to remove, 1 in sync, 1 on hold.\n'
        "  +  b.customer.org      mapped to site 1\n"
        '  ~+ www.b.customer.org  on hold: waiting for DNS to point to the same address as "b.customer.org"\n'
        f"Success: Added 1 of 1 domain.\n{TWO}",
        "",
    )
    assert bridge.changes() == [("add", "b.customer.org")]
    rest = bridge.run("sync", "--format=json")
    assert (rest.code, rest.envelope["status"]) == (0, "ok")
    assert rest.envelope["data"][0] == {
        "domain": "shop.customer.com",
        "change": "add",
        "status": "done",
        "reason": "mapped to site 1",
        "until": None,
        "network": "example.net",
    }
    assert bridge.changes() == [("add", "shop.customer.com")]
    assert bridge.aliases == {"a.customer.org", "b.customer.org", "shop.customer.com", "stranger.example.org"}
    assert bridge.run("sync").golden == (0, f"{IN_SYNC}Success: Nothing to change.\n{ONE}", "")
    assert bridge.run("sync", "--quiet").golden == (0, IN_SYNC, "")
    assert bridge.run("plan", "--detailed-exitcode", "--format=count", "--quiet").golden == (0, "0\n", "")
    assert bridge.changes() == []


def the_log(bridge: Bridge) -> None:
    fields = "--fields=action,domain,cause,outcome,detail"
    assert bridge.run("log", fields, "--format=csv").golden == (
        0,
        "action,domain,cause,outcome,detail\n"
        'bind,,adoption,done,"""example.net"""\n'
        "adopt,a.customer.org,adoption,done,\n"
        'bind,,adoption,done,"""example.net"""\n'
        "add,b.customer.org,mapped to site 1,done,Closte confirmed the change.\n"
        "add,shop.customer.com,mapped to site 1,done,Closte confirmed the change.\n",
        "",
    )
    assert bridge.run("log", "shop.customer.com", "--format=count").golden == (0, "1\n", "")
    older = "Warning: 4 older entries are not shown.\nShow all with `--limit=5`.\n"
    assert bridge.run("log", "--limit=1", "--field=domain").golden == (0, "shop.customer.com\n", older)
    [entry] = table(bridge.run("log", "--limit=1").out)
    assert entry["time"] == "<time>"
    assert bridge.run("log", "--since=0.0001", "--limit=0").code == 2
    with opened(bridge.state) as ledger, ledger.transaction():
        old = time.time() - 3 * 86_400
        append(
            ledger, [LogEntry(old, "run", LogAction.ADD, f"old{number}.org", "test", "done") for number in range(150)]
        )
    for since, found in (("1d", 5), ("24h", 5), ("24", 5), ("4d", 155), ("100", 155), ("2020-01-01", 155)):
        assert bridge.run("log", f"--since={since}", "--format=count").golden == (0, f"{found}\n", "")
    assert bridge.run("log", "--format=count", "--limit=7", "--quiet").out == "7\n"
    assert bridge.run("log").err == "Warning: 55 older entries are not shown.\nShow all with `--limit=155`.\n"
    assert bridge.run("log", "--since=someday").golden == (2, "", NO_TIME)


# One domain at a time


def test_domain_commands_output(bridge: Bridge) -> None:
    bridge.adopt()
    assert bridge.run("sync").code == 0
    bridge.changes()
    looking(bridge)
    pinning(bridge)
    removing(bridge)
    wildcards(bridge)
    releasing(bridge)


LIST = """\
domain\tsite\tstage\tcloste\tstate\tdns\thttps\tlive\tnext_step
a.customer.org\t1\tdone\tyes\tin-sync\t\t\tfalse\t
b.customer.org\t1\tdone\tyes\tin-sync\t\t\tfalse\t
example.net\t\t\tyes\town\t\t\tfalse\t
shop.customer.com\t1\tdone\tyes\tin-sync\t\t\tfalse\t
stranger.example.org\t\t\tyes\tunmanaged\t\t\tfalse\t
www.a.customer.org\t\t\tno\ton-hold\t\t\tfalse\tPoint www.a.customer.org to the same address as a.customer.org.
www.b.customer.org\t\t\tno\ton-hold\t\t\tfalse\tPoint www.b.customer.org to the same address as b.customer.org.
www.shop.customer.com\t\t\tno\ton-hold\t\t\tfalse\tPoint www.shop.customer.com to the same address as shop.customer.com.
"""
UNKNOWN = """\
Error: Unknown domain "nobody.example.org": not found in WordPress or on Closte.
Compare it with `closte-bridge domain list`, or add it with `closte-bridge domain add nobody.example.org`.
"""
EXPLAINED = """\
shop.customer.com: in-sync
WordPress: mapped to site 1, stage "done"
Closte: present, managed
Phase: added
Why: a mapping
Next step: Nothing to do. The domain is in sync.
History:
  <time> add: done (mapped to site 1) Closte confirmed the change.
"""


def looking(bridge: Bridge) -> None:
    assert bridge.run("domain", "list").golden == (0, LIST, "")
    held = bridge.run("domain", "list", "--state=on-hold", "--format=ids")
    assert held.golden == (0, "www.a.customer.org www.b.customer.org www.shop.customer.com\n", "")
    assert bridge.run("domain", "list", "--state=unmanaged", "--format=count").golden == (0, "1\n", "")
    got = bridge.run("domain", "get", "SHOP.customer.com.", "--format=json").envelope["data"]
    assert got == {
        "domain": "shop.customer.com",
        "site": 1,
        "stage": "done",
        "closte": "yes",
        "origin": "mapping",
        "state": "in-sync",
        "reason": "a mapping",
        "managed": True,
        "active": True,
        "primary": False,
        "secure": False,
        "until": None,
        "dns": None,
        "https": None,
        "live": False,
        "needs": "",
        "next_step": "",
    }
    assert bridge.run("domain", "get", "shop.customer.com", "--fields=domain,managed").golden == (
        0, "Field\tValue\ndomain\tshop.customer.com\nmanaged\ttrue\n", ""
    )  # fmt: skip
    assert bridge.run("domain", "get", "stranger.example.org", "--field=state").golden == (0, "unmanaged\n", "")
    assert bridge.run("domain", "get", "nobody.example.org").golden == (4, "", UNKNOWN)
    assert bridge.run("domain", "explain", "shop.customer.com").golden == (0, EXPLAINED, "")
    assert bridge.run("domain", "explain", "www.shop.customer.com", "--field=next_step").golden == (
        0, "Point www.shop.customer.com to the same address as shop.customer.com.\n", ""
    )  # fmt: skip


def pinning(bridge: Bridge) -> None:
    added = bridge.run("domain", "add", "Legacy.Customer.com", "bücher.example.org")
    assert added.golden == (
        0,
        'Network "example.net": 2 to add, 0 to remove, 3 in sync.\n'
        "  +  legacy.customer.com        pinned\n"
        "  +  xn--bcher-kva.example.org  pinned\n"
        f"Success: Added 2 of 2 domains.\n{COST.format(wp='2 wp calls', api='4 API calls')}",
        "",
    )
    pasted = "https://Legacy.Customer.com:443/shop?id=1"
    assert bridge.run("domain", "add", pasted).golden == (
        0,
        'Network "example.net": 0 to add, 0 to remove, 5 in sync.\n'
        f"Success: Nothing to change.\n{COST.format(wp='2 wp calls', api='2 API calls')}",
        f'Using "legacy.customer.com" for "{pasted}".\n',
    )
    assert bridge.run("domain", "add", "https://user@legacy.customer.com/").golden == (
        2,
        "",
        'Error: "https://user@legacy.customer.com/" is not a domain name: not a host name.\n'
        "Enter only the domain, like shop.example.com: omit scheme, user, port, path and commas.\n",
    )
    assert bridge.run("domain", "add", "a.legacy.com", "legacy.customer.com", "--porcelain").golden == (
        0, "a.legacy.com\n", ""
    )  # fmt: skip
    assert bridge.run("domain", "remove", "a.legacy.com", "--porcelain", "--yes").golden == (0, "a.legacy.com\n", "")
    assert bridge.changes()[2:] == [("add", "xn--bcher-kva.example.org"), ("remove", "a.legacy.com")]
    assert bridge.run("domain", "add").golden == (
        2,
        "",
        "Error: No domain given.\nSee `closte-bridge domain --help`.\n",
    )
    assert bridge.run("domain", "add", "a b").golden == (
        2,
        "",
        'Error: "a b" is not a domain name: not a host name.\n'
        "Use a form like shop.example.com, or *.example.com for a wildcard.\n",
    )  # fmt: skip
    assert bridge.run("domain", "add", "shop.local").golden == (
        2,
        "",
        'Error: Could not add "shop.local": no certificate can be issued for it (under .local).\n'
        "Use a public domain name.\n",
    )  # fmt: skip
    assert bridge.changes() == []


def removing(bridge: Bridge) -> None:
    assert bridge.run("domain", "remove", "legacy.customer.com").golden == (2, "", NO_TERMINAL)
    refused = {
        "shop.customer.com": "it is still mapped in WordPress.\n"
        "Delete the mapping in WordPress; closte-bridge then removes the domain automatically.\n",
        "stranger.example.org": "closte-bridge does not manage it.\n"
        "closte-bridge only removes domains it added or adopted. Remove this one in Closte's dashboard.\n",
        "example.net": "closte-bridge does not manage it.\n"
        "closte-bridge only removes domains it added or adopted. Remove this one in Closte's dashboard.\n",
    }
    for name, words in refused.items():
        assert bridge.run("domain", "remove", name, "--yes").golden == (
            1,
            "",
            f'Error: Could not remove "{name}": {words}',
        )
    # One refused domain stops the whole command, since all its domains are one request.
    assert bridge.run("domain", "remove", "legacy.customer.com", "shop.customer.com", "--yes").code == 1
    assert bridge.changes() == []
    asked = bridge.run_asked("y\n", "domain", "remove", "legacy.customer.com")
    assert asked.golden == (
        0,
        'Network "example.net": 0 to add, 1 to remove, 4 in sync.\n'
        "  -  legacy.customer.com  requested with `domain remove`\n"
        "Success: Removed 1 of 1 domain.\n"
        "Cost: 3 wp calls (0.00 s), 3 API calls (0.00 s), planning 0.000 s.\n",
        "Remove legacy.customer.com from Closte? [y/n] ",
    )
    assert bridge.changes() == [("remove", "legacy.customer.com")]


def wildcards(bridge: Bridge) -> None:
    assert bridge.run("domain", "add", "*.customer.com").code == 0
    bridge.multisite.add_mappings_sql([("new.customer.com", 1)])
    covered = bridge.run("plan", "--fields=domain,status,reason", "--format=json").envelope["data"][0]
    assert covered == {"domain": "new.customer.com", "status": "on-hold", "reason": 'covered by "*.customer.com"'}
    bridge.changes()
    # closte-bridge first adds the covered domain, and removes the wildcard when the list contains that domain.
    first = bridge.run("domain", "remove", "*.customer.com", "--yes", "--format=json")
    assert (first.code, first.codes) == (3, ["not-removed"])
    assert bridge.changes() == [("add", "new.customer.com")]
    assert "must be added separately first" in first.envelope["warnings"][0]["message"]
    assert bridge.run("sync").code == 0
    assert bridge.changes() == [("remove", "*.customer.com")]


def releasing(bridge: Bridge) -> None:
    release = ("domain", "release", "shop.customer.com", "--yes")
    assert bridge.run(*release).golden == (0, "Success: Released 1 domain. It stays on Closte.\n", "")
    not_managed = 'Error: Could not release "{}": closte-bridge does not manage it.\n'
    see = "List the managed domains with `closte-bridge domain list --fields=domain,managed`.\n"
    assert bridge.run(*release).golden == (1, "", not_managed.format("shop.customer.com") + see)
    both = bridge.run("domain", "release", "stranger.example.org", "b.customer.org", "--yes")
    failed = not_managed.format("stranger.example.org")
    assert both.golden == (4, "", f"{failed}Error: Released 1 of 2 domains; 1 failed.\n{see}")
    assert "shop.customer.com" in bridge.aliases
    # A released domain is unmanaged: it is not adopted again, and not removed with its mapping.
    adopted = bridge.run("adopt", "--yes", "--format=json").envelope["data"]
    assert adopted["adopted"] == []
    delete_mappings(bridge.multisite, ["shop.customer.com"])
    assert bridge.run("domain", "get", "shop.customer.com", "--field=state").out == "unmanaged\n"
    assert bridge.changes() == []
