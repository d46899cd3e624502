"""Faults of Closte as a whole: domains of other applications, late, paged and empty lists, losses, firewalls.

`faults` has the faults of single answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.proof.faults import SYNC
from tests.proof.invariants import DAY, HOUR, MINUTE
from tests.support.closte_worlds import elsewhere, late_list, lists_are_refused
from tests.support.fake_world import FOREIGN, OWN

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign

HEALTH = ("health", "--max-age=30d", "--format=json")
# Removals that an earlier fault left for approval determine the exit code before failed changes do.
_LOUD = {3, 4}
# Seconds, longer than the allowance for a late list and than any backoff of the first hours.
_LATER = 2 * HOUR


def _calm(campaign: Campaign) -> None:
    """Stop Closte's faults and let due changes finish."""
    campaign.world.sandbox.set_faults()
    for _ in range(2):
        campaign.run((*SYNC, "--retry"))
        campaign.pass_time(_LATER)


def _managed(campaign: Campaign) -> set[str]:
    return {str(name) for (name,) in campaign.world.ledger("SELECT name FROM aliases WHERE phase = 'present'")}


def _map(campaign: Campaign, count: int) -> list[str]:
    names = campaign.world.stream.mapped(count)
    campaign.watcher.look()
    return names


def domains_of_other_applications(campaign: Campaign) -> None:
    """Map two domains that belong to other applications; days later, Closte's support releases them."""
    _calm(campaign)
    names = _map(campaign, 2)
    campaign.count("Closte: domains of other applications", 2)
    campaign.watcher.elsewhere |= set(names)
    with elsewhere(campaign.world.sandbox, *names):
        (ran,) = campaign.run(SYNC)
        campaign.require(ran.status in _LOUD, f"A domain of another application ended with {ran.status}.")
        campaign.require(ran.stdout.count('"exists-elsewhere"') == 2, "Nobody says that they belong to others.")
        for _ in range(3):
            campaign.pass_time(9 * HOUR)
            campaign.run(SYNC)
        (ran,) = campaign.run(HEALTH)
        campaign.require(ran.status == 1, "`health` is green after a day of it.")
    campaign.watcher.elsewhere -= set(names)
    campaign.pass_time(2 * DAY)
    campaign.run(SYNC)


