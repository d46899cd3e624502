"""Tests of contradictions between Closte's list and its answers: refused, paged, short and late lists, wrong texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ExitCode
from closte_bridge.hosting import Completeness, OutcomeKind
from tests.support.closte_worlds import (
    elsewhere,
    late_list,
    lists_are_refused,
    never_shown,
    undeletable,
)
from tests.support.fake_world import FOREIGN, OWN
from tests.support.journal import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_world import World

pytestmark = pytest.mark.real

FEW = [f"shop.customer{number}.com" for number in range(12)]
MANY = [f"shop.customer{number}.com" for number in range(60)]
MINUTE, DAY = 60.0, 86400.0


def managed(world: World) -> set[str]:
    return {str(name) for (name,) in world.rows("SELECT name FROM aliases WHERE phase = 'present'")}


def held(report: object) -> dict[str, str]:
    holds = {hold.name: hold.code for hold in report.plan.held}  # type: ignore[attr-defined]
    return holds | {hold.name: hold.code for hold in report.applied.held}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("words", "status"), [("Forbidden.", 403), ("Unauthorized.", 401), ("Invalid API key.", 200)])
def test_refused_list_with_an_accepted_key_blocks_no_addition(
    make_world: Callable[..., World], words: str, status: int
) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["new.example.com"])
    with lists_are_refused(world.sandbox, words, status):
        report = world.sync()
    assert report.exit_code is ExitCode.UNREADABLE
    assert (report.plan.observed.state, report.view.listing.key_rejected) == (Completeness.UNREADABLE, False)
    assert "accepts the API key" in report.plan.observed.reason
    assert world.sandbox.aliases == world.wanted
    # The empty domain tests the key and changes nothing.
    assert [r.domain for r in world.sandbox.requests if r.call == "add"] == ["", "new.example.com"]


def test_domain_of_another_application_is_not_managed(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["taken.example.com", "new.example.com"])
    with elsewhere(world.sandbox, "taken.example.com"):
        report = world.sync()
        assert report.applied is not None
        assert [(f.change.name, f.code) for f in report.applied.failed] == [("taken.example.com", "exists-elsewhere")]
        assert report.exit_code is ExitCode.SOME_FAILED
        assert managed(world) == {*FEW, "new.example.com"}
        lists = [r for r in world.sandbox.requests if r.call == "list"]
        assert len(lists) == 3, "adoption, the run, and one reading after the change"
        # closte-bridge requests it again a day later, not before.
        later = world.sync(later=DAY / 2, retry=False)
        assert held(later) == {"taken.example.com": "exists-elsewhere"}
        assert later.exit_code is ExitCode.OK
        assert world.sync(later=1.3 * DAY, retry=False).exit_code is ExitCode.SOME_FAILED
    # Closte's support has released the domain.
    assert world.sync(later=3 * DAY, retry=False).exit_code is ExitCode.OK
    assert "taken.example.com" in managed(world)
    assert world.rows("SELECT name FROM failed_changes") == []


def test_answers_decide_while_the_list_is_incomplete(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["taken.example.com"])
    with elsewhere(world.sandbox, "taken.example.com"):
        world.sandbox.set_faults("list-hidden:1")
        assert held(world.sync()) == {"taken.example.com": "not-managed"}
        world.sandbox.set_faults()
        report = world.sync()
    assert report.applied is not None
    assert [f.code for f in report.applied.failed] == ["exists-elsewhere"]


def test_late_list_is_not_mistaken_for_another_application(make_world: Callable[..., World]) -> None:
    """The first answer was lost; the second says that the domain exists, but the list does not show it yet."""
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["new.example.com"])
    with late_list(world.sandbox):
        world.sandbox.set_faults("lost:1:1@new.example.com")
        report = world.sync()
        assert report.applied is not None
        assert (report.applied.failed, held(report)) == ([], {"new.example.com": "list-lag"})
        assert report.exit_code is ExitCode.OK
    assert world.sync(later=11 * MINUTE).exit_code is ExitCode.OK
    assert "new.example.com" in managed(world)


def test_confirmed_domain_that_is_never_listed_is_a_failed_change(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["ghost.example.com"])
    with never_shown(world.sandbox, "ghost.example.com"):
        codes = [world.sync(later=number * 30 * MINUTE, retry=False).exit_code for number in range(6)]
    assert codes[:2] == [ExitCode.OK, ExitCode.OK], "The list may be late."
    assert codes[-1] is ExitCode.SOME_FAILED
    assert "ghost.example.com" not in managed(world)
    assert world.sync(later=DAY).exit_code is ExitCode.OK
    assert "ghost.example.com" in managed(world)


def test_removal_answered_not_found_but_still_listed_has_failed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(drop=[FEW[0]])
    world.sync()
    with undeletable(world.sandbox, FEW[0]):
        report = world.sync()
    assert report.applied is not None
    assert [(f.change.name, f.kind) for f in report.applied.failed] == [(FEW[0], OutcomeKind.FAILED)]
    assert report.exit_code is ExitCode.SOME_FAILED
    assert FEW[0] in managed(world)
    assert world.rows("SELECT name FROM removals") == []
    world.sync()
    assert world.sandbox.aliases == world.wanted


@pytest.mark.parametrize("fault", ["list-empty", "list-shrunk"])
@pytest.mark.parametrize("already", ["Domain already exists.", ""])
def test_short_list_costs_no_certificate_budget(make_world: Callable[..., World], fault: str, already: str) -> None:
    names = [f"shop{number}.example.com" for number in range(39)]
    world = make_world(mapped=names)
    world.adopt()
    world.sandbox.api.texts = type(world.sandbox.api.texts)(already=already)
    world.sandbox.set_faults(f"{fault}:1")
    world.sync()
    world.sandbox.set_faults()
    fresh = [f"new{number}.example.com" for number in range(40)]
    world.wordpress.change(add=fresh)
    world.sync()
    assert world.sandbox.aliases == world.wanted
    # The budget counts these 40 additions.
    world.wordpress.change(add=["more.example.com"])
    assert held(world.sync()) == {"more.example.com": "certificate-budget"}


def test_permanently_paged_list_is_reported_and_repeats_no_request(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=MANY)
    world.adopt()
    world.sandbox.set_faults("list-truncated:1")
    before = len(world.sandbox.requests)
    world.wordpress.change(add=["new.example.com"])
    for later in (0.0, 20 * MINUTE, DAY):
        report = world.sync(later=later)
        assert report.exit_code is ExitCode.OK
        assert report.plan.observed.paged
    assert report.plan.observed.reason == "Closte's list is paged and shows 32 of 65 entries"
    assert asked(world.sandbox.requests[before:], "add") == {"new.example.com"}
    assert world.sandbox.aliases == world.wanted
    # A confirmed removal does not need a complete list.
    world.wordpress.change(drop=[MANY[0]])
    world.sync(later=DAY)
    world.sync(later=DAY + MINUTE)
    assert world.sandbox.aliases == world.wanted


def test_mass_loss_raises_an_alarm_and_is_repaired_in_the_same_run(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.adopt()
    world.wordpress.change(add=MANY)
    world.sync()
    world.sync()
    # Less than ten minutes have passed since they were added.
    world.sandbox.aliases = {OWN, *FOREIGN}
    report = world.sync(retry=False)
    assert report.plan.lost == frozenset(MANY)
    assert report.exit_code is ExitCode.SOME_FAILED
    assert not report.plan.observed.complete
    assert world.sandbox.aliases == world.wanted
    assert world.sync().exit_code is ExitCode.OK


def test_few_unlisted_additions_raise_no_alarm(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=MANY)
    world.adopt()
    world.wordpress.change(add=["new1.example.com", "new2.example.com", "new3.example.com"])
    with late_list(world.sandbox):
        world.sync()
        report = world.sync(retry=False)
    assert (report.exit_code, report.plan.lost) == (ExitCode.OK, frozenset())
    assert set(held(report).values()) == {"list-lag"}


def test_many_unlisted_additions_are_no_loss_if_closte_confirms_them(make_world: Callable[..., World]) -> None:
    """The list shows none of many new domains; Closte answers the repeated requests that they exist."""
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=MANY)
    with late_list(world.sandbox):
        world.sync()
        report = world.sync(retry=False)
        assert report.exit_code is ExitCode.OK
        assert managed(world) == {*FEW, *MANY}
    assert world.sync(later=20 * MINUTE).plan.observed.complete


def test_late_list_after_removals_has_not_shrunk(make_world: Callable[..., World]) -> None:
    world = make_world(mapped=MANY)
    world.adopt()
    world.wordpress.change(drop=MANY[:12])
    world.sync()
    with late_list(world.sandbox):
        world.sync()
        assert world.sandbox.aliases == world.wanted
        late = world.sync(later=MINUTE)
        assert late.plan.observed.complete
        assert set(late.plan.unmanaged) - FOREIGN == set(MANY[:12])
    for later in (2 * MINUTE, DAY, 3 * DAY):
        assert world.sync(later=later).plan.observed.complete
