"""Delete mappings whose site does not exist (`domain prune`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.engine import lock
from closte_bridge.engine.observation import refuse
from closte_bridge.engine.pins import bound
from closte_bridge.engine.refresh import note_stale
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from closte_bridge.engine.engine import Engine
    from closte_bridge.planning.model import Authority
    from closte_bridge.wordpress.results import StageOutcome, WriteResult
    from closte_bridge.wordpress.snapshot import Mapping


class Orphans(NamedTuple):
    """The mappings whose site does not exist, and what this installation may change."""

    network: str
    authority: Authority
    rows: tuple[Mapping, ...]


def find_orphans(engine: Engine, only: Collection[str] = ()) -> Orphans:
    """Return the mappings without a site, limited to the domains `only` if given. Changes nothing.

    Raises UnreadableError if WordPress could not be read completely: a site may be missing in the read only.
    """
    from closte_bridge.engine.observe import observe  # noqa: PLC0415 - loaded when needed
    from closte_bridge.planning.stages import name_of  # noqa: PLC0415 - loaded when needed

    with engine.opened(), observe(engine) as view:
        snapshot = view.complete_snapshot()
        rows = [row for row in snapshot.mappings if row.blog_id not in snapshot.sites]
        return Orphans(
            snapshot.network.domain, view.authority, tuple(row for row in rows if not only or name_of(row) in only)
        )


def prune(
    engine: Engine, found: Orphans, command: str, on_step: Callable[[], None] = lambda: None
) -> dict[int, WriteResult[StageOutcome]]:
    """Delete these mappings through Ultimate Multisite, a few hundred per process; return the result of each ID.

    Changes nothing on Closte. Raises ReadOnlyError if this installation may not change the network, BridgeError if the
    lock is taken or `wp` failed: rows deleted before stay deleted, and a repetition is safe.
    """
    from closte_bridge.wordpress.prune import MOST_ROWS, delete_rows  # noqa: PLC0415 - loaded when needed

    refuse(found.authority, Mode.READ_ONLY, Mode.INACTIVE)
    results: dict[int, WriteResult[StageOutcome]] = {}
    run = os.urandom(4).hex()
    with lock.held(engine.settings.state_dir, command), engine.opened():
        ledger = bound(engine)
        for start in range(0, len(found.rows), MOST_ROWS):
            some = found.rows[start : start + MOST_ROWS]
            with ledger.transaction():
                note_stale(ledger, [row.domain for row in some], engine.clock.now())
            done = delete_rows(engine.settings.wp, engine.cost.wp, some)
            now = engine.clock.now()
            with ledger.transaction():
                entries = [
                    LogEntry(now, run, LogAction.PRUNE, row.domain, f"site {row.blog_id} does not exist", result.text)
                    for row, result in zip(some, done, strict=True)
                ]
                ledger_log.append(ledger, entries)
            results |= {row.id: result for row, result in zip(some, done, strict=True)}
            for _ in some:
                on_step()
    return results
