"""Create missing domain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.engine.refresh import note_stale
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.events import known_events
from closte_bridge.ledger.flags import RECORD_DUE, RECORD_HAD, RECORD_UNSEEN
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.ledger.missing_records import (
    await_records,
    events_of_records,
    forget_records,
    had_record,
    keep_rows,
    last_rows,
    made_lately,
    note_had,
    note_made,
    records_due,
)
from closte_bridge.ledger.site_addresses import keep_addresses, moved_sites
from closte_bridge.planning.model import Mode
from closte_bridge.planning.records import (
    NO_RECORDS,
    MissingRecord,
    RecordHistory,
    RecordPlan,
    RowCounts,
    addresses_of,
    plan_records,
    rows_of,
)
from closte_bridge.wordpress.records import MOST_RECORDS, make_records
from closte_bridge.wordpress.results import RecordOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation, Session
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.records import RecordResult
    from closte_bridge.wordpress.results import WriteResult
    from closte_bridge.wordpress.snapshot import Mapping

# Seconds to the next try: after Ultimate Multisite refused a record, and after `wp` failed.
_REFUSED_WAIT = 3600.0
_TROUBLE_WAIT = 600.0
_RETRIED = frozenset({RecordOutcome.REFUSED, RecordOutcome.INACTIVE})
_NO_CHANGE = frozenset({RecordOutcome.THERE, RecordOutcome.GONE})


@dataclass(slots=True)
class RecordResults:
    """Sites without a record, and the results of due records.

    `results`: by site. `later`: the number of due records left for the next run. `trouble`: an error of `wp`; the next
    run tries again.
    """

    plan: RecordPlan = NO_RECORDS
    due: tuple[MissingRecord, ...] = ()
    results: dict[int, WriteResult[RecordOutcome]] = field(default_factory=dict)
    later: int = 0
    trouble: BridgeError | None = None


def records_of(ledger: Ledger | None, view: Observation) -> RecordResults:
    """Return the records that a sync would create; none if no changes are allowed."""
    if ledger is None or view.authority.mode in {Mode.READ_ONLY, Mode.INACTIVE}:
        return RecordResults()
    plan = plan_records(view.snapshot, _known(ledger, view), view.now)
    return RecordResults(plan, plan.due)


def _known(ledger: Ledger, view: Observation) -> RecordHistory:
    known = RecordHistory(
        view.ledger.highest_site,
        records_due(ledger),
        records_due(ledger, RECORD_UNSEEN),
        had_record(ledger),
        moved_sites(ledger, addresses_of(view.snapshot)) if view.snapshot.complete else (),
    )
    if not known.concerns(view.snapshot):
        return known
    rows = last_rows(ledger)
    return known._replace(
        made=made_lately(ledger, view.now),
        rows=RowCounts(*rows) if rows else None,
        events=events_of_records(ledger),
        uids=known_events(ledger),
    )


def note(ledger: Ledger, view: Observation) -> None:
    """Save what a run saw of records if it creates none and does not count as a complete read."""
    known = _known(ledger, view)
    plan = plan_records(view.snapshot, known, view.now)
    if fresh := plan.had - {*known.had}:
        with ledger.transaction():
            note_had(ledger, fresh, view.now)
    if snapshot := view.snapshot.complete:
        _remember(ledger, plan, known)
        keep_addresses(ledger, addresses_of(snapshot))
        keep_rows(ledger, rows_of(snapshot))


def _remember(ledger: Ledger, plan: RecordPlan, known: RecordHistory) -> None:
    """Save which sites wait and drop old entries, if anything changed."""
    old = {site for site in known.had if site <= known.above or site in plan.moved}
    if (plan.waiting, plan.unseen, plan.settled) == (known.waiting, known.unseen, frozenset()) and not old:
        return
    with ledger.transaction():
        forget_records(ledger, plan.settled)
        forget_records(ledger, plan.waiting, [RECORD_UNSEEN])
        forget_records(ledger, plan.unseen, [RECORD_DUE])
        await_records(ledger, plan.waiting)
        await_records(ledger, plan.unseen, RECORD_UNSEEN)
        forget_records(ledger, old, [RECORD_HAD])


def create_missing(session: Session, *, only_note: bool = False) -> RecordResults:
    """Create the due records in one process and add them to the view; with `only_note`, only save which sites wait.

    Sites are saved before the read counts as complete, so that a crash in between loses nothing.
    """
    ledger, view = session.ledger, session.view
    if (snapshot := view.snapshot.complete) is None:
        note(ledger, view)
        return RecordResults()
    known = _known(ledger, view)
    plan = plan_records(snapshot, known, view.now)
    _remember(ledger, plan, known)
    keep_addresses(ledger, addresses_of(snapshot))
    found = RecordResults() if only_note else _make_due(session, plan)
    keep_rows(ledger, rows_of(view.snapshot))
    return found


def _make_due(session: Session, plan: RecordPlan) -> RecordResults:
    engine, ledger, view, due = session.engine, session.ledger, session.view, plan.due
    found = RecordResults(plan, due[:MOST_RECORDS], later=max(0, len(due) - MOST_RECORDS))
    if not found.due:
        return found
    try:
        results = make_batch(engine, ledger, found.due, session.run, "site has no record")
    except BridgeError as error:
        found.trouble = error
        with ledger.transaction():
            for missing_record in found.due:
                _put_off(ledger, missing_record, view.now + _TROUBLE_WAIT)
        return found
    found.results = {result.site: result.result for result in results}
    view.include(_mappings(results), engine.policy())
    return found


def _put_off(ledger: Ledger, missing_record: MissingRecord, until: float) -> None:
    await_records(ledger, {missing_record.site: until}, RECORD_DUE if missing_record.seen else RECORD_UNSEEN)


def _mappings(results: Iterable[RecordResult]) -> list[Mapping]:
    return [result.mapping for result in results if result.mapping]


def make_batch(
    engine: Engine, ledger: Ledger, missing_records: Sequence[MissingRecord], run: str, cause: str
) -> list[RecordResult]:
    """Create one batch of records and save the results."""
    with ledger.transaction():
        # Before the records exist, so that a crash in between loses nothing.
        note_stale(ledger, [missing_record.domain for missing_record in missing_records], engine.clock.now())
    results = make_records(
        engine.settings.wp, engine.cost.wp, [missing_record.site for missing_record in missing_records], really=True
    )
    now = engine.clock.now()
    answers = [*zip(missing_records, (result.result for result in results), strict=True)]
    failed = [missing_record for missing_record, result in answers if result.outcome in _RETRIED]
    made = [missing_record for missing_record, result in answers if result.outcome is RecordOutcome.MADE]
    with ledger.transaction():
        forget_records(ledger, {record.site for record in missing_records} - {record.site for record in failed})
        for missing_record in failed:
            _put_off(ledger, missing_record, now + _REFUSED_WAIT)
        note_made(ledger, [missing_record.site for missing_record in made if not missing_record.seen], now)
        ledger_log.append(
            ledger,
            [
                LogEntry(now, run, LogAction.RECORD, missing_record.domain, cause, _logged(result))
                for missing_record, result in answers
                if result.outcome not in _NO_CHANGE
            ],
        )
    return results


def _logged(result: WriteResult[RecordOutcome]) -> str:
    return "done" if result.outcome is RecordOutcome.MADE else result.text
