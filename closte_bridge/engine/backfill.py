"""Create domain records for existing sites (`domain backfill`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from closte_bridge.engine import lock
from closte_bridge.engine.observation import refuse
from closte_bridge.engine.observe import observe
from closte_bridge.engine.pins import bound
from closte_bridge.engine.records import make_batch
from closte_bridge.planning.model import Mode
from closte_bridge.planning.records import MissingRecord, backfillable
from closte_bridge.wordpress.records import MOST_ASKED, MOST_RECORDS, make_records
from closte_bridge.wordpress.results import RecordOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.model import Authority
    from closte_bridge.wordpress.results import WriteResult


@dataclass(frozen=True, slots=True)
class BackfillCandidates:
    """Sites of any age without a record for which WordPress could create one."""

    network: str
    authority: Authority
    missing_records: tuple[MissingRecord, ...]


def find_candidates(engine: Engine, only: Collection[str] = ()) -> BackfillCandidates:
    """Return every site without a record (limited to the domains `only`, if given) that can have one. Changes nothing.

    Raises UnreadableError if WordPress could not be read completely.
    """
    with engine.opened(), observe(engine) as view:
        snapshot = view.complete_snapshot()
        missing_records = [
            missing_record for missing_record in backfillable(snapshot) if not only or missing_record.domain in only
        ]
        network, authority = snapshot.network.domain, view.authority
    return BackfillCandidates(network, authority, tuple(ask_wordpress(engine, missing_records)))


def ask_wordpress(engine: Engine, missing_records: list[MissingRecord]) -> list[MissingRecord]:
    """Return those of `missing_records` that WordPress would create: it knows shared domains, paths and filters.

    Raises UnreadableError if `wp` failed.
    """
    found: list[MissingRecord] = []
    for start in range(0, len(missing_records), MOST_ASKED):
        some = missing_records[start : start + MOST_ASKED]
        results = make_records(
            engine.settings.wp, engine.cost.wp, [missing_record.site for missing_record in some], really=False
        )
        found += [
            missing_record
            for missing_record, result in zip(some, results, strict=True)
            if result.result.outcome is RecordOutcome.MISSING
        ]
    return found


def backfill(
    engine: Engine,
    found: BackfillCandidates,
    command: str,
    on_step: Callable[[], None] = lambda: None,
) -> dict[int, WriteResult[RecordOutcome]]:
    """Create the records found by `find_candidates`, a few hundred per process; return the result of each site.

    Raises ReadOnlyError if this installation may not change the network, BridgeError if the lock is taken or `wp`
    failed. Records created before the error stay, and a repetition is safe.
    """
    refuse(found.authority, Mode.READ_ONLY)
    results: dict[int, WriteResult[RecordOutcome]] = {}
    run = os.urandom(4).hex()
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger = bound(engine)
        for start in range(0, len(found.missing_records), MOST_RECORDS):
            some = found.missing_records[start : start + MOST_RECORDS]
            for result in make_batch(engine, ledger, some, run, "backfill"):
                results[result.site] = result.result
                on_step()
    return results
