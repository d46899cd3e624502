"""The last run, and the last run of each kind of schedule; for `status` and `health`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from closte_bridge.ledger.log import LogAction, LogEntry, append
from closte_bridge.ledger.meta import MetaKey

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

# Maximum number of saved problems.
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The result of a run.

    `at` is its end, `next_run` when `watch` makes the next one, and `since` when its `mode` began, all in seconds since
    the epoch. `schedule` is what started it. `mode`, `code`, `reason` (a clause) and `hint` are its authority; they are
    those of the run before if WordPress could not be read. `counts` are numbers of domains. `problems` have a code, a
    message, a domain and a hint.
    """

    at: float
    schedule: str
    exit_code: int
    next_run: float | None = None
    mode: str = ""
    code: str = ""
    reason: str = ""
    hint: str = ""
    since: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[dict[str, str | None]] = field(default_factory=list)


def _record(text: str) -> RunRecord | None:
    try:
        return RunRecord(**json.loads(text))
    except (TypeError, ValueError):
        # Another version wrote it in another form.
        return None


def _schedules(text: str) -> dict[str, tuple[float, float]]:
    try:
        return {str(name): (float(at), float(gap)) for name, (at, gap) in json.loads(text).items()}
    except (TypeError, ValueError, AttributeError):
        return {}


LAST_RESULT: MetaKey[RunRecord | None] = MetaKey(
    "last_result", _record, lambda record: json.dumps(asdict(record)) if record else "", None
)
"""The last run."""

SCHEDULES: MetaKey[dict[str, tuple[float, float]]] = MetaKey("schedules", _schedules, json.dumps, {})
"""For each schedule the end of its last run, and the seconds since the one before (0 if unknown)."""


def save(ledger: Ledger, record: RunRecord, run: str) -> None:
    """Save a run, inside a transaction of the ledger; a change of its authority is also added to the log."""
    meta = ledger.meta()
    before = LAST_RESULT.of(meta)
    if not record.mode and before:
        kept = {name: getattr(before, name) for name in ("mode", "code", "reason", "hint", "since", "counts")}
        record = replace(record, **kept)
    elif before and (before.mode, before.code) == (record.mode, record.code):
        record = replace(record, since=min(before.since, record.at))
    else:
        record = replace(record, since=record.at)
        if entry := _change(before.mode if before else "full", record, run):
            append(ledger, [entry])
    record = replace(record, problems=record.problems[:_MOST_PROBLEMS])
    known = {**SCHEDULES.of(meta)}
    last = known.get(record.schedule)
    known[record.schedule] = (record.at, max(0.0, record.at - last[0]) if last else 0.0)
    ledger.save(LAST_RESULT.to(record), SCHEDULES.to(known))


def expect(ledger: Ledger, schedule: str, now: float, every: float) -> None:
    """Save, inside a transaction, that a schedule starts at `now` (epoch seconds) and runs every `every` seconds."""
    ledger.save(SCHEDULES.to({**SCHEDULES.of(ledger.meta()), schedule: (now, every)}))


def forget_schedule(ledger: Ledger, schedule: str) -> None:
    """Forget, inside a transaction, the runs of a schedule that was removed."""
    ledger.save(SCHEDULES.to({name: run for name, run in SCHEDULES.of(ledger.meta()).items() if name != schedule}))


def _change(before: str, record: RunRecord, run: str) -> LogEntry | None:
    """Return the log entry for another authority than `before`."""
    match record.mode:
        case "inactive":
            return LogEntry(record.at, run, LogAction.PAUSE, "", record.reason, "done")
        case "read-only":
            return LogEntry(record.at, run, LogAction.RUN, "", record.reason, "refused", record.hint)
        case "add-only":
            return LogEntry(record.at, run, LogAction.RUN, "", record.reason, "additions only", record.hint)
        case "full" if before != "full":
            return LogEntry(record.at, run, LogAction.RESUME, "", "changes are allowed again", "done")
    return None
