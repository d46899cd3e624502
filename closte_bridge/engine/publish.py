"""Publish domain states in WordPress: what changed, and no more (rule 9).

What people see first is sent at the end of the run, in the call that reports to the shim, or in one more. The rest,
such as the time of the next check, waits in the ledger and travels in the next read of WordPress. Errors never fail a
run.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from closte_bridge.engine.snapshots import MOST_WAITING, waiting_states
from closte_bridge.engine.states import MOST_HISTORY, counts_of, inputs, state_rows
from closte_bridge.engine.summary import is_urgent, summary_of
from closte_bridge.errors import BridgeError
from closte_bridge.hosting import Action
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger import published
from closte_bridge.ledger.flags import UNPUBLISHED
from closte_bridge.ledger.meta import GENERATION, PUBLISHED, SUMMARY
from closte_bridge.ledger.published import GONE, Published
from closte_bridge.ledger.shim_status import shim_status, summary
from closte_bridge.planning.additions import PlanContext
from closte_bridge.planning.desired import desired
from closte_bridge.planning.model import Mode
from closte_bridge.planning.plan import make_plan
from closte_bridge.wordpress.states import StatesWrite
from closte_bridge.wordpress.writer import write_report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.engine.run import RunReport
    from closte_bridge.engine.states import Counts, StateRow
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.model import Plan
    from closte_bridge.wordpress.snapshot import StatesTable

# Rows of one call of `wp`, and seconds after which a run begins no more calls: the next runs continue.
_AT_ONCE = 2000
_MOST_SECONDS = 10.0
# Up to this number, checked domains are compared one by one.
_MOST_SINGLE = 200
# Seconds after which the shim considers closte-bridge silent, and the tolerated clock difference.
_SILENT = 1800
_CLOCKS_DIFFER = 300


def publish(engine: Engine, ledger: Ledger, report: RunReport, *, succeeded: bool, began: float) -> BridgeError | None:
    """Send the shim what changed in this run: domain states, the summary and, if it is due, the heartbeat.

    `succeeded`: the run counts as a heartbeat. `began` is its start in seconds since the epoch. Returns the error if
    WordPress did not take it; the next run repeats it. Raises BridgeError only if the ledger fails.
    """
    view, now = report.view, engine.clock.now()
    identity = view.ledger.identity
    if not (identity and view.snapshot.shim_table):
        return None
    silent = succeeded and not -_CLOCKS_DIFFER <= view.snapshot.silence <= _SILENT
    _note_read(ledger, view.snapshot.states)
    urgent, counted = False, None
    if report.plan.authority.mode is not Mode.INACTIVE and view.observed.readable and not view.snapshot.faults:
        urgent, counted = _note_states(engine, ledger, report, now)
    before = summary(ledger)
    after = summary_of(engine, ledger.meta(), report, before, counted, began=began)
    with ledger.transaction(durable=False):
        ledger.save(SUMMARY.to(json.dumps(after, separators=(",", ":"))))
    urgent = urgent or is_urgent(before, after) or published.count_pending(ledger) > MOST_WAITING
    urgent = urgent or not GENERATION.of(ledger.meta())
    status = shim_status(ledger, now) if silent else None
    try:
        _send(engine, ledger, identity.engine, status=status, urgent=urgent)
    except BridgeError as error:
        return error
    return None


def _note_read(ledger: Ledger, table: StatesTable) -> None:
    """Record what this run's read of WordPress wrote; if the table is not as the ledger has it, start over."""
    expected = GENERATION.of(ledger.meta())
    as_known = table.present and table.generation == expected and table.rows == published.count_sent(ledger)
    sent = waiting_states(ledger)
    with ledger.transaction(durable=False):
        if not (expected and as_known):
            if expected:
                published.start_over(ledger)
        elif table.written == "done" and sent:
            published.note_written(ledger, sent.batch, sent.generation)


def _note_states(engine: Engine, ledger: Ledger, report: RunReport, now: float) -> tuple[bool, Counts | None]:
    """Note what changed as waiting; return whether people see it first, and the counts (None: as before)."""
    applied = report.applied
    still = applied is None or not (applied.done or applied.failed or report.narrowed)
    digest = inputs(report.view, report.plan, ledger_log.newest(ledger)) if still else ""
    checked = [str(name) for (name,) in ledger.query("SELECT name FROM flags WHERE kind = ?", UNPUBLISHED)]
    if digest and digest == PUBLISHED.of(ledger.meta()):
        if not checked:
            return False, None
        if len(checked) <= _MOST_SINGLE:
            known = published.load(ledger, checked)
            rows = _rows(ledger, report.view, report.plan, now, known)
            if not _note_changes(ledger, rows, known, now):
                _note_published(ledger, digest, checked)
                return False, None
    view, plan = (report.view, report.plan) if still else _afterwards(engine, ledger, report, now)
    rows = _rows(ledger, view, plan, now)
    urgent = _note_changes(ledger, rows, published.load(ledger), now)
    _note_published(ledger, digest, checked)
    return urgent, counts_of(rows)


