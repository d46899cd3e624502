"""Faults that make removals dangerous: partial approvals, restores hidden by new rows, late retries."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

from closte_bridge.ledger.store import FILE_NAME
from tests.proof.faults import SYNC
from tests.proof.invariants import HOUR, MINUTE
from tests.support.rows import delete_mappings
from tests.support.wordpress import TABLE

# An emoji domain, and the same domain in a spelling that every IDNA standard refuses.
_A_LABEL, _UNICODE = "xn--ls8h.customer.org", "\N{PILE OF POO}.customer.org"
# Seconds that Closte asks for: longer than a read of WordPress stays valid.
_PAUSE = 7

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign


def a_part_is_approved(campaign: Campaign) -> None:
    """Delete nearly all mappings; a person removes some changes from the plan and applies the rest.

    The removed changes must not happen, because they are not approved.
    """
    world, watcher = campaign.world, campaign.watcher
    managed = {str(name) for (name,) in world.ledger("SELECT name FROM aliases WHERE phase = 'present'")}
    lost = sorted(managed & world.rows())[4:]
    if len(lost) < 30:
        return
    delete_mappings(world.multisite, lost)
    watcher.look()
    for _ in range(4):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    plan = world.folder / "reviewed.json"
    campaign.run(("plan", f"--out={plan}", "--format=json"))
    if not plan.exists():
        return
    reviewed = json.loads(plan.read_text())
    # As many as the removal limit would allow if approved removals did not count.
    kept = [change for change in reviewed["changes"] if change["action"] == "remove"]
    kept = kept[: len(managed) // 10]
    reviewed["changes"] = [change for change in reviewed["changes"] if change not in kept]
    plan.write_text(json.dumps(reviewed))
    campaign.count("approval: a part of what was withheld")
    campaign.run(("apply", str(plan), "--format=json"), approved=True)
    plan.unlink()
    watcher.spared = {str(change["name"]) for change in kept}
    for _ in range(2):
        campaign.run(SYNC)
        campaign.pass_time(HOUR)
    watcher.spared = set()


def what_is_kept_loses_its_rows(campaign: Campaign) -> None:
    """Delete the rows of kept domains: below a wildcard of `keep`, and the other form of a former main domain.

    One row also changes to a spelling that IDNA refuses.
    """
    world, watcher = campaign.world, campaign.watcher
    kept = ["one.legacy.customer.org", "two.one.legacy.customer.org", "former.customer.org"]
    world.write_config(keep=["*.legacy.customer.org"])
    with closing(sqlite3.connect(world.state / FILE_NAME)) as ledger, ledger:
        ledger.execute(
            "INSERT OR IGNORE INTO flags (name, kind, since) VALUES ('www.former.customer.org', 'former', 0)"
        )
    site = int(str(world.multisite.sql("SELECT max(blog_id) AS id FROM wp_blogs")[0]["id"]))
    world.multisite.add_mappings_sql([(name, site) for name in (*kept, _A_LABEL)])
    watcher.look()
    campaign.run((*SYNC, "--retry"))
    watcher.spared = {*kept, _A_LABEL}
    delete_mappings(world.multisite, kept)
    world.multisite.sql(f"UPDATE {TABLE} SET domain = '{_UNICODE}' WHERE domain = '{_A_LABEL}'")
    watcher.look()
    campaign.count("WordPress: what `keep` names, and an emoji's domain, lose their rows")
    for _ in range(4):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    # Restore the rows: later faults do not know about this.
    world.multisite.add_mappings_sql([(name, site) for name in kept])
    world.multisite.sql(f"UPDATE {TABLE} SET domain = '{_A_LABEL}' WHERE domain = '{_UNICODE}'")
    watcher.check([])
    watcher.spared = set()
    world.write_config(keep=[])
    with closing(sqlite3.connect(world.state / FILE_NAME)) as ledger, ledger:
        ledger.execute("DELETE FROM flags WHERE name = 'www.former.customer.org'")
    campaign.run(SYNC)


def new_rows_hide_a_restore(campaign: Campaign) -> None:
    """Restore a database without the newest mappings; then new mappings use the lost IDs.

    Days later, the lost mappings return with new IDs, and a person adopts.
    """
    world, watcher = campaign.world, campaign.watcher
    kept = world.folder / "before.sqlite"
    world.back_up(kept)
    lost = world.stream.mapped(2)
    watcher.look()
    campaign.run((*SYNC, "--retry"))
    watcher.forget_events_before()
    world.put_back(kept)
    kept.unlink()
    watcher.spared = set(lost)
    watcher.look()
    campaign.count("database: restored, and new rows after that")
    campaign.run(SYNC)
    world.stream.mapped(3)
    watcher.look()
    for _ in range(4):
        (ran,) = campaign.run(SYNC)
        campaign.require(ran.status != 0 or "database-restored" in ran.stdout, "A restored database was forgotten.")
        campaign.pass_time(9 * HOUR)
    world.stream.tell([{"do": "create", "domain": name, "site": 1} for name in lost])
    watcher.check([])
    watcher.spared = set()
    campaign.adopt_anew()
    campaign.run(SYNC)


def a_retry_would_come_late(campaign: Campaign) -> None:
    """Make Closte ask for a pause before a removal; during the pause, the domain is mapped again."""
    world, watcher = campaign.world, campaign.watcher
    (name,) = world.stream.mapped(1)
    campaign.run((*SYNC, "--retry"))
    world.stream.tell([{"do": "remove", "domain": name}])
    watcher.look()
    campaign.run(SYNC)
    campaign.pass_time(6 * MINUTE)
    usual = world.sandbox.behaviour
    world.sandbox.behaviour = replace(usual, retry_after=str(_PAUSE))
    world.sandbox.set_faults(f"429:1:1@{name}")

    def map_it_again() -> None:
        began = time.monotonic()
        while not any(r.call == "remove" and r.domain == name for r in world.sandbox.requests):
            if time.monotonic() - began > _PAUSE:
                return
            time.sleep(0.05)
        world.multisite.add_mappings_sql([(name, 1)])
        campaign.count("Closte: asks for a pause, and the domain is mapped again")

    again = Thread(target=map_it_again)
    again.start()
    campaign.run(SYNC, look=False)
    again.join()
    world.sandbox.behaviour = usual
    world.sandbox.set_faults()
    campaign.require(name in world.sandbox.aliases, f'"{name}" was removed by a retry, and is mapped again.')
    watcher.requests_are_judged()
    watcher.check([])
    campaign.run(SYNC)