def lists_are_late(campaign: Campaign) -> None:
    """Delay the list by minutes after an addition with a lost answer and after many removals."""
    world = campaign.world
    _calm(campaign)
    gone = _map(campaign, max(14, len(world.sandbox.aliases) // 7))
    _calm(campaign)
    (new,) = _map(campaign, 1)
    campaign.count("Closte: a late list")
    with late_list(world.sandbox):
        world.sandbox.set_faults(f"lost:1:1@{new}")
        (ran,) = campaign.run(SYNC)
        campaign.require('"exists-elsewhere"' not in ran.stdout, "A late list is taken for another application.")
    world.sandbox.set_faults()
    world.stream.tell([{"do": "remove", "domain": name} for name in gone])
    campaign.watcher.look()
    campaign.run(SYNC)
    campaign.pass_time(6 * MINUTE)
    with late_list(world.sandbox):
        campaign.run(SYNC)
        campaign.pass_time(MINUTE)
        campaign.run(SYNC)
    campaign.pass_time(_LATER)
    (ran,) = campaign.run(SYNC)
    campaign.require(
        "shrank unexpectedly" not in ran.stdout, "What the engine removed is a list that shrank by itself."
    )


def lists_are_paged(campaign: Campaign) -> None:
    """Page the list for a day: new domains are added, and unlisted ones are not requested again."""
    world = campaign.world
    _calm(campaign)
    managed, before = _managed(campaign), len(world.sandbox.requests)
    world.sandbox.set_faults("list-truncated:1")
    campaign.count("Closte: paged lists")
    for _ in range(2):
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    names = _map(campaign, 2)
    (ran,) = campaign.run(SYNC)
    campaign.require('"list-paged"' in ran.stdout, "Nobody says that the list is paged.")
    campaign.require(set(names) <= world.sandbox.aliases, "New domains do not arrive while the list is paged.")
    again = managed & {r.domain for r in world.sandbox.requests[before:] if r.call == "add"}
    campaign.require(not again, f"Asked for again because a paged list does not show them: {sorted(again)[:5]}.")
    world.sandbox.set_faults()


def lists_empty_and_fill_again(campaign: Campaign) -> None:
    """Return one empty list: repeated requests cost no certificate budget, and a new domain is still added."""
    world = campaign.world
    _calm(campaign)
    where = f"shared{campaign.chance.randrange(10**6)}.org"
    names = [f"n{number}.{where}" for number in range(6)]
    world.stream.tell([{"do": "create", "domain": name, "site": 1} for name in names])
    campaign.watcher.look()
    _calm(campaign)
    campaign.pass_time(8 * DAY)
    campaign.run(SYNC)
    usual = world.settings["certificate_budget"]
    world.write_config(certificate_budget=5)
    world.sandbox.set_faults("list-empty:1")
    campaign.count("Closte: an empty list")
    campaign.run(SYNC)
    world.sandbox.set_faults()
    new = f"new.{where}"
    world.stream.tell([{"do": "create", "domain": new, "site": 1}])
    campaign.watcher.look()
    campaign.run(SYNC)
    campaign.require(new in world.sandbox.aliases, "One empty list holds a new domain back.")
    world.write_config(certificate_budget=usual)


def closte_loses_nearly_all(campaign: Campaign) -> None:
    """Remove nearly all domains from Closte, some of them right after they were added."""
    world = campaign.world
    _calm(campaign)
    young = _map(campaign, 3)
    campaign.run(SYNC)
    wanted = _managed(campaign) & world.wanted() & world.sandbox.aliases
    lost = wanted | set(young)
    world.sandbox.aliases = (world.sandbox.aliases - lost) | {OWN, *FOREIGN}
    campaign.count("Closte: nearly all domains lost")
    (ran,) = campaign.run((*SYNC, "--quiet"))
    campaign.require(ran.status in _LOUD, f"A mass loss ended with {ran.status}.")
    campaign.require('"aliases-lost"' in ran.stdout, "Nobody says that nearly all domains were lost.")
    missing = lost - world.sandbox.aliases
    campaign.require(not missing, f"Lost and not added again in the run: {sorted(missing)[:5]}.")
    (ran,) = campaign.run(HEALTH)
    # `health` names one problem, and an older alarm may come first.
    red = "aliases-lost" in ran.stdout or "database-restored" in ran.stdout
    campaign.require(ran.status == 1 and red, f"`health` knows nothing of a mass loss: {ran.stdout[-800:]}")
    campaign.pass_time(_LATER)
    campaign.run(SYNC)
    (ran,) = campaign.run(HEALTH)
    campaign.require("aliases-lost" not in ran.stdout, "`health` is red for a loss that is mended.")


def a_firewall_refuses_lists(campaign: Campaign) -> None:
    """Refuse GET requests, which have the key in the URL; changes pass."""
    world = campaign.world
    _calm(campaign)
    names = _map(campaign, 2)
    campaign.count("Closte: a firewall by method")
    with lists_are_refused(world.sandbox, "Forbidden.", campaign.chance.choice((401, 403))):
        (ran,) = campaign.run(SYNC)
        campaign.require(ran.status == 5, f"A refused list ended with {ran.status}.")
    campaign.require(set(names) <= world.sandbox.aliases, "A refused list stops additions.")


FAULTS = (
    domains_of_other_applications, lists_are_late, lists_are_paged, lists_empty_and_fill_again,
    closte_loses_nearly_all, a_firewall_refuses_lists,
)  # fmt: skip
