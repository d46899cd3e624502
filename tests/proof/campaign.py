"""One campaign: a network, a seed, and round after round of things that happen and things that go wrong."""

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
# So long a request takes at most that was on its way when its sender was killed: it must not count for a later moment.
_ON_THE_WAY = 0.4
# What Closte may do while something else goes wrong.
_UNSTEADY = ("lost:0.15", "error500:0.1", "truncated:0.1", "reset:0.05")


@dataclass(frozen=True)
class Result:
    """What a campaign came to; `broken` is empty when everything held."""

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
    """What the faults work with. `template` is a network as it is before anything happened."""

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
        """Count a fault."""
        self.faults[kind] += times

    def require(self, holds: bool, sentence: str) -> None:
        """Raise BrokenError with this sentence unless something holds."""
        if not holds:
            raise BrokenError(sentence)

    def pass_time(self, seconds: float) -> None:
        """Let time pass that does not."""
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
        """Run one command and judge; `more` is for the driver."""
        orders = [self.world.order(*argv, **more)]
        return self.run_orders(orders, look=look, changes_nothing=changes_nothing, approved=approved)

    def run_orders(self, orders: list[dict[str, Any]], *, look: bool = True, **judge: bool) -> list[Ran]:
        """Run commands at once and judge; without `look` the database cannot be read now."""
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
        """Let things happen in WordPress."""
        self.world.stream.step(sites=sites)
        self.watcher.check([])

    def lose(self) -> None:
        """Have one name go out of WordPress without a word."""
        self.world.stream.silent()
        self.watcher.look()

    def adopt_anew(self, *, look: bool = True) -> None:
        """What the runbook says after a restored backup; a person who does so waits until Closte answers."""
        self.world.sandbox.set_faults()
        (ran,) = self.run(("adopt", "--yes", "--format=json"), look=look)
        self.require(ran.status == 0, f"Adoption failed: {ran.stdout[-800:]}")

    def prepare(self) -> None:
        """Put the engine in charge, with its shim, and let the first names go to Closte."""
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
        """Keep a copy of the database, as a host does every hour."""
        target = self.world.folder / f"backup{number}.sqlite"
        self.world.back_up(target)
        self.backups.append(target)
        for old in self.backups[:-_BACKUPS]:
            old.unlink()
        del self.backups[:-_BACKUPS]

    def round(self, number: int, fault: Callable[[Campaign], None]) -> None:
        """Let things happen, let something go wrong, and let time pass."""
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
        """Let faults stop and days pass, then judge."""
        self.world.with_checks(on=False)
        if self.restored:
            self.adopt_anew()
        last: object = None
        approved: list[str] = []
        for _ in range(_LAST_RUNS):
            (ran,) = self.run((*SYNC, *approved), approved=bool(approved))
            # More at once than the gate lets through: a person reads the names and agrees, as the message says.
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
    """Run one campaign in the new folder: so many rounds (each fault once when None), none begun after `until`.

    `mutant` is a safety rule that the engine is to lack, see `tests.proof.mutants`.
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
