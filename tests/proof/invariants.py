"""Invariants, checked against the sandbox's real changes and the tables of WordPress."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.proof.world import KEY
from tests.support.fake_world import FOREIGN, OWN
from tests.support.rows import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.proof.world import Ran, World

# The documented exit codes, and kills.
STATUSES = {0, 1, 2, 3, 4, 5, 7, 75, 130, -1, -9, -15}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# The seconds that a removal has to wait by default, less the tolerance of the clocks.
_DELAY, _GRACE = 5 * MINUTE - 1, 24 * HOUR - 1
# The complete reads in which an inferred removal must be missing.
_LOOKS = 3


class BrokenError(AssertionError):
    """Broken invariant; the message says which."""


def forms(names: Iterable[str]) -> set[str]:
    """Return the domains with and without `www.`: the forms that a mapping mentions."""
    return {form for name in names for form in (name, f"www.{name}", name.removeprefix("www."))}


@dataclass
class Watcher:
    """Checker of one world. `spared` are domains that are missing from the table for a while and still wanted.

    `elsewhere` are domains of other applications: no list shows them, so they must stay unmanaged.

    `told` are domains for which the shim recorded a removal. `looks` counts the runs since a domain disappeared, as an
    upper bound of the reads that noticed it. `added_in` is the fault during which a domain was last added.
    """

    world: World
    mentioned: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    gone_since: dict[str, float] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    arrived: set[str] = field(default_factory=set)
    scene: str = ""
    added_in: dict[str, str] = field(default_factory=dict)
    removed: int = 0
    added: int = 0
    _removals: list[float] = field(default_factory=list)
    _seen_changes: int = 0
    _seen_requests: int = 0

    def look(self) -> None:
        """Read the domains that WordPress mentions and its new events; call this after every change."""
        mentioned = forms(self.world.rows()) | self.world.sites()
        for name in self.mentioned - mentioned:
            self.gone_since[name] = self.world.later
            self.looks[name] = 0
        for name in mentioned:
            self.gone_since.pop(name, None)
        self.mentioned = mentioned
        for row in self.world.multisite.sql(f"SELECT uid, kind, domain, detail FROM {EVENTS} ORDER BY id"):
            if str(row["uid"]) not in self.uids:
                self.uids.add(str(row["uid"]))
                self._hear(str(row["kind"]), str(row["domain"]), str(row["detail"] or "{}"))
        self.told -= mentioned

    def _hear(self, kind: str, domain: str, detail: str) -> None:
        if kind == "mapping_removed":
            self.told |= forms([domain])
        elif kind == "mapping_renamed":
            self.told |= forms([str(json.loads(detail)["from"])])
        elif kind == "site_deleted":
            self.told |= forms(json.loads(detail)["domains"])
        if kind in {"mapping_added", "mapping_renamed", "site_created", "site_duplicated"}:
            self.told -= forms([domain])

    def forget_events_before(self) -> None:
        """Forget events that closte-bridge never read before a restore: their loss is not its fault."""
        self.uids &= self._known_events()

    def _known_events(self) -> set[str]:
        """Return the events that the ledger ever contained; the ledger deletes old ones after weeks."""
        self.arrived |= {str(uid) for (uid,) in self.world.ledger("SELECT uid FROM events")}
        return self.arrived

    def requests_are_judged(self) -> None:
        """Skip the requests so far: WordPress has changed since they were sent."""
        self._seen_requests += len(self.world.sandbox.request_log.read(self._seen_requests))

    def check(
        self, rans: Sequence[Ran], *, changes_nothing: bool = False, no_removals: bool = False, approved: bool = False
    ) -> None:
        """Check the last commands against every invariant; `approved`: a person approved removals over the limits.

        Raises BrokenError.
        """
        for ran in rans:
            _judge_words(ran)
        if rans:
            # On a full disk, the ledger can only be read later.
            with suppress(sqlite3.OperationalError):
                self._known_events()
        if not changes_nothing and not no_removals:
            self.looks.update(dict.fromkeys(self.gone_since, len(rans)))
        before = self.mentioned
        self.look()
        wanted = before | self.mentioned
        requests = self.world.sandbox.request_log.read(self._seen_requests)
        self._seen_requests += len(requests)
        # A change without a domain changes nothing: it tests the key.
        changes = (r for r in requests if r.call in {"add", "remove"} and r.domain)
        asked = {(r.call, r.domain.lower()) for r in changes if r.key_ok}
        fresh = self.world.changes[self._seen_changes :]
        self._seen_changes += len(fresh)
        removals = {name for action, name in fresh if action == "remove"}
        size = len(self.world.sandbox.aliases) + len(removals)
        self.added += sum(1 for action, _ in fresh if action == "add")
        self.removed += len(removals)
        self.added_in |= {name: self.scene for action, name in fresh if action == "add"}
        _require(not (changes_nothing and asked), f"Changes were asked for where none may be: {sorted(asked)}.")
        for action, name in sorted(asked | set(fresh)):
            if action == "add":
                _require(name in wanted, f'"{name}" was added and nothing wants it.')
            else:
                _require(not no_removals, f'"{name}" was removed by an engine that may only add.')
                self._judge_removal(name)
        told = sum(1 for name in removals if name in self.told)
        if not approved:
            self._judge_limits(size, told, len(removals) - told)
        self._removals += [self.world.later] * len(removals)
        missing = (FOREIGN | {OWN}) - self.world.sandbox.aliases
        _require(not missing, f"Foreign names are gone: {sorted(missing)}.")
        if self.elsewhere:
            managed = {str(name) for (name,) in self.world.ledger("SELECT name FROM aliases WHERE phase = 'present'")}
            claimed = self.elsewhere & managed
            _require(not claimed, f"Managed in the ledger, and in another application: {sorted(claimed)}.")

    def _judge_removal(self, name: str) -> None:
        _require(name not in FOREIGN | {OWN}, f'"{name}" is not ours and was removed.')
        _require(name not in self.mentioned, f'"{name}" was removed while WordPress mentions it.')
        _require(name not in self.spared, f'"{name}" was removed while it was missing only for a moment.')
        since = self.gone_since.get(name)
        _require(since is not None, f'"{name}" was removed, and nobody ever unmapped it.')
        assert since is not None
        waited = self.world.later - since
        wait = _DELAY if name in self.told else _GRACE
        _require(waited >= wait, f'"{name}" was removed {waited:.0f} s after it went, and not {wait:.0f} s.')
        seen = self.looks[name]
        _require(name in self.told or seen >= _LOOKS, f'"{name}" was removed and was found missing only {seen} times.')

    def _judge_limits(self, size: int, told: int, untold: int) -> None:
        """Check the latest removals, `told` with an event and `untold` without one, against the limits.

        All removals in the period count, even approved ones. `size` is the number of aliases before.
        """
        for now, more, window, floor, share in ((told, 0, HOUR, 20, 0.25), (untold, told, DAY, 3, 0.1)):
            lately = sum(1 for at in self._removals if self.world.later - at < window - 1)
            limit = max(floor, int(size * share))
            what = "by events in an hour" if window == HOUR else "by inference in a day"
            holds = not now or now + more + lately <= limit
            _require(holds, f"{now} domains were removed {what} after {more + lately} others, where {limit} may be.")

    # The final check

    def at_the_end(self, log: list[dict[str, str]], others: list[dict[str, str]]) -> dict[str, int]:
        """Check the final state after the faults stopped and time passed. Return counts of what is left to a person.

        `log` is from closte-bridge, `others` from installations with a copy of its ledger.
        """
        world = self.world
        rows, aliases = world.rows(), world.sandbox.aliases
        missing = world.wanted() - aliases
        _require(not missing, f"Wanted names are not at Closte: {sorted(missing)}.")
        managed = {str(name) for (name,) in world.ledger("SELECT name FROM aliases WHERE phase = 'present'")}
        _require(managed <= aliases, f"The ledger claims what is not there: {sorted(managed - aliases)}.")
        unsettled = [name for (name,) in world.ledger("SELECT name FROM aliases WHERE phase <> 'present'")]
        _require(not unsettled, f"Unsettled names are left: {sorted(unsettled)}.")
        stale = aliases - forms(rows) - world.sites() - FOREIGN - {OWN}
        _require(not stale & managed, f"Nothing wants these and they were not removed: {sorted(stale & managed)}.")
        self._judge_events()
        self._judge_log(log + others)
        unclaimed = aliases - managed - FOREIGN - {OWN}
        why = {name: self._why_unclaimed(name, log, others) for name in unclaimed}
        left = Counter(f"left to a person: {why[name]}" for name in stale)
        figures = {"aliases": len(aliases), "not claimed": len(unclaimed), "left to a person": len(stale)}
        return {**left, **figures, "wanted": len(rows), "events": len(self.uids)}

    def _why_unclaimed(self, name: str, log: list[dict[str, str]], others: list[dict[str, str]]) -> str:
        """Return the rule by which an alias is unmanaged. Raises BrokenError if no rule explains it."""
        said = [entry for entry in log if entry["domain"] == name]
        if any(entry["outcome"] == "unclaimed" for entry in said):
            return "requested while no list was complete, and the answer was lost"
        if any(entry["outcome"] == "already" and entry["action"] == "add" for entry in said):
            return "already on Closte according to its answer, while no list was complete"
        if any(entry["domain"] == name and entry["outcome"] in {"done", "already"} for entry in others):
            return "added by an installation with a copy of the ledger"
        scene = self.added_in.get(name, "the beginning")
        raise BrokenError(f'Nobody claims "{name}", of {scene}, and no rule says why: {said}')

    def _judge_events(self) -> None:
        known = self._known_events()
        _require(self.uids <= known, f"{len(self.uids - known)} events were lost.")
        waiting = self.world.multisite.sql(f"SELECT uid FROM {EVENTS}")
        _require(not waiting, f"{len(waiting)} events were never acknowledged.")

    def _judge_log(self, log: list[dict[str, str]]) -> None:
        done = [entry for entry in log if entry["outcome"] in {"done", "already"}]
        adds = {e["domain"] for e in done if e["action"] in {"add", "confirm"}}
        adds |= {e["domain"] for e in log if e["outcome"] == "unclaimed"}
        removes = {e["domain"] for e in done if e["action"] == "remove"}
        really_added = {name for action, name in self.world.changes if action == "add"}
        really_removed = {name for action, name in self.world.changes if action == "remove"}
        lost = really_added - adds
        told = [entry for entry in log if entry["domain"] in lost]
        scenes = {name: self.added_in.get(name) for name in lost}
        _require(not lost, f"The log does not know that these were added: {scenes}; it says {told}.")
        lost = really_removed - removes
        _require(not lost, f"The log does not know that these were removed: {sorted(lost)}.")
        _require(removes <= really_removed, f"The log tells of removals that never were: {removes - really_removed}.")
        for entry in done:
            _require(bool(entry["cause"]), f"An entry has no cause: {entry}.")


def _judge_words(ran: Ran) -> None:
    said = ran.stdout + ran.stderr
    _require(KEY not in said, "The key was printed.")
    _require("Traceback" not in said and "internal-error" not in said, f"A traceback: {said[-2000:]}")
    _require(ran.status in STATUSES, f"It ended with {ran.status}: {said[-1000:]}")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise BrokenError(sentence)
