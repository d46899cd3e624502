"""Look at DNS and certificates of the domains that are due, and move their stages when something is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.life import begin, learn
from closte_bridge.domains import not_public
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import histories, journal
from closte_bridge.ledger.journal import Entry
from closte_bridge.planning.desired import desired, wanted_www
from closte_bridge.planning.stages import StagePlan, names_to_know, plan_stages
from closte_bridge.wordpress.writer import MOST_STAGES, StageMove, set_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from closte_bridge.checks.life import History
    from closte_bridge.checks.model import Checked
    from closte_bridge.engine.view import Engine, View
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Snapshot

# One run looks at no more domains than this: the rest follows in the next.
MOST_CHECKS = 1000
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
    """What looking came to. `due_later` is how many more were due than one run looks at."""

    checked: dict[str, Checked] = field(default_factory=dict)
    stages: StagePlan = NO_STAGES
    moved: list[Moved] = field(default_factory=list)
    due_later: int = 0
    next_look: float | None = None
    trouble: BridgeError | None = None


def watched_names(engine: Engine, view: View) -> set[str]:
    """Return every name whose DNS and certificate matter: wanted ones, and `www.` forms that may be."""
    snapshot = view.snapshot
    desire = desired(snapshot, engine.intentions(), view.ledger)
    own = _own_sites(snapshot)
    names = {name for name, mapping in desire.mapped.items() if mapping.blog_id in own}
    www = {form for form, name in wanted_www(desire, snapshot).items() if name in names}
    return {name for name in names | www | desire.configured | desire.pins if not not_public(name)}


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

    Trouble with `wp` while stages are written is in the result and loses nothing: the next run does it again.
    """
    found = Verified()
    names = watched_names(engine, view)
    known = histories.known(ledger)
    now = engine.clock.now()
    wanted = names & set(only) if only else {name for name in names if known.get(name, 0.0) <= now}
    due = sorted(wanted, key=lambda name: (known.get(name, 0.0), name))
    found.due_later = max(0, len(due) - MOST_CHECKS)
    _look(engine, ledger, view, due[:MOST_CHECKS], found, on_step, should_stop)
    if view.snapshot.complete:
        with ledger.transaction():
            histories.forget(ledger, known.keys() - names)
    found.stages = stages_of(ledger, view.snapshot, revive)
    _move(engine, ledger, found, run)
    found.next_look = min(histories.known(ledger).values(), default=None)
    return found


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
    changes = found.stages.changes[:MOST_STAGES]
    if not changes:
        return
    moves = [StageMove(c.mapping.id, c.mapping.domain, c.mapping.stage, c.stage, c.secure) for c in changes]
    try:
        results = set_stages(engine.settings.wp, engine.cost.wp, moves)
    except BridgeError as error:
        found.trouble = error
        return
    now = engine.clock.now()
    found.moved = [
        Moved(c.name, c.mapping.stage, c.stage, c.reason, result) for c, result in zip(changes, results, strict=True)
    ]
    with ledger.transaction():
        journal.append(
            ledger,
            [Entry(now, run, "stage", m.name, m.reason, m.result, f"{m.before} -> {m.after}") for m in found.moved],
        )
