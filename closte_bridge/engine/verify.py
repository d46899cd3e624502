"""Look at DNS and certificates of the domains that are due, and move their stages when something is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.life import DONE, EXPIRY_WARNING, begin, learn
from closte_bridge.domains import not_public
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import histories, journal
from closte_bridge.ledger.journal import Entry
from closte_bridge.ledger.store import DAY
from closte_bridge.planning.stages import StagePlan, names_to_know, plan_stages
from closte_bridge.wordpress.writer import MOST_STAGES, StageMove, set_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from closte_bridge.checks.life import History
    from closte_bridge.checks.model import Checked
    from closte_bridge.engine.view import Engine, View
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.stages import StageChange
    from closte_bridge.wordpress.snapshot import Snapshot

# One run looks at no more domains than this: the rest follows in the next.
MOST_CHECKS = 1000
# The mark of a mapping that was "done" until this engine moved it backwards.
WAS_DONE = "was-done"
# The mark of a move that Ultimate Multisite has refused: it is tried again after a day.
REFUSED = "stage-refused"
NO_STAGES = StagePlan((), ())


class Moved(NamedTuple):
    """A stage that was to move; `result` is `done`, `changed` or `refused …`."""

    name: str
    before: str
    after: str
    reason: str
    result: str


@dataclass(slots=True)
class Verified:
    """What looking came to. `due_later` and `moves_later` are how many more there are than one run looks at or moves.

    `proven` are `www.` forms that were seen to lead where their names lead: the next run adds them. `expiring` are the
    names whose certificate ends within 14 days or has ended, each with its end in seconds since the epoch.
    """

    checked: dict[str, Checked] = field(default_factory=dict)
    stages: StagePlan = NO_STAGES
    moved: list[Moved] = field(default_factory=list)
    due_later: int = 0
    moves_later: int = 0
    proven: frozenset[str] = frozenset()
    expiring: list[tuple[str, float]] = field(default_factory=list)
    next_look: float | None = None
    trouble: BridgeError | None = None


def watched_names(engine: Engine, view: View) -> set[str]:
    """Return every name whose DNS and certificate may matter: wanted ones, and `www.` forms that may be."""
    desire = view.desire(engine)
    own = _own_sites(view.snapshot)
    names = {name for name, mapping in desire.mapped.items() if mapping.blog_id in own}
    names.update([form for form, name in desire.www.items() if name in names], desire.configured, desire.pins)
    return names


def _own_sites(snapshot: Snapshot) -> set[int]:
    return {site.id for site in snapshot.sites.values() if site.network_id == snapshot.network.id}


def stages_of(ledger: Ledger, snapshot: Snapshot, revive: Collection[str] = ()) -> StagePlan:
    """Return which stages would move from what the ledger holds of earlier looks."""
    own = _own_sites(snapshot)
    ours = [mapping for mapping in snapshot.mappings if mapping.blog_id in own]
    known = {**histories.load(ledger, names_to_know(ours)), **histories.troubled(ledger)}
    adopted = float(ledger.meta().get("adopted_at", "0"))
    return plan_stages(ours, known, adopted=adopted, revive=revive) if known else NO_STAGES


def verify(
    engine: Engine,
    ledger: Ledger,
    view: View,
    run: str,
    *,
    only: Collection[str] = (),
    revive: Collection[str] = (),
    on_step: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Verified:
    """Check what is due (or `only` those names, at once), remember it, and move stages.

    Trouble (with `tls.ca_file`, or with `wp` while stages are written) is in the result and loses nothing: the next run
    does it again.
    """
    found = Verified()
    names = watched_names(engine, view)
    # One pass over what the ledger holds: there can be 200,000 names.
    due_at: dict[str, float] = {}
    now, gone = engine.clock.now(), []
    for name, next_look in histories.next_looks(ledger):
        if name not in names:
            gone.append(name)
        elif next_look <= now or only:
            due_at[name] = next_look
        else:
            names.discard(name)
    wanted = (name for name in names if (not only or name in only) and not not_public(name))
    due = sorted(wanted, key=lambda name: (due_at.get(name, 0.0), name))
    found.due_later = max(0, len(due) - MOST_CHECKS)
    try:
        _look(engine, ledger, view, due[:MOST_CHECKS], found, on_step, should_stop)
    except BridgeError as error:
        found.trouble = error
        return found
    if view.snapshot.complete:
        _forget(ledger, view.snapshot, gone, now)
    found.stages = stages_of(ledger, view.snapshot, revive)
    _move(engine, ledger, found, run)
    found.proven = (
        (ledger.leading_www() & view.desire(engine).www.keys()) - view.ledger.leading_www - view.observed.names
    )
    found.expiring = histories.expiring(ledger, now + EXPIRY_WARNING)
    # What is remembered of names that are not looked at any more is never due.
    looks = histories.next_looks(ledger) if gone else ()
    over = frozenset(gone)
    first = min((at for name, at in looks if name not in over), default=None) if gone else histories.first_look(ledger)
    found.next_look = now if found.due_later else first
    return found


def _forget(ledger: Ledger, snapshot: Snapshot, names: Collection[str], now: float) -> None:
    """Drop what is remembered of names that nobody wants any more, and of mappings that are gone."""
    marked = _was_done(ledger)
    rows = {mapping.id for mapping in snapshot.mappings} if marked else set()
    with ledger.transaction():
        histories.forget(ledger, names)
        ledger.unmark(WAS_DONE, [str(id_) for id_ in marked - rows])
        ledger.write("DELETE FROM marks WHERE kind = ? AND since < ?", [(REFUSED, now - 7 * DAY)])


def _look(
    engine: Engine,
    ledger: Ledger,
    view: View,
    due: list[str],
    found: Verified,
    on_step: Callable[[], None],
    should_stop: Callable[[], bool],
) -> None:
    if not due:
        return
    # DNS and TLS bring their libraries; a run in which nothing is due does not need them.
    from closte_bridge.checks.pool import Pool  # noqa: PLC0415 - see above

    earlier = histories.load(ledger, due)
    after: dict[str, History] = {}
    interval = float(view.snapshot.settings.dns_check_interval)

    def take(checked: Checked) -> None:
        history = earlier.get(checked.name) or begin(checked.at)
        after[checked.name] = learn(history, checked, interval=interval)
        found.checked[checked.name] = checked
        on_step()

    pool = Pool(
        main_domain=view.snapshot.network.domain,
        dns=engine.settings.dns,
        tls=engine.settings.tls,
        edges=engine.edges,
        now=engine.clock.now,
        should_stop=should_stop,
    )
    try:
        pool.run(due, take)
    finally:
        with ledger.transaction():
            histories.save(ledger, after)


def _move(engine: Engine, ledger: Ledger, found: Verified, run: str) -> None:
    now = engine.clock.now()
    refused = _refused(ledger, now)
    open_ones = [c for c in found.stages.changes if _move_id(c) not in refused]
    changes = open_ones[:MOST_STAGES]
    found.moves_later = len(open_ones) - len(changes)
    if not changes:
        return
    back = _was_done(ledger)
    moves = [
        StageMove(c.mapping.id, c.mapping.domain, c.mapping.stage, c.stage, c.secure, c.mapping.id in back)
        for c in changes
    ]
    # Before the first is written: killed in between, its return must make nothing a primary domain either.
    with ledger.transaction():
        ledger.mark(WAS_DONE, [str(c.mapping.id) for c in changes if c.mapping.stage == DONE], now)
    try:
        results = set_stages(engine.settings.wp, engine.cost.wp, moves)
    except BridgeError as error:
        found.trouble = error
        return
    found.moved = [
        Moved(c.name, c.mapping.stage, c.stage, c.reason, result) for c, result in zip(changes, results, strict=True)
    ]
    arrived = [str(c.mapping.id) for c, result in zip(changes, results, strict=True) if _is_done(c, result)]
    # What somebody else has moved meanwhile was not our doing: the next run sees what became of it.
    ours = [move for move in found.moved if move.result != "changed"]
    no = [_move_id(c) for c, result in zip(changes, results, strict=True) if result.startswith("refused")]
    with ledger.transaction():
        ledger.unmark(WAS_DONE, arrived)
        ledger.unmark(REFUSED, no)
        ledger.mark(REFUSED, no, now)
        journal.append(
            ledger,
            [Entry(now, run, "stage", m.name, m.reason, m.result, f"{m.before} -> {m.after}") for m in ours],
        )


def _move_id(change: StageChange) -> str:
    return f"{change.mapping.id} {change.mapping.stage} {change.stage}"


def _refused(ledger: Ledger, now: float) -> set[str]:
    """Return the moves that Ultimate Multisite has refused lately: they are not tried, nor told of, at every run."""
    rows = ledger.query("SELECT name FROM marks WHERE kind = ? AND since BETWEEN ? AND ?", REFUSED, now - DAY, now)
    return {str(name) for (name,) in rows}


def _is_done(change: StageChange, result: str) -> bool:
    """Tell whether a mapping is "done" after a move: it arrived there, or was not taken from there."""
    return change.stage == DONE if result == "done" else change.mapping.stage == DONE


def _was_done(ledger: Ledger) -> set[int]:
    """Return the ids of mappings that this engine has moved away from "done"."""
    return {int(name) for (name,) in ledger.query("SELECT name FROM marks WHERE kind = ?", WAS_DONE)}
