"""Tests of single histories of a network step by step, with the real code between both sides and the checker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import pins
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.run import RunReport, RunRequest, sync
from closte_bridge.errors import ExitCode
from closte_bridge.ledger.state import RemovalClass
from closte_bridge.planning.model import HoldCode
from tests.property.world import Faults, World
from tests.support.check_states import MAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.hosting import Outcome

HOUR, DAY = 3600.0, 86400.0
DELAY = 301.0


class Life:
    """Network whose `shops` are mapped and managed."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.shops: list[str] = []

    def begin(self, shops: int = 20) -> None:
        """Map this number of shops and adopt them."""
        self.shops = [f"shop{number:02}.example.com" for number in range(shops)]
        for name in self.shops:
            self.world.wordpress.add(1, name)
        self.world.closte |= dict.fromkeys(self.shops, "other")
        assert self.adopt() == set(self.shops)
        self.world.closte |= dict.fromkeys(self.shops, "us")
        self.sync()

    def adopt(self) -> set[str]:
        """Adopt, and return the adopted aliases."""
        with self.world.around(Faults()):
            offer = adopt(self.world.engine(), take_over=True, agree=lambda _: True, command="adopt")
        self.world.checker.went_back = False
        return set(offer.adoptable)

    def sync(self, faults: Faults | None = None, *, after: float = 0.0) -> RunReport:
        """Sync once after this number of seconds."""
        self.world.true_time += after
        before = self.world.ledger()
        self.world.checker.begin(syncing=True)
        with self.world.around(faults or Faults()):
            report = sync(self.world.engine(), RunRequest(), command="sync")
        self.world.checker.end(len(before.managed) + len(before.unsettled))
        return report

    def map(self, name: str) -> None:
        """Map a domain with its event."""
        self.world.wordpress.add(1, name, tell=True)

    def closte_does(self, after_each: Callable[[str], None]) -> None:
        """Call a function after each change on Closte."""
        change = self.world.change

        def changing(action: str, name: str) -> Outcome:
            outcome = change(action, name)
            after_each(name)
            return outcome

        self.world.change = changing  # type: ignore[method-assign]

    def unmap(self, name: str, *, tell: bool = True) -> None:
        """Unmap a domain, with its event unless `tell` is false."""
        rows = self.world.wordpress.rows.mappings
        self.world.wordpress.remove([row.domain for row in rows].index(name), tell=tell)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def test_removal_is_counted_once_despite_unsent_requests(life: Life) -> None:
    life.begin()
    gone = life.shops[0]
    life.unmap(gone)
    life.sync()
    life.sync(Faults(changes=("done-unclear",), later_listing="unreadable"), after=DELAY)
    life.map(gone)
    for _ in range(3):
        report = life.sync(Faults(changes=("not-sent",)), after=60)
        assert [change.name for change in report.plan.additions] == [gone]
    state = life.world.ledger()
    assert (len(state.removals), state.unsettled) == (1, {})


def test_restored_database_stays_known_after_new_rows(life: Life) -> None:
    life.begin()
    life.world.wordpress.back_up()
    late = ["late1.example.com", "late2.example.com"]
    for name in late:
        life.map(name)
    life.sync()
    life.world.wordpress.restore()
    assert life.sync(after=HOUR).plan.snapshot_faults == ("the highest mapping ID dropped from 22 to 20",)
    for name in ("new1.example.com", "new2.example.com"):
        life.map(name)
    for _ in range(5):
        assert life.sync(after=DAY).plan.snapshot_faults == ("the highest mapping ID dropped from 22 to 20",)
    assert set(late) <= life.world.closte.keys()
    # By adopting, a person confirms that the restore was intended.
    life.adopt()
    for _ in range(4):
        life.sync(after=DAY)
    assert not set(late) & life.world.closte.keys()


