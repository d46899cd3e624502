"""Fault injection for one seed: rounds of changes and faults on one network, then the final check."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.proof.faults import SYNC
from tests.proof.invariants import HOUR, BrokenError, Watcher
from tests.proof.upheavals import FAULTS
from tests.proof.world import proof_world
from tests.support.shim import MU_PLUGINS
from tests.support.wordpress import copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.proof.world import Ran, World
    from tests.support.wordpress import Multisite

_LAST_RUNS = 40
_BACKUPS = 3
# Seconds that a request may still be in flight after its sender was killed. Later checks must not see it.
_ON_THE_WAY = 0.4
# Failures of Closte while another fault is injected.
_UNSTEADY = ("lost:0.15", "error500:0.1", "truncated:0.1", "reset:0.05")


@dataclass(frozen=True)
class Result:
    """Result of one seed; `broken` is the broken invariant, or empty."""

    seed: int
    rounds: int
    seconds: float
    faults: Counter[str]
    story: Counter[str]
    figures: Counter[str]
    broken: str
    slowest: float = 0.0


@dataclass
class Campaign:
    """State that the faults work with. `template` is an unused copy of the network."""

    world: World
    watcher: Watcher
    chance: random.Random
    template: Multisite
    faults: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    certified: set[str] = field(default_factory=set)
    backups: list[Path] = field(default_factory=list)
    other_logs: list[dict[str, str]] = field(default_factory=list)
    restored: bool = False
    copies: int = 0
    usual_seconds: float = 1.5
    slowest: float = 0.0

    def count(self, kind: str, times: int = 1) -> None:
        """Count an injected fault."""
        self.faults[kind] += times

    def require(self, holds: bool, sentence: str) -> None:
        """Raise BrokenError with this sentence unless `holds` is true."""
        if not holds:
            raise BrokenError(sentence)

    def pass_time(self, seconds: float) -> None:
        """Advance the clock without waiting."""
        self.world.later += seconds

    def run(
        self,
        argv: Sequence[str],
        *,
        look: bool = True,
        changes_nothing: bool = False,
        approved: bool = False,
        **more: Any,  # noqa: ANN401 - see driver
    ) -> list[Ran]:
        """Run one command and check the invariants; `more` goes to the driver."""
        orders = [self.world.order(*argv, **more)]
        return self.run_orders(orders, look=look, changes_nothing=changes_nothing, approved=approved)

    def run_orders(self, orders: list[dict[str, Any]], *, look: bool = True, **judge: bool) -> list[Ran]:
        """Run commands at the same time and check the invariants; use `look=False` if the database cannot be read."""
        rans = self.world.driver.run(orders)
        for ran, order in zip(rans, orders, strict=True):
            self.slowest = max(self.slowest, ran.seconds)
            asked_for = order["kill_after"] is not None or order["kill_when"] is not None
            self.require(asked_for or ran.status != -9, f"A command hung: {order['argv']}, {ran.seconds:.0f} s.")
        if any(ran.status == -9 for ran in rans):
            time.sleep(_ON_THE_WAY)
        self.runs["engine runs"] += len(rans)
        for ran in rans:
            self.runs[f"exit {ran.status}"] += 1
        if look:
            self.watcher.check(rans, **judge)
        return rans

    def story(self, *, sites: bool = True) -> None:
        """Make random changes in WordPress."""
        self.world.stream.step(sites=sites)
        self.watcher.check([])

    def lose(self) -> None:
        """Delete one mapping without an event."""
        self.world.stream.silent()
        self.watcher.look()

    def adopt_anew(self, *, look: bool = True) -> None:
        """Adopt again after a restore, as the documentation advises, when Closte answers without faults."""
        self.world.sandbox.set_faults()
        (ran,) = self.run(("adopt", "--yes", "--format=json"), look=look)
        self.require(ran.status == 0, f"Adoption failed: {ran.stdout[-800:]}")

    def prepare(self) -> None:
        """Adopt the network, install the shim and sync the first domains to Closte."""
        self.adopt_anew(look=False)
        (ran,) = self.world.driver.run([self.world.order("shim", "install", "--wake=none", "--format=json")])
        installed = (self.world.multisite.path / MU_PLUGINS / "closte-bridge-shim.php").exists()
        self.require(ran.status == 0 and installed, f"The shim was not installed: {ran.stdout[-800:]}")
        self.watcher.look()
        (ran,) = self.run(SYNC)
        self.require(ran.status == 0, f"The first run failed: {ran.stdout[-800:]}")
        (ran,) = self.run(SYNC)
        self.usual_seconds = ran.seconds

    def back_up(self, number: int) -> None:
        """Keep a copy of the database, like a host's hourly backup."""
        target = self.world.folder / f"backup{number}.sqlite"
        self.world.back_up(target)
        self.backups.append(target)
        for old in self.backups[:-_BACKUPS]:
            old.unlink()
        del self.backups[:-_BACKUPS]

    def round(self, number: int, fault: Callable[[Campaign], None]) -> None:
        """Make changes, inject a fault and advance the clock."""
        self.watcher.scene = fault.__name__.replace("_", " ")
        if number % 3 == 0:
            self.back_up(number)
        self.story()
        if self.chance.random() < 0.25:
            self.lose()
        if self.chance.random() < 0.3:
            self.world.sandbox.set_faults(*_UNSTEADY, seed=self.chance.randrange(10**6))
            self.count("Closte: unsteady during another fault")
        fault(self)
        self.world.sandbox.set_faults()
        self.pass_time(self.chance.uniform(10, 70) * 60)
        if self.chance.random() < 0.4:
            self.run(SYNC)

    def to_the_end(self) -> dict[str, int]:
        """Stop the faults, advance the clock by days and run the final check."""
        self.world.with_checks(on=False)
        if self.restored:
            self.adopt_anew()
        last: object = None
        approved: list[str] = []
        for _ in range(_LAST_RUNS):
            (ran,) = self.run((*SYNC, *approved), approved=bool(approved))
            # Over the removal limit, a person reviews the domains and approves them with the option in the message.
            approved = sorted(set(re.findall(r"--allow-removals=[0-9a-f]{12}", ran.stdout)))
            self.runs["removals approved by a person"] += len(approved)
            self.pass_time(7 * HOUR)
            aliases = self.world.sandbox.aliases
            unsettled = self.world.ledger("SELECT name FROM aliases WHERE phase <> 'present'")
            absent = self.world.ledger("SELECT name FROM absences")
            evidence = self.world.ledger("SELECT name FROM evidence JOIN aliases USING (name)")
            wanted = self.world.wanted() <= aliases
            if last == aliases and wanted and not unsettled and not absent and not evidence:
                break
            last = aliases
        (ran,) = self.run(("log", "--limit=100000", "--format=json"))
        return self.watcher.at_the_end(json.loads(ran.stdout)["data"], self.other_logs)


