"""What must hold at every moment, judged by what really happened at the stand-in and in WordPress' own tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.proof.world import KEY
from tests.support.bridge import EVENTS
from tests.support.faults import FOREIGN, OWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.proof.world import Ran, World

# The exit codes of the design, and a kill.
STATUSES = {0, 1, 2, 3, 4, 5, 7, 75, -9}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# What time the rules of the config make a removal wait, less what clocks may differ by.
_DELAY, _GRACE = 5 * MINUTE - 1, 24 * HOUR - 1


class BrokenError(AssertionError):
    """An invariant does not hold; the message says which."""


def forms(names: Iterable[str]) -> set[str]:
    """Return the names and their `www.` forms: what a mapping mentions."""
    return {form for name in names for form in (name, f"www.{name}")}


@dataclass
class Watcher:
    """Follows one world. `spared` are names that are not in the table for a moment and are wanted all the same."""

    world: World
    mentioned: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    gone_since: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    _seen_changes: int = 0
    _seen_requests: int = 0
    removed: int = 0
    added: int = 0

    def look(self) -> None:
        """Read what WordPress mentions now, and which events it has; call after everything that changes it."""
        rows = self.world.rows()
        mentioned = forms(rows)
        for name in self.mentioned - mentioned:
            self.gone_since[name] = self.world.later
        for name in mentioned:
            self.gone_since.pop(name, None)
        self.mentioned = mentioned
        events = self.world.multisite.sql(f"SELECT uid, kind, domain, detail FROM {EVENTS}")
        self.uids |= {str(row["uid"]) for row in events}
        for row in events:
            detail = json.loads(str(row["detail"])) if row["detail"] else {}
            if row["kind"] == "mapping_removed":
                self.told |= forms([str(row["domain"])])
            elif row["kind"] == "mapping_renamed":
                self.told |= forms([str(detail["from"])])
            elif row["kind"] == "site_deleted":
                self.told |= forms(detail["domains"])

    def forget_events_before(self) -> None:
        """An older database is put back: rows that no engine had read are gone by nobody's fault of ours."""
        known = {str(uid) for (uid,) in self.world.ledger("SELECT uid FROM events")}
        self.uids &= known

    def check(self, rans: Iterable[Ran], *, changes_nothing: bool = False, no_removals: bool = False) -> None:
        """Hold what just ran against everything. Raises BrokenError."""
        for ran in rans:
            _judge_words(ran)
        before = self.mentioned
        self.look()
        wanted = before | self.mentioned
        requests = self.world.sandbox.journal.read(self._seen_requests)
        self._seen_requests += len(requests)
        asked = {(r.call, r.domain.lower()) for r in requests if r.call in {"add", "remove"} and r.key_ok}
        fresh = self.world.changes[self._seen_changes :]
        self._seen_changes += len(fresh)
        self.added += sum(1 for action, _ in fresh if action == "add")
        self.removed += sum(1 for action, _ in fresh if action == "remove")
        _require(not (changes_nothing and asked), f"A copy asked Closte for changes: {sorted(asked)}.")
        for action, name in sorted(asked | set(fresh)):
            if action == "add":
                _require(name in wanted, f'"{name}" was added and nothing wants it.')
            else:
                _require(not no_removals, f'"{name}" was removed by an engine that may only add.')
                self._judge_removal(name)
        missing = (FOREIGN | {OWN}) - self.world.sandbox.aliases
        _require(not missing, f"Foreign names are gone: {sorted(missing)}.")

    def _judge_removal(self, name: str) -> None:
        _require(name not in FOREIGN | {OWN}, f'"{name}" is not ours and was removed.')
        _require(name not in self.mentioned, f'"{name}" was removed while WordPress mentions it.')
        _require(name not in self.spared, f'"{name}" was removed while an import was half done.')
        since = self.gone_since.get(name)
        _require(since is not None, f'"{name}" was removed, and nobody ever unmapped it.')
        assert since is not None
        waited = self.world.later - since
        wait = _DELAY if name in self.told else _GRACE
        _require(waited >= wait, f'"{name}" was removed {waited:.0f} s after it went, and not {wait:.0f} s.')

    # The end

    def at_the_end(self, log: list[dict[str, str]]) -> dict[str, int]:
        """Judge what is left when faults have stopped and time has passed. Return what a person would still see."""
        world = self.world
        rows, aliases = world.rows(), world.sandbox.aliases
        missing = world.wanted() - aliases
        _require(not missing, f"Wanted names are not at Closte: {sorted(missing)}.")
        ours = {str(name) for (name,) in world.ledger("SELECT name FROM aliases WHERE phase = 'present'")}
        _require(ours <= aliases, f"The ledger claims what is not there: {sorted(ours - aliases)}.")
        unsettled = [name for (name,) in world.ledger("SELECT name FROM aliases WHERE phase <> 'present'")]
        _require(not unsettled, f"Unsettled names are left: {sorted(unsettled)}.")
        stale = aliases - forms(rows) - FOREIGN - {OWN}
        _require(not stale & ours, f"Nothing wants these and they were not removed: {sorted(stale & ours)}.")
        self._judge_events()
        self._judge_log(log)
        return {"left to a person": len(stale), "aliases": len(aliases), "wanted": len(rows), "events": len(self.uids)}

    def _judge_events(self) -> None:
        known = {str(uid) for (uid,) in self.world.ledger("SELECT uid FROM events")}
        _require(self.uids <= known, f"{len(self.uids - known)} events were lost.")
        waiting = self.world.multisite.sql(f"SELECT uid FROM {EVENTS}")
        _require(not waiting, f"{len(waiting)} events were never acknowledged.")

    def _judge_log(self, log: list[dict[str, str]]) -> None:
        done = [entry for entry in log if entry["outcome"] in {"done", "already"}]
        adds = {e["domain"] for e in done if e["action"] in {"add", "confirm"}}
        removes = {e["domain"] for e in done if e["action"] == "remove"}
        really_added = {name for action, name in self.world.changes if action == "add"}
        really_removed = {name for action, name in self.world.changes if action == "remove"}
        lost = really_added - adds
        _require(not lost, f"The log does not know that these were added: {sorted(lost)}.")
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