def test_restored_database_is_noticed_by_its_report_number(life: Life) -> None:
    life.begin()
    life.sync(after=HOUR)
    life.world.wordpress.back_up()
    life.map("late.example.com")
    for _ in range(2):
        life.sync(after=HOUR)
    life.world.wordpress.restore()
    life.map("new.example.com")
    reason = "closte-bridge wrote report 2, but the last one in the database is 1"
    for _ in range(5):
        assert life.sync(after=DAY).plan.snapshot_faults == (reason,)
    assert "late.example.com" in life.world.closte
    life.adopt()
    assert life.sync(after=DAY).plan.snapshot_faults == ()


def test_lapsed_claim_does_not_return_with_an_unsent_request(life: Life) -> None:
    life.begin()
    name = "legacy.example.com"
    life.map(name)
    life.sync(Faults(changes=("lost-unclear",), later_listing="unreadable"))
    life.sync(Faults(changes=("not-sent",)), after=2 * HOUR)
    life.world.closte[name] = "other"
    life.sync(after=60)
    assert name not in life.world.ledger().managed


@pytest.mark.parametrize(("seconds", "reads"), [(1.0, 2), (61.0, 4)])
def test_planned_removals_are_read_again_during_slow_removals(life: Life, seconds: float, reads: int) -> None:
    life.begin()
    for name in life.shops[:3]:
        life.unmap(name)
    life.sync()

    def passing(_: str) -> None:
        life.world.true_time += seconds

    life.closte_does(passing)
    report = life.sync(after=DELAY)
    assert report.applied is not None
    assert [change.name for change in report.applied.done] == life.shops[:3]
    assert life.world.reads == reads


def test_domain_mapped_again_during_removals_is_spared(life: Life) -> None:
    life.begin()
    gone = life.shops[:4]
    for name in gone:
        life.unmap(name)
    life.sync()

    def the_third_is_mapped(name: str) -> None:
        life.world.true_time += 61
        if name == gone[0]:
            life.map(gone[2])

    life.closte_does(the_third_is_mapped)
    report = life.sync(after=DELAY)
    assert report.applied is not None
    assert [change.name for change in report.applied.done] == [gone[0], gone[1], gone[3]]
    assert [(hold.name, hold.code) for hold in report.applied.held] == [(gone[2], "second-look")]
    assert report.applied.not_begun == []
    state = life.world.ledger()
    assert (gone[2] in state.managed, gone[2] in state.evidence, state.unsettled) == (True, False, {})


def test_event_overflow_downgrades_evidence_to_inference(life: Life) -> None:
    life.begin()
    name = life.shops[0]
    life.unmap(name)
    life.sync()
    # A request with too many events may have mapped the domain again; it is missing at the read, without an event.
    life.world.wordpress.note("everything", 0, "")
    after = [DELAY, DELAY, DAY]
    assert [life.sync(after=seconds).plan.removals for seconds in after[:2]] == [(), ()]
    report = life.sync(after=after[2])
    assert [(change.name, change.removal_class) for change in report.plan.removals] == [(name, RemovalClass.INFERENCE)]
    assert name not in life.world.closte


def test_event_after_an_overflow_counts(life: Life) -> None:
    life.begin()
    life.world.wordpress.note("everything", 0, "")
    life.unmap(life.shops[0])
    life.sync()
    report = life.sync(after=DELAY)
    assert [change.removal_class for change in report.plan.removals] == [RemovalClass.EVENT]


def test_removals_stop_if_wordpress_cannot_be_read_again(life: Life) -> None:
    life.begin()
    for name in life.shops[:3]:
        life.unmap(name)
    life.sync()

    def wordpress_breaks(_: str) -> None:
        life.world.true_time += 61
        life.world.faults.snapshots = ("ok", "unreadable")

    life.closte_does(wordpress_breaks)
    report = life.sync(after=DELAY)
    assert report.applied is not None
    assert [change.name for change in report.applied.done] == life.shops[:1]
    assert report.applied.reread_failed
    assert life.world.ledger().managed.keys() == set(life.shops[1:])