def campaign(
    folder: Path,
    template: Multisite,
    seed: int,
    *,
    rounds: int | None = None,
    until: float | None = None,
    mappings: int = 300,
    faults: Sequence[Callable[[Campaign], None]] = FAULTS,
    say: Callable[[str], None] = lambda _: None,
    mutant: str | None = None,
) -> Result:
    """Run one seed in the new folder: `rounds` rounds (each fault once if None), none of which starts after `until`.

    `mutant` is the safety rule that closte-bridge lacks, see `tests.proof.mutants`.
    """
    folder.mkdir()
    began = time.monotonic()
    chance = random.Random(seed)
    multisite = copy_multisite(template, folder / "site", sqlite_database(folder / "site"))
    needs_names = any(fault.__name__ == "names_and_certificates_flap" for fault in faults)
    figures: Counter[str] = Counter()
    done, broken = 0, ""
    order: list[Callable[[Campaign], None]] = []
    with proof_world(folder, multisite, chance, mappings=mappings, names=needs_names, mutant=mutant) as world:
        this = Campaign(world, Watcher(world), chance, template)
        try:
            this.prepare()
            while done < (len(faults) if rounds is None else rounds):
                if until is not None and time.monotonic() > until:
                    break
                if not order:
                    order = chance.sample(list(faults), len(faults))
                fault = order.pop()
                say(f"seed {seed}, round {done + 1}: {fault.__name__.replace('_', ' ')}")
                this.round(done, fault)
                done += 1
            say(f"seed {seed}: faults stop")
            figures.update(this.to_the_end())
        except BrokenError as error:
            broken = str(error)
        figures.update(this.runs)
        figures["added at Closte"], figures["removed at Closte"] = this.watcher.added, this.watcher.removed
        figures["hours"] = int(world.later / HOUR)
        return Result(
            seed, done, time.monotonic() - began, this.faults, Counter(world.stream.told), figures, broken, this.slowest
        )
