"""Checker that compares every removal with the safety rules. It uses the test's facts and no code of the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.domains import not_public, wildcard_over, www_of
from closte_bridge.engine.clock import TOLERANCE
from closte_bridge.planning.desired import DomainPolicy
from closte_bridge.wordpress.events import taken, understand
from tests.property.network import mentions, normal

if TYPE_CHECKING:
    from closte_bridge.wordpress.snapshot import Snapshot
    from tests.property.world import World

HOUR, DAY = 3600.0, 86400.0


class Checker:
    """Owners of aliases, missing domains and past removals; raises AssertionError if a removal breaks a rule."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pins: set[str] = set()
        self.former: set[str] = set()
        self.dismissed: set[str] = set()
        self.by_command: set[str] = set()  # added by the config or a pin
        self.approved: set[str] = set()
        self.missing: dict[str, list[float]] = {}  # times of the complete snapshots that lacked a managed alias
        self.told: dict[str, float] = {}  # time of the event that confirmed a removal
        self.delivered_events: set[str] = set()
        self.snapshots: list[Snapshot] = []
        self.complete: list[bool] = []
        self.removals: list[tuple[float, str, str]] = []
        self.this_run: list[tuple[str, str]] = []
        self.syncing = False
        self.went_back = False  # until a person adopts again

    # -- what closte-bridge reads ----------------------------------------------------------------------------------

    def begin(self, *, syncing: bool) -> None:
        """Start a run; `syncing`: the ledger stores what the run reads."""
        self.snapshots, self.complete, self.this_run = [], [], []
        self.syncing = syncing

    def policy(self) -> DomainPolicy:
        """Return the policy of the config."""
        s = self.world.settings
        return DomainPolicy(s.wildcard, s.wildcards, s.keep, s.removal_delay, s.removal_grace, s.certificate_budget)

    def wildcards(self) -> set[str]:
        """Return the managed wildcards on Closte."""
        return {name for name, who in self.world.closte.items() if who == "us" and name.startswith("*.")}

    def mention(self, name: str, snapshot: Snapshot) -> str | None:
        """Return what mentions a domain now."""
        return mentions(snapshot, self.policy(), self.pins, self.wildcards(), name)

    def delivered(self, snapshot: Snapshot, *, first: bool) -> None:
        """Record a snapshot that closte-bridge received."""
        now, meta = self.world.true_time, self.world.meta()
        restored = snapshot.highest_site < int(meta.get("highest_site", 0)) or snapshot.highest_mapping < int(
            meta.get("highest_mapping", 0)
        )
        self.snapshots.append(snapshot)
        self.complete.append(snapshot.complete is not None and not (restored or self.went_back))
        if not self.syncing:
            return
        # A killed run may not have recorded the restore.
        self.went_back |= restored and self.world.faults.kill_at is None
        if first:
            self._look_at_the_clock(meta)
            for event in snapshot.events:
                if event.uid not in self.delivered_events:
                    self.delivered_events.add(event.uid)
                    self.told |= dict.fromkeys(understand(event)[0], now)
                    if event.kind == "everything":
                        self.told.clear()  # these many events may include a new mapping of the domain
                    for name in taken(event):
                        self.told.pop(name, None)
        for name in {*self.world.closte, *self.told, *self.missing}:
            if self.mention(name, snapshot):
                self.told.pop(name, None)
                self.missing.pop(name, None)
            elif first and self.complete[-1]:
                self.missing.setdefault(name, []).append(now)
        self.dismissed -= {n for n in self.dismissed if self._wanted_again(n, snapshot)}

    def _wanted_again(self, name: str, snapshot: Snapshot) -> bool:
        return mentions(snapshot, self.policy(), self.pins, set(), name) not in {None, "a site", "a wildcard"}

    def _look_at_the_clock(self, meta: dict[str, str]) -> None:
        """Restart all waits after a jump of the clock, because the time since earlier reads is unknown."""
        if "last_run" not in meta:
            return
        world = self.world
        steady = float(meta["last_run"]) - float(meta["last_steady"])
        same_boot = meta["last_boot"] == f"boot-{world.boots}"
        if same_boot and abs(world.wall() - (world.true_time - world.booted) - steady) > TOLERANCE:
            self.missing.clear()
            self.told = dict.fromkeys(self.told, world.true_time)

    def ours_now(self, name: str) -> None:
        """Record a newly managed domain and whether the config or a pin caused its addition."""
        s, pins = self.world.settings, self.pins
        configured = {*s.wildcards, *([f"*.{self.world.wordpress.domain}"] if s.wildcard else [])}
        self.by_command.discard(name)
        if name in configured or name in pins:
            self.by_command.add(name)

    # -- what closte-bridge changes ----------------------------------------------------------------------------------

    def removal(self, name: str) -> None:
        """Check a request to remove `name` before it takes effect."""
        world, snapshot = self.world, self.snapshots[-1]
        own = {world.wordpress.domain, *self.former}
        assert world.closte.get(name) != "other", f"{name} is foreign"
        forms = {form for o in own for form in (o, f"www.{o}", f"*.{o}", o.removeprefix("www."))}
        assert name not in forms, f"{name} is the network's own"
        assert not f".{name}".endswith(".closte.com"), f"{name} is Closte's"
        what = self.mention(name, world.wordpress.snapshot("ok"))
        if name.startswith("*.") and what == "a wildcard":
            what = None
        assert what is None, f"{name} is mentioned by {what}"
        assert len(self.complete) > 1, f"{name} goes without a second look"
        assert all(self.complete), f"{name} goes though a snapshot was not complete"
        if name not in world.closte:
            return  # a repeated request after a lost answer
        if name.startswith("*."):
            self._wildcard(name, snapshot)
        elif name in self.by_command:
            assert name in self.dismissed, f"{name} came from config or pin and was not dismissed"
        if self._class(name) == "inference":
            self._inferred(name)
        elif self._class(name) == "event":
            delay = world.settings.removal_delay
            assert world.true_time - self.told[name] >= delay, f"{name} goes too soon after its event"

    def _class(self, name: str) -> str:
        if name in self.dismissed:
            return "command"
        return "event" if name in self.told else "inference"

    def _inferred(self, name: str) -> None:
        world = self.world
        assert world.faults.listing == "ok", f"{name} goes by inference with a list that is {world.faults.listing}"
        seen = self.missing.get(name, [])
        assert len(seen) >= 3, f"{name} was missing only {len(seen)} times"
        assert world.true_time - seen[0] >= world.settings.removal_grace, f"{name} goes before its grace is over"

    def _wildcard(self, name: str, snapshot: Snapshot) -> None:
        assert name in self.dismissed, f"{name} goes without a command"
        claims: dict[str, set[int]] = {}
        for row in snapshot.mappings:
            mapped = normal(row.domain)
            site = snapshot.sites.get(row.blog_id)
            if mapped and site and site.network_id == 1 and not not_public(mapped.removeprefix("*.")):
                claims.setdefault(mapped, set()).add(row.blog_id)
        served = {*claims, *self.pins}
        own = snapshot.network.domain
        served |= {www for n in claims if not f".{n}".endswith("." + own) and (www := www_of(n)) is not None}
        bare = {n for n in served if wildcard_over(n) == name} - self.world.closte.keys() - {name}
        assert not bare, f"{name} goes and leaves {bare} bare"

    def removed(self, name: str) -> None:
        """Record an alias that closte-bridge removed."""
        kind = "approved" if name in self.approved and name not in self.dismissed else self._class(name)
        self.this_run.append((name, kind))
        self.dismissed.discard(name)
        self.by_command.discard(name)

    def end(self, size: int) -> None:
        """Check the run's removals against the limits; `size` is the number of possibly managed aliases before it."""
        now = self.world.true_time
        for kind, before, window, floor, share in (
            ("event", {"command"}, HOUR, 20, 0.25),
            ("inference", {"command", "approved", "event"}, DAY, 3, 0.10),
        ):
            gone = [name for name, of in self.this_run if of == kind]
            # All earlier removals count; the share refers to the aliases that are managed now.
            lately = [name for at, name, _ in self.removals if now - at < window]
            lately += [name for name, of in self.this_run if of in before]
            limit = max(floor, int(size * share))
            assert not gone or len(gone) + len(lately) <= limit, f"{kind}: {gone} and {lately} are over {limit}"
            assert kind != "inference" or not gone or len(gone) < size, f"all that was ours went by inference: {gone}"
        self.removals += [(now, name, of) for name, of in self.this_run]
        self.approved = set()
