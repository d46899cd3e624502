"""Make up for domain records whose creation failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError
from closte_bridge.ledger import journal
from closte_bridge.ledger.inbox import known_events
from closte_bridge.ledger.journal import Entry
from closte_bridge.ledger.marks import RECORD_DUE, RECORD_HAD, RECORD_UNSEEN
from closte_bridge.ledger.waiting import (
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
from closte_bridge.planning.model import Mode
from closte_bridge.planning.records import NO_RECORDS, Known, Lack, RecordPlan, Rows, plan_records, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.view import View
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.records import RecordResult
    from closte_bridge.wordpress.snapshot import Mapping

# What Ultimate Multisite refused is tried again after an hour, and all of it soon if `wp` failed: seconds.
_REFUSED_WAIT = 3600.0
_TROUBLE_WAIT = 600.0
_OUTCOMES = {"made": "done"}


@dataclass(slots=True)
class Records:
    """Which sites lack their record, and what became of those that were due.

    `results` are words by site, see `closte_bridge.wordpress.records`; `later` is how many more are due than one run
    makes. Trouble with `wp` loses nothing: the next run asks again.
    """

    plan: RecordPlan = NO_RECORDS
    due: tuple[Lack, ...] = ()
    results: dict[int, str] = field(default_factory=dict)
    later: int = 0
    trouble: BridgeError | None = None


def records_of(ledger: Ledger | None, view: View) -> Records:
    """Return which records a sync would make; none where nothing may be changed."""
    if ledger is None or view.standing.mode in {Mode.READ_ONLY, Mode.INACTIVE}:
        return Records()
    plan = plan_records(view.snapshot, _known(ledger, view), view.now)
    return Records(plan, plan.due)


def _known(ledger: Ledger, view: View) -> Known:
    known = Known(view.ledger.highest_site, records_due(ledger), records_due(ledger, RECORD_UNSEEN), had_record(ledger))
    if not known.concerns(view.snapshot):
        return known
    rows = last_rows(ledger)
    return known._replace(
        made=made_lately(ledger, view.now),
        rows=Rows(*rows) if rows else None,
        events=events_of_records(ledger),
        uids=known_events(ledger),
    )


def note(ledger: Ledger, view: View) -> None:
    """Remember what a run that makes no records and does not count as a complete read has seen of them."""
    known = _known(ledger, view)
    plan = plan_records(view.snapshot, known, view.now)
    if fresh := plan.had - {*known.had}:
        with ledger.transaction():
            note_had(ledger, fresh, view.now)
    if view.snapshot.complete:
        _remember(ledger, plan, known)
        keep_rows(ledger, rows_of(view.snapshot))


def _remember(ledger: Ledger, plan: RecordPlan, known: Known) -> None:
    """Write down which sites wait, and drop what is over; nothing if nothing has changed."""
    over = {site for site in known.had if site <= known.above}
    if (plan.waiting, plan.unseen, plan.settled) == (known.waiting, known.unseen, frozenset()) and not over:
        return
    with ledger.transaction():
        forget_records(ledger, plan.settled)
        forget_records(ledger, plan.waiting, [RECORD_UNSEEN])
        await_records(ledger, plan.waiting)
        await_records(ledger, plan.unseen, RECORD_UNSEEN)
        forget_records(ledger, over, [RECORD_HAD])


def make_up(engine: Engine, ledger: Ledger, view: View, run: str, *, only_note: bool = False) -> Records:
    """Make the records that are due in one process, and let `view` know of them; with `only_note`, remember them.

    Sites are remembered before the read itself counts as done: killed in between, nothing is lost.
    """
    if not view.snapshot.complete:
        note(ledger, view)
        return Records()
    known = _known(ledger, view)
    plan = plan_records(view.snapshot, known, view.now)
    _remember(ledger, plan, known)
    found = Records() if only_note else _make_due(engine, ledger, view, run, plan)
    keep_rows(ledger, rows_of(view.snapshot))
    return found


def _make_due(engine: Engine, ledger: Ledger, view: View, run: str, plan: RecordPlan) -> Records:
    from closte_bridge.wordpress.records import MOST_RECORDS  # noqa: PLC0415 - loaded while `wp` ran

    due = plan.due
    found = Records(plan, due[:MOST_RECORDS], later=max(0, len(due) - MOST_RECORDS))
    if not found.due:
        return found
    try:
        results = make_batch(engine, ledger, found.due, run, "site created without one")
    except BridgeError as error:
        found.trouble = error
        with ledger.transaction():
            for lack in found.due:
                _put_off(ledger, lack, view.now + _TROUBLE_WAIT)
        return found
    found.results = {result.site: result.word for result in results}
    view.include(_mappings(results))
    return found


def _put_off(ledger: Ledger, lack: Lack, until: float) -> None:
    await_records(ledger, {lack.site: until}, RECORD_DUE if lack.seen else RECORD_UNSEEN)


def _mappings(results: Iterable[RecordResult]) -> list[Mapping]:
    return [result.mapping for result in results if result.mapping]


def make_batch(engine: Engine, ledger: Ledger, lacks: Sequence[Lack], run: str, cause: str) -> list[RecordResult]:
    """Have one batch made, and write down what came of it."""
    from closte_bridge.wordpress.records import make_records  # noqa: PLC0415 - only when there are some

    results = make_records(engine.settings.wp, engine.cost.wp, [lack.site for lack in lacks], really=True)
    now = engine.clock.now()
    words = {lack.site: result.word for lack, result in zip(lacks, results, strict=True)}
    refused = {site for site, word in words.items() if word.startswith("refused") or word == "inactive"}
    entries = [
        Entry(now, run, "record", lack.domain, cause, _OUTCOMES.get(words[lack.site], words[lack.site]))
        for lack in lacks
        if words[lack.site] not in {"there", "gone"}
    ]
    with ledger.transaction():
        forget_records(ledger, words.keys() - refused)
        for lack in lacks:
            if lack.site in refused:
                _put_off(ledger, lack, now + _REFUSED_WAIT)
        note_made(ledger, [lack.site for lack in lacks if not lack.seen and words[lack.site] == "made"], now)
        journal.append(ledger, entries)
    return results
