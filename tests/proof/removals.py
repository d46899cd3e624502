"""What makes removals dangerous: approvals between runs, restores that new rows hide, retries that wait for long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.proof.faults import SYNC
from tests.proof.invariants import HOUR
from tests.support.rows import delete_mappings

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign


def a_part_is_approved(campaign: Campaign) -> None:
    """Nearly all mappings lose their rows; a person takes some out of the plan and applies the rest.

    What was taken out is kept: the approval was not for it. The rows come back in the end.
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
    # A share that could go if the domains that are approved made room for it.
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
