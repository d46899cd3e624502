"""Tests of the safety rules over random lives of a network.

The real code (read, check, plan, limit, apply, read again, ledger in SQLite) runs between a WordPress and a Closte in
memory, with generated time, faults, kills and actions of people. `checker.py` checks each removal against the rules.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from closte_bridge.checks.domain_state import CheckState
from closte_bridge.domains import not_public, wildcard_over
from closte_bridge.engine import pins
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.run import RunReport, RunRequest, sync
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.state import AliasPhase
from closte_bridge.planning.model import Approval, Mode
from tests.property.choices import CHANGES, LISTINGS, NAMES, NUMBERS, PLAIN, ROWS, SNAPSHOTS, WILDCARDS
from tests.property.network import NEW_MAIN, normal
from tests.property.world import Faults, Killed, World
from tests.support.check_states import MAIN
from tests.support.folders import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR, DAY, WEEK = 3600.0, 86400.0, 604800.0


class Lives(RuleBasedStateMachine):
    """Life of one network."""

    def __init__(self) -> None:
        super().__init__()
        self._end = ExitStack()
        self.folder = self._end.enter_context(in_memory())
        self.world = World(self.folder)
        self.last: RunReport | None = None

    def teardown(self) -> None:
        """Check that all wanted domains are added in the end, when nothing fails any more."""
        try:
            if self.world.wordpress.rows.owner is not None:
                self._all_is_well_in_the_end()
        finally:
            self._end.close()

    # -- running closte-bridge ----------------------------------------------------------------------------------

    def run(self, faults: Faults, work: Callable[[], object], *, syncing: bool = False) -> object:
        """Run one command in this world; return None if it was killed or failed."""
        world = self.world
        ledger = world.ledger()
        size = len(ledger.managed) + sum(
            1 for unsettled in ledger.unsettled.values() if unsettled.phase is AliasPhase.REMOVING
        )
        world.checker.begin(syncing=syncing)
        try:
            with world.around(faults), suppress(Killed, BridgeError):
                return work()
        finally:
            world.faults = Faults()
            world.checker.end(size)
        return None

    def sync(self, faults: Faults, request: RunRequest | None = None) -> RunReport | None:
        """Sync once."""
        request = request or RunRequest()
        report = self.run(faults, lambda: sync(self.world.engine(), request, command="sync"), syncing=True)
        self.last = report if isinstance(report, RunReport) else None
        return self.last

    def adopt(self) -> None:
        """Adopt the existing aliases, and take over from any other owner."""
        world = self.world
        offer = self.run(Faults(), lambda: adopt(world.engine(), take_over=True, agree=lambda _: True, command="adopt"))
        assert offer is not None
        world.checker.went_back = False
        for name in offer.adoptable:  # type: ignore[attr-defined]
            world.closte[name] = "us"
            world.checker.ours_now(name)
        if offer.former:  # type: ignore[attr-defined]
            world.checker.former.add(offer.former)  # type: ignore[attr-defined]

    @initialize(
        mapped=st.lists(ROWS, max_size=12),
        unmanaged=st.sets(NAMES, max_size=4),
        adopting=st.sets(st.sampled_from(PLAIN), max_size=4),
    )
    def begin(self, mapped: list[str], unmanaged: set[str], adopting: set[str]) -> None:
        """Create a network with sites and mappings and an application with aliases; then adopt."""
        wordpress = self.world.wordpress
        sites = [wordpress.create_site(f"one.{MAIN}"), wordpress.create_site("elsewhere.example.net", 2)]
        for number, name in enumerate(mapped):
            wordpress.add([1, sites[0], sites[0], sites[1], 77][number % 5], name)
        for name in adopting:
            wordpress.add(sites[0], name)
        self.world.closte |= dict.fromkeys(unmanaged | adopting, "other")
        self.world.closte[MAIN] = "other"
        self.adopt()

    # -- WordPress ----------------------------------------------------------------------------------------------

    @rule(name=ROWS, pick=NUMBERS, tell=st.booleans())
    def map_a_domain(self, name: str, pick: int, tell: bool) -> None:
        sites = sorted(self.world.wordpress.rows.sites)
        self.world.wordpress.add(sites[pick % len(sites)], name, tell=tell)

    @rule(pick=NUMBERS, lost=st.booleans())
    def unmap_a_domain_and_map_it_again(self, pick: int, lost: bool) -> None:
        """Do this between two reads; the second row may then disappear without an event, as in half-done imports."""
        wordpress = self.world.wordpress
        assume(wordpress.rows.mappings)
        row = wordpress.rows.mappings[pick % len(wordpress.rows.mappings)]
        wordpress.remove(pick % len(wordpress.rows.mappings), tell=True)
        wordpress.add(row.blog_id, row.domain, tell=True)
        if lost:
            wordpress.remove(len(wordpress.rows.mappings) - 1, tell=False)

    @rule(names=st.lists(ROWS, min_size=6, max_size=12))
    def map_many_domains(self, names: list[str]) -> None:
        for name in names:
            self.world.wordpress.add(1, name)

    @rule(pick=NUMBERS, tell=st.booleans())
    def unmap_a_domain(self, pick: int, tell: bool) -> None:
        rows = self.world.wordpress.rows.mappings
        assume(rows)
        self.world.wordpress.remove(pick % len(rows), tell=tell)

    @rule(keep=st.integers(0, 2), tell=st.booleans())
    def unmap_nearly_all(self, keep: int, tell: bool) -> None:
        while len(self.world.wordpress.rows.mappings) > keep:
            self.world.wordpress.remove(0, tell=tell)

    @rule(pick=NUMBERS, name=ROWS, tell=st.booleans())
    def rename_a_mapping(self, pick: int, name: str, tell: bool) -> None:
        rows = self.world.wordpress.rows.mappings
        assume(rows)
        self.world.wordpress.rename(pick % len(rows), name, tell=tell)

    @rule(pick=NUMBERS)
    def row_twice(self, pick: int) -> None:
        rows = self.world.wordpress.rows.mappings
        assume(rows)
        self.world.wordpress.add(rows[pick % len(rows)].blog_id, rows[pick % len(rows)].domain)

    @rule(domain=NAMES, network=st.sampled_from([1, 1, 2]))
    def create_a_site(self, domain: str, network: int) -> None:
        self.world.wordpress.create_site(domain, network)

    @rule(pick=NUMBERS, tell=st.booleans())
    def delete_a_site(self, pick: int, tell: bool) -> None:
        sites = sorted(self.world.wordpress.rows.sites)[1:]
        assume(sites)
        self.world.wordpress.delete_site(sites[pick % len(sites)], tell=tell)

    @rule(pick=NUMBERS, flag=st.sampled_from(["archived", "spam", "deleted"]))
    def hide_a_site(self, pick: int, flag: str) -> None:
        sites = sorted(self.world.wordpress.rows.sites)
        self.world.wordpress.hide_site(sites[pick % len(sites)], flag)

    @rule(kind=st.sampled_from(["everything", "mapping_removed", "site_deleted", "made-up"]), name=ROWS)
    def an_event_out_of_nowhere(self, kind: str, name: str) -> None:
        self.world.wordpress.note(kind, 1, name)

    @rule()
    def back_the_database_up(self) -> None:
        self.world.wordpress.back_up()

    @rule()
    def restore_the_database(self) -> None:
        self.world.wordpress.restore()

    @precondition(lambda self: self.world.wordpress.domain == MAIN)
    @rule()
    def give_the_network_a_new_main_domain(self) -> None:
        self.world.wordpress.domain = NEW_MAIN
        self.world.closte[NEW_MAIN] = "other"
        self.adopt()

    # -- Closte -------------------------------------------------------------------------------------------------

    @rule(name=st.one_of(NAMES, WILDCARDS))
    def somebody_adds_an_alias(self, name: str) -> None:
        if name in self.world.closte:
            return
        ledger = self.world.ledger()
        # If the ledger waits for this alias or manages it, the test cannot know who added it.
        waiting = ledger.unsettled.get(name)
        self.world.closte[name] = "either" if name in ledger.managed or (waiting and waiting.absent_before) else "other"

    @rule(pick=NUMBERS)
    def somebody_removes_an_alias(self, pick: int) -> None:
        names = sorted(self.world.closte.keys() - {self.world.wordpress.domain})
        assume(names)
        del self.world.closte[names[pick % len(names)]]

    @rule(name=st.sampled_from(PLAIN))
    def closte_does_not_like_a_name(self, name: str) -> None:
        self.world.failing.add(name)

    @rule(name=st.sampled_from(PLAIN))
    def another_application_has_a_name(self, name: str) -> None:
        if name not in self.world.closte:
            self.world.elsewhere.add(name)

    @rule()
    def closte_loses_nearly_all(self) -> None:
        """A mass loss must raise an alarm, even if something else fails."""
        world = self.world
        lost = world.ledger().managed.keys() & world.closte.keys() - {world.wordpress.domain}
        assume(len(lost) > 3)
        for name in lost:
            del world.closte[name]
        report = self.sync(Faults())
        if report is not None and report.plan.authority.mode is Mode.FULL:
            assert lost <= report.plan.lost
            assert report.exit_code is not ExitCode.OK

    @rule(names=st.sets(st.sampled_from(["a.example.com", "b.example.com", "shop.io", "b.wild.net"])))
    def these_lead_here_with_their_www(self, names: set[str]) -> None:
        """Save check results that say that the `www.` forms point here, so that they become wanted."""
        seen = CheckState(first_seen=self.world.wall(), next_check=self.world.wall(), points_here=True)
        with self.world.opened() as ledger, ledger.transaction():
            check_states.save(ledger, dict.fromkeys({*names, *(f"www.{name}" for name in names)}, seen))

    # -- people and their config --------------------------------------------------------------------------------

    @rule(
        wildcard=st.booleans(),
        wildcards=st.sets(WILDCARDS),
        keep=st.sets(st.one_of(NAMES, WILDCARDS), max_size=2),
        delay=st.sampled_from([0.0, 300.0]),
        grace=st.sampled_from([0.0, DAY]),
        budget=st.sampled_from([1, 3, 40]),
    )
    def change_the_config(
        self, wildcard: bool, wildcards: set[str], keep: set[str], delay: float, grace: float, budget: int
    ) -> None:
        self.world.settings = replace(
            self.world.settings,
            wildcard=wildcard,
            wildcards=tuple(sorted(wildcards)),
            keep=tuple(sorted(keep)),
            removal_delay=delay,
            removal_grace=grace,
            certificate_budget=budget,
        )

    @rule(name=st.one_of(NAMES, WILDCARDS))
    def pin(self, name: str) -> None:
        if self.run(Faults(), lambda: pins.pin(self.world.engine(), [name], "domain add")) is not None:
            self.world.checker.pins.add(name)
            self.world.checker.dismissed.discard(name)

    @rule(name=st.one_of(NAMES, WILDCARDS))
    def dismiss(self, name: str) -> None:
        checker = self.world.checker
        dismissal = self.run(Faults(), lambda: pins.request_removal(self.world.engine(), [name], "domain remove"))
        if isinstance(dismissal, pins.RemovalRequest):
            checker.pins.discard(name)
            checker.dismissed |= set(dismissal.removing)

    @rule(name=st.one_of(NAMES, WILDCARDS))
    def release(self, name: str) -> None:
        checker = self.world.checker
        if self.run(Faults(), lambda: pins.release(self.world.engine(), [name], "domain release")):
            checker.pins.discard(name)
            checker.dismissed.discard(name)
            if name in self.world.closte:
                self.world.closte[name] = "other"

    # -- time ---------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([20.0, 301.0, HOUR + 1, DAY / 2, DAY + 1, WEEK + DAY]))
    def time_passes(self, seconds: float) -> None:
        self.world.true_time += seconds

    @rule(seconds=st.sampled_from([400.0, 2 * HOUR, 2 * DAY, 30 * DAY]), back=st.booleans())
    def the_clock_jumps(self, seconds: float, back: bool) -> None:
        world = self.world
        if not back and world.meta()["last_boot"] != f"boot-{world.boots}":
            # Between a restart and the first sync, a forward jump looks like time during which the machine was off.
            world.true_time, world.booted = world.true_time + seconds, world.booted + seconds
        else:
            world.offset += -seconds if back else seconds

    @rule()
    def the_machine_restarts(self) -> None:
        # Across a restart, a jump of the clock looks like time that passed.
        meta = self.world.meta()
        steady = float(meta["last_run"]) - float(meta["last_steady"])
        self.world.offset = steady - self.world.booted
        self.world.booted, self.world.boots = self.world.true_time - 30, self.world.boots + 1

    # -- closte-bridge ------------------------------------------------------------------------------------------

    @rule(
        listings=st.tuples(LISTINGS, LISTINGS),
        snapshots=st.tuples(SNAPSHOTS, SNAPSHOTS),
        changes=CHANGES,
        kill_at=st.one_of(st.none(), st.none(), st.integers(0, 9)),
        late=st.one_of(st.none(), ROWS),
    )
    def sync_in_bad_weather(
        self,
        listings: tuple[str, str],
        snapshots: tuple[str, str],
        changes: tuple[str, ...],
        kill_at: int | None,
        late: str | None,
    ) -> None:
        between = None if late is None else lambda: self.world.wordpress.add(1, late)
        self.sync(Faults(*listings, snapshots, changes, kill_at, between))

    @rule()
    def sync_and_find_nothing_left(self) -> None:
        """Check that a plan after a clean run has no changes."""
        report = self.sync(Faults())
        if report is None or report.plan.authority.mode is not Mode.FULL or not report.plan.observed.complete:
            return
        for _ in range(3):
            if self.world.failing or self.world.elsewhere or not report.plan.changes:
                break
            report = self.sync(Faults())
            assert report is not None
        else:
            raise AssertionError(f"never comes to rest: {report.plan.changes}")

    @rule(times=st.integers(3, 4), tell=st.booleans())
    def days_go_by(self, times: int, tell: bool) -> None:
        """Sync several times, so that removals of domains that stay missing become due."""
        for _ in range(times):
            self.sync(Faults())
            self.world.true_time += DAY / 2 if tell else 301.0

    @precondition(lambda self: self.last is not None and self.last.plan.over_limit)
    @rule(another=st.booleans())
    def approve_what_is_withheld(self, another: bool) -> None:
        """Approve the removal of exactly these domains."""
        assert self.last is not None
        over_limit = self.last.plan.over_limit[0]
        if another:
            self.world.wordpress.rows.mappings.clear()
        self.world.checker.approved = set(over_limit.names)
        self.sync(Faults(), RunRequest(approval=Approval(digests=frozenset({over_limit.digest}))))

    # -- invariants ---------------------------------------------------------------------------------------------

    @invariant()
    def is_never_given_up(self) -> None:
        """Check that every failed change is retried within about a week, by the clock that set the time."""
        if not (self.folder / "state" / "ledger.sqlite3").exists():
            return
        for name, trouble in self.world.ledger().failed_changes.items():
            assert trouble.next_try - float(self.world.meta()["last_run"]) <= WEEK * 1.25 + 1, (name, trouble)

    def _all_is_well_in_the_end(self) -> None:
        world = self.world
        world.settings = replace(world.settings, certificate_budget=40)
        # A late list may not show recent additions yet.
        world.true_time += HOUR
        self.adopt()
        self._weeks_go_by()
        missing = self._wanted() - world.closte.keys()
        excused = world.failing | world.elsewhere
        assert missing <= excused, f"still missing: {missing - excused}"
        # Whether another application has a name shows only when it is sent, and a name under a wildcard never is.
        sent = {name for name in world.elsewhere if wildcard_over(name) not in world.closte}
        claimed = world.ledger().managed.keys() & (sent - world.closte.keys())
        assert not claimed, f"managed, and in another application: {claimed}"
        world.failing.clear()
        world.elsewhere.clear()
        self._weeks_go_by()
        assert not self._wanted() - world.closte.keys(), f"given up: {self._wanted() - world.closte.keys()}"

    def _weeks_go_by(self) -> None:
        for _ in range(4):
            self.world.true_time += 9 * DAY
            assert self.sync(Faults()) is not None
        assert self.sync(Faults()) is not None

    def _wanted(self) -> set[str]:
        """Return domains that must exist in the end: public, of one site in network 1, under no existing wildcard."""
        world, claims = self.world, dict[str, set[int]]()
        sites = world.wordpress.rows.sites
        for row in world.wordpress.rows.mappings:
            name = normal(row.domain)
            if name is not None and row.blog_id in sites:
                claims.setdefault(name, set()).add(row.blog_id)
        wanted = {
            name
            for name, blogs in claims.items()
            if len(blogs) == 1 and sites[min(blogs)].network_id == 1 and not not_public(name.removeprefix("*."))
        }
        contested = {name for name, blogs in claims.items() if len(blogs) > 1}
        wanted |= (world.checker.pins | set(world.settings.wildcards)) - contested
        return {n for n in wanted if n.startswith("*.") or wildcard_over(n) not in world.closte}


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
