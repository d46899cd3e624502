"""Make up for domain records whose creation failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError
from closte_bridge.ledger import journal
from closte_bridge.ledger.journal import Entry
from closte_bridge.ledger.waiting import await_records, forget_records, records_due
from closte_bridge.planning.model import Mode
from closte_bridge.planning.records import IN_THE_MAKING, NO_RECORDS, Lack, RecordPlan, plan_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.view import View
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.records import RecordResult
    from closte_bridge.wordpress.snapshot import Mapping

# What Ultimate Multisite refused is tried again after an hour.
_REFUSED_WAIT = 3600.0
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
    plan = plan_records(view.snapshot, above=view.ledger.highest_site, waiting=records_due(ledger), now=view.now)
    return Records(plan, plan.due(view.now))


def make_up(engine: Engine, ledger: Ledger, view: View, run: str, *, only_note: bool = False) -> Records:
    """Make the records that are due in one process, and let `view` know of them; with `only_note`, remember them.

    Sites are remembered before the look itself counts as done: killed in between, nothing is lost.
    """
    from closte_bridge.wordpress.records import MOST_RECORDS  # noqa: PLC0415 - loaded while `wp` ran

    found = records_of(ledger, view)
    if not found.plan.waiting and not found.plan.settled:
        return found
    with ledger.transaction():
        await_records(ledger, found.plan.waiting)
        forget_records(ledger, found.plan.settled)
    if only_note:
        return Records()
    found.later = max(0, len(found.due) - MOST_RECORDS)
    found.due = found.due[:MOST_RECORDS]
    if not found.due:
        return found
    try:
        results = make_batch(engine, ledger, found.due, run, "site created without one")
    except BridgeError as error:
        found.trouble = error
        with ledger.transaction():
            await_records(ledger, {lack.site: view.now + IN_THE_MAKING for lack in found.due})
        return found
    found.results = {result.site: result.word for result in results}
    view.include(_mappings(results))
    return found


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
        await_records(ledger, dict.fromkeys(refused, now + _REFUSED_WAIT))
        journal.append(ledger, entries)
    return results