@pytest.mark.parametrize("kind", ["mapping", "www", "site"])
def test_wildcard_stays_if_a_covered_domain_appears_late(life: Life, kind: str) -> None:
    life.begin()
    wordpress = life.world.wordpress
    with life.world.around(Faults()):
        pins.pin(life.world.engine(), ["*.wild.net"], "domain add")
    life.world.checker.pins.add("*.wild.net")
    life.sync()
    with life.world.around(Faults()):
        pins.request_removal(life.world.engine(), ["*.wild.net"], "domain remove")
    life.world.checker.pins.clear()
    life.world.checker.dismissed.add("*.wild.net")
    come = {
        "mapping": lambda: wordpress.add(1, "x.wild.net"),
        "www": lambda: wordpress.add(1, "wild.net"),
        "site": lambda: wordpress.create_site("x.wild.net"),
    }
    life.sync(Faults(between=come[kind]))  # type: ignore[arg-type]  # the result, a site's ID, is not used
    assert "*.wild.net" in life.world.closte


def test_permanently_shrunk_list_is_accepted_by_a_new_adoption(life: Life) -> None:
    life.begin(15)
    for name in life.shops[:2]:
        life.unmap(name, tell=False)
        del life.world.closte[name]
    life.unmap(life.shops[2], tell=False)
    assert not life.sync(after=60).plan.observed.complete
    assert life.adopt() == set()
    for _ in range(4):
        report = life.sync(after=DAY / 2)
        assert report.plan.observed.complete
    assert life.world.ledger().managed.keys() == set(life.shops[3:]) == life.world.closte.keys() - {MAIN}


def test_lost_aliases_of_deleted_sites_are_accepted_by_a_new_adoption(life: Life) -> None:
    """Nothing adds these aliases, so without an adoption the list would lack them forever."""
    life.begin(15)
    site = life.world.wordpress.create_site("one.network.org")
    for name in ("left1.example.com", "left2.example.com"):
        life.world.wordpress.add(site, name)
    life.sync()
    life.world.wordpress.delete_site(site, tell=False)
    for name in ("left1.example.com", "left2.example.com"):
        del life.world.closte[name]
    assert not life.sync(after=DAY).plan.observed.complete
    life.adopt()
    assert life.sync(after=DAY).plan.observed.complete
    assert life.world.ledger().managed.keys() == set(life.shops)


@pytest.mark.parametrize("listing", ["unreadable", "partial"])
def test_existing_unlisted_alias_is_requested_less_and_less_often(life: Life, listing: str) -> None:
    life.begin()
    theirs = [f"{letter}.somebody.org" for letter in "abcdef"]
    for name in theirs:
        life.world.closte[name] = "other"
        life.map(name)
    asked: list[str] = []
    life.closte_does(asked.append)
    for after, again in ((0, True), (300, False), (301, True), (300, False), (301, True)):
        asked.clear()
        report = life.sync(Faults(listing=listing), after=after)
        # Domains that the partial list shows are in sync.
        unseen = [name for name in theirs if name not in report.view.observed.names]
        assert [name for name in asked if name in theirs] == unseen * again
        assert report.applied is not None
        # Managed domains that such a list lacks are requested and confirmed as well.
        assert {change.name for change in report.applied.done} <= set(life.shops)
        assert (report.applied.failed, report.applied.not_begun) == ([], [])
        assert [hold.name for hold in report.applied.held] == unseen * again
        waiting = {hold.name for hold in report.plan.held if hold.code is HoldCode.NOT_MANAGED}
        assert waiting.intersection(theirs) == set(unseen * (not again))
        assert report.exit_code is (ExitCode.UNREADABLE if listing == "unreadable" else ExitCode.OK)
    life.sync(after=60)
    state = life.world.ledger()
    assert (state.failed_changes, set(state.managed)) == ({}, set(life.shops))