def _note_published(ledger: Ledger, digest: str, checked: Collection[str]) -> None:
    with ledger.transaction(durable=False):
        ledger.save(PUBLISHED.to(digest))
        ledger.clear_flag(UNPUBLISHED, checked)


def _rows(
    ledger: Ledger, view: Observation, plan: Plan, now: float, only: Collection[str] | None = None
) -> list[StateRow]:
    desire = view.desire
    names = {*desire.mapped, *desire.www, *desire.configured, *desire.pins, *view.ledger.managed, *view.observed.names}
    checks = check_states.load(ledger, names if only is None else only)
    return [*state_rows(view, plan, checks, now, only)]


def _afterwards(engine: Engine, ledger: Ledger, report: RunReport, now: float) -> tuple[Observation, Plan]:
    """Return both sides after the changes of this run, and what is left to do."""
    view, applied = report.view, report.applied
    if applied is None:
        return view, report.plan
    done = {action: {change.name for change in applied.done if change.action is action} for action in Action}
    names = (view.observed.names | done[Action.ADD]) - done[Action.REMOVE]
    observed = replace(view.observed, names=frozenset(names))
    state = replace(ledger.state(now), evidence=view.events.after(view.ledger.evidence, now))
    desire = desired(view.snapshot, engine.policy(), state)
    view = replace(view, observed=observed, ledger=state, desire=desire)
    context = PlanContext(view.snapshot, observed, state, engine.policy(), desire, now, retry=False)
    return view, make_plan(context, view.authority)


def _note_changes(ledger: Ledger, rows: Iterable[StateRow], before: dict[str, Published], now: float) -> bool:
    """Note the rows that differ from those `before` as waiting; return whether people see a difference first.

    Domains without a row, of those `before`, are gone.
    """
    changed = list[tuple["StateRow", str, Published | None]]()
    for row in rows:
        known, digest = before.pop(row.domain, None), row.digest
        if known is not None and known.digest == digest:
            row.since = known.since
            if known.whole == row.whole:
                continue
        changed.append((row, digest, known))
    histories = published.histories(ledger, [row.domain for row, _, _ in changed])
    put = [_changed(row, digest, known, histories.get(row.domain, []), now) for row, digest, known in changed]
    gone = [one._replace(digest="", whole="", history="[]", pending=GONE) for one in before.values() if one.digest]
    if put or gone:
        with ledger.transaction(durable=False):
            published.put(ledger, [*put, *(one for one in gone if one.sent)])
            published.drop(ledger, [one.name for one in gone if not one.sent])
    return bool(gone) or any(known is None or known.digest != digest for _, digest, known in changed)


def _changed(row: StateRow, digest: str, known: Published | None, history: list[list[object]], now: float) -> Published:
    """Return the row as waiting. A state that stays keeps its beginning."""
    if history and history[0][1:] == [row.state, row.code] and isinstance(history[0][0], int):
        row.since = history[0][0]
    else:
        last = history[0][0] if history and isinstance(history[0][0], int) else 0
        row.since = row.since if row.since > last else int(now)
        history = [[row.since, row.state, row.code], *history][:MOST_HISTORY]
    pending = json.dumps(row.columns(history), separators=(",", ":"))
    sent = known is not None and known.sent
    return Published(row.domain, digest, row.whole, row.since, json.dumps(history), pending, sent)


def _send(engine: Engine, ledger: Ledger, owner: str, *, status: dict[str, object] | None, urgent: bool) -> None:
    """Send the heartbeat and, if `urgent`, all that waits. Raises BridgeError if WordPress did not take it."""
    wp, cost = engine.settings.wp, engine.cost.wp
    if not urgent:
        if status is not None:
            write_report(wp, cost, engine=owner, status=status)
        return
    end = time.monotonic() + _MOST_SECONDS
    while True:
        generation = GENERATION.of(ledger.meta())
        batch = published.pending(ledger, _AT_ONCE)
        new = generation + 1 if generation else 1 + secrets.randbelow(10**10)
        states = StatesWrite(generation or None, new, batch, summary(ledger))
        result = write_report(wp, cost, engine=owner, status=status, states=states)
        status = None
        if result != "done":
            raise _not_written(result)
        with ledger.transaction(durable=False):
            published.note_written(ledger, batch, new)
        if len(batch.names) < _AT_ONCE or time.monotonic() > end:
            return


def _not_written(result: str) -> BridgeError:
    return BridgeError(
        f"Could not write the domain states to WordPress ({result}).",
        code="states-not-written",
        hint="Check that the database is writable and has free space. The next sync repeats it.",
    )
