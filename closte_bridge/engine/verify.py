"""Run due DNS, TLS and HTTP checks and update stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.domain_state import begin, learn
from closte_bridge.checks.model import NOWHERE, HttpCode
from closte_bridge.engine.checking import check_pool, diagnosed
from closte_bridge.engine.due import due_names, next_check, own_sites
from closte_bridge.engine.refresh import note_stale, refresh_after
from closte_bridge.engine.targets import Targets
from closte_bridge.errors import BridgeError
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import (
    GIVEN_UP_BEFORE,
    MOVED_BACK,
    OF_MOVES,
    RECHECKED,
    REFUSED,
    UNPROVEN,
    UNPUBLISHED,
    WAS_DONE,
)
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.ledger.meta import ADOPTED_AT
from closte_bridge.ledger.shim_status import save_addresses
from closte_bridge.ledger.state import DAY
from closte_bridge.planning.stages import (
    StageContext,
    StageHoldCode,
    StagePlan,
    allowed_backwards,
    names_in_progress,
    plan_stages,
)
from closte_bridge.wordpress.results import StageOutcome
from closte_bridge.wordpress.stage import GIVEN_UP, Stage
from closte_bridge.wordpress.writer import MOST_STAGES, StageMove, most_proofs, set_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.domain_state import CheckState
    from closte_bridge.checks.model import DomainCheck, Expected
    from closte_bridge.checks.silence import Silence
    from closte_bridge.engine.due import Due
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.desired import Desired
    from closte_bridge.planning.stages import StageChange
    from closte_bridge.wordpress.results import WriteResult
    from closte_bridge.wordpress.snapshot import CompleteSnapshot, Mapping, Snapshot

# Maximum number of domains checked per run; the next run checks the rest.
MOST_CHECKS = 1000
_PROVE_AGAIN = 3600.0
_RECHECK_AFTER = 3600.0
NO_STAGES = StagePlan((), ())


class StageResult(NamedTuple):
    """Result of a stage change."""

    name: str
    before: str
    after: str
    reason: str
    result: WriteResult[StageOutcome]


@dataclass(slots=True)
class CheckResults:
    """Results of checks and stage changes.

    `due_later` and `moves_later`: the numbers of checks and stage changes left for the next run. `proven`: `www.` forms
    that now point to the same address as their base domain; the next run adds them. `expiring`: domains whose
    certificate has expired or expires soon, each with its end in seconds since the epoch. `was_live` and `live`:
    whether visitors of each checked domain got the right site before, and get it now. `silence`: nothing answers this
    machine, so the checks of this run ended.
    """

    checked: dict[str, DomainCheck] = field(default_factory=dict)
    stages: StagePlan = NO_STAGES
    moved: list[StageResult] = field(default_factory=list)
    due_later: int = 0
    moves_later: int = 0
    proven: frozenset[str] = frozenset()
    expiring: list[tuple[str, float]] = field(default_factory=list)
    was_live: dict[str, bool] = field(default_factory=dict)
    live: dict[str, bool] = field(default_factory=dict)
    next_check: float | None = None
    silence: Silence | None = None
    trouble: BridgeError | None = None

    def note_silence(self, silence: Silence) -> None:
        """Note that nothing answers this machine."""
        self.silence = silence


def stages_of(
    ledger: Ledger,
    snapshot: Snapshot,
    desire: Desired,
    now: float,
    *,
    only: Collection[str] = (),
    revive: Collection[str] = (),
) -> StagePlan:
    """Return the stage changes at `now`, limited to the domains `only`, from the checks saved in the ledger."""
    managed = own_mappings(snapshot)
    known = {**check_states.load(ledger, names_in_progress(managed)), **check_states.failing(ledger)}
    if not known:
        return NO_STAGES
    # Plan for all domains, because the limit of moves backwards depends on their number.
    plan = stages_from(ledger, managed, known, desire, now, revive)
    return plan._replace(changes=tuple(c for c in plan.changes if c.name in only)) if only else plan


def own_mappings(snapshot: Snapshot) -> list[Mapping]:
    """Return the mappings of this network's sites."""
    own = own_sites(snapshot)
    return [mapping for mapping in snapshot.mappings if mapping.blog_id in own]


def stages_from(
    ledger: Ledger,
    mappings: Collection[Mapping],
    known: MappingType[str, CheckState],
    desire: Desired,
    now: float,
    revive: Collection[str] = (),
) -> StagePlan:
    """Return the stage changes at `now`, from these check states and the ledger's flags.

    `mappings` are all mappings of the network: how many may move backwards depends on how many are "done".
    """
    context = StageContext(
        now=now,
        adopted=ADOPTED_AT.of(ledger.meta()) or 0.0,
        given_up={int(id_) for id_ in _flagged(ledger, GIVEN_UP_BEFORE)},
        unproven=_flagged(ledger, UNPROVEN, now - _PROVE_AGAIN, now),
        refused=_flagged(ledger, REFUSED, now - DAY, now),
        was_done={int(id_) for id_ in _flagged(ledger, WAS_DONE)},
        room=allowed_backwards(mappings, len(_flagged(ledger, MOVED_BACK, now - DAY))),
        contested=desire.contested,
    )
    return plan_stages(mappings, known, context, revive)


def verify(
    engine: Engine,
    ledger: Ledger,
    view: Observation,
    run: str,
    *,
    only: Collection[str] = (),
    revive: Collection[str] = (),
    on_step: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> CheckResults:
    """Check the due domains (or the domains `only`, immediately), save the results, and update stages.

    An error (with `tls.ca_file`, or with `wp` while stages are written) is in the result; the next run tries again.
    """
    found = CheckResults()
    now = engine.clock.now()
    planned = partial(stages_of, ledger, view.snapshot, view.desire, only=only, revive=revive)
    due = due_names(ledger, view, only, now)
    found.due_later = max(0, len(due.names) - MOST_CHECKS)
    try:
        _check(engine, ledger, view, due.names[:MOST_CHECKS], found, on_step, should_stop)
        if snapshot := view.snapshot.complete:
            _forget(ledger, snapshot, due.gone, now)
        found.stages = planned(engine.clock.now())
        if not found.silence and (names := _to_recheck(ledger, found, only, now)):
            _check(engine, ledger, view, names, found, on_step, should_stop)
            with ledger.transaction():
                _renew_flags(ledger, RECHECKED, found.checked.keys() & set(names), now)
            found.stages = planned(engine.clock.now())
    except BridgeError as error:
        found.trouble = error
        return found
    _move(engine, ledger, view.snapshot, found, run)
    # Only now does WordPress serve them.
    _check(engine, ledger, view, _completed(found), found, lambda: None, should_stop)
    _log_live(ledger, found, run, now)
    _look_ahead(engine, ledger, view, due, found)
    return found


def _look_ahead(engine: Engine, ledger: Ledger, view: Observation, due: Due, found: CheckResults) -> None:
    """Note what the next run has to do, and the certificates that expire soon."""
    found.proven = (ledger.pointing_www() & view.desire.www.keys()) - view.ledger.pointing_www - view.observed.names
    expiring = due.idle.expiring if due.idle else check_states.expiring(ledger, engine.clock.now())
    # With checks disabled, old results may be outdated, because certificates are renewed.
    found.expiring = [(name, end) for name, end in expiring if engine.settings.checks or name in found.checked]
    # Checks that are left were due when this run began, and `watch` compares with that time. After a silence, all
    # checks wait for the next run.
    if not found.silence:
        found.next_check = view.now if found.due_later else next_check(ledger, due)


def _to_recheck(ledger: Ledger, found: CheckResults, only: Collection[str], now: float) -> list[str]:
    """Return the domains, limited to `only` if given, whose stage change needs a newer check."""
    outdated = dict.fromkeys(hold.name for hold in found.stages.holds if hold.code is StageHoldCode.RECHECK_FIRST)
    if not outdated:
        return []
    tried = found.checked.keys() | _flagged(ledger, RECHECKED, now - _RECHECK_AFTER, now)
    names = [name for name in outdated if name not in tried and (not only or name in only)]
    left = max(0, MOST_CHECKS - len(found.checked))
    found.due_later += max(0, len(names) - left)
    return names[:left]


def _forget(ledger: Ledger, snapshot: CompleteSnapshot, names: Collection[str], now: float) -> None:
    """Delete the check states of domains that are no longer needed, and the flags of deleted mappings."""
    was_done, given_up = _flagged(ledger, WAS_DONE), _flagged(ledger, GIVEN_UP_BEFORE)
    rows = {str(mapping.id): mapping.stage for mapping in snapshot.mappings} if was_done or given_up else {}
    with ledger.transaction():
        check_states.forget(ledger, names)
        ledger.clear_flag(WAS_DONE, was_done - rows.keys())
        # After its reactivation, a later failure counts as one after the adoption.
        ledger.clear_flag(GIVEN_UP_BEFORE, [id_ for id_ in given_up if rows.get(id_) not in GIVEN_UP])
        old = now - 7 * DAY
        ledger.write("DELETE FROM flags WHERE kind = ? AND since < ?", [(kind, old) for kind in OF_MOVES])


def _check(
    engine: Engine,
    ledger: Ledger,
    view: Observation,
    due: list[str],
    found: CheckResults,
    on_step: Callable[[], None],
    should_stop: Callable[[], bool],
) -> None:
    if not due:
        return
    targets = Targets(view.snapshot, view.desire, _completed(found))
    earlier = check_states.load(ledger, due)
    after: dict[str, CheckState] = {}
    interval = float(view.snapshot.settings.dns_check_interval)

    def save(checked: DomainCheck) -> None:
        check_state = earlier.get(checked.name) or begin(checked.at)
        after[checked.name] = learn(check_state, checked, interval=interval)
        found.checked[checked.name] = checked

    def save_and_step(checked: DomainCheck) -> None:
        save(checked)
        on_step()

    pool = check_pool(engine, view.snapshot, targets, should_stop=should_stop, on_silence=found.note_silence)
    expected = NOWHERE
    try:
        expected = pool.run(due, save_and_step)
        for checked in diagnosed(engine, targets, [found.checked[name] for name in after]):
            save(checked)
    finally:
        for name, check_state in after.items():
            found.was_live.setdefault(name, name in earlier and earlier[name].live)
            found.live[name] = check_state.live
        _save_checks(engine, ledger, found, after, expected, shim=view.snapshot.shim_table)


def _save_checks(
    engine: Engine,
    ledger: Ledger,
    found: CheckResults,
    after: dict[str, CheckState],
    expected: Expected,
    *,
    shim: bool,
) -> None:
    with ledger.transaction():
        check_states.save(ledger, after)
        if shim:
            ledger.set_flag(UNPUBLISHED, after, engine.clock.now())
        note_stale(ledger, [n for n in after if _looks_stale(found.checked[n])], engine.clock.now(), again=False)
        if expected.addresses and not (expected.shared and not engine.settings.dns.targets):
            # A CDN's addresses are of no use to customers.
            save_addresses(ledger, expected.addresses)


def _looks_stale(checked: DomainCheck) -> bool:
    """Return whether WordPress serves no site for a mapped domain: the web server may have cached an earlier state."""
    return checked.http is not None and checked.http.code is HttpCode.SIGN_UP


def _completed(found: CheckResults) -> list[str]:
    """Return the domains whose stage this run changed to "done"."""
    return [m.name for m in found.moved if m.after == Stage.DONE and m.result.outcome is StageOutcome.DONE]


def _log_live(ledger: Ledger, found: CheckResults, run: str, now: float) -> None:
    """Log the domains that became live, and those that are no longer live, with what their visitors get."""
    entries = []
    for name, live in sorted(found.live.items()):
        http = found.checked[name].http
        if live != found.was_live[name]:
            cause = f"visitors get: {http.code}" if http else "no valid HTTPS"
            entries.append(LogEntry(now, run, LogAction.CHECK, name, cause, "live" if live else "not live"))
    if entries:
        with ledger.transaction():
            ledger_log.append(ledger, entries)


def _move(engine: Engine, ledger: Ledger, snapshot: Snapshot, found: CheckResults, run: str) -> None:
    now = engine.clock.now()
    planned = found.stages.changes
    to_prove = [c for c in planned if c.prove][: most_proofs(engine.settings.wp)]
    changes = [*[c for c in planned if not c.prove][: MOST_STAGES - len(to_prove)], *to_prove]
    found.moves_later = len(planned) - len(changes)
    if not changes:
        return
    moves = [
        StageMove(c.mapping.id, c.mapping.domain, c.mapping.stage, c.stage, c.secure, c.back, c.prove) for c in changes
    ]
    _flag_before(ledger, changes, now)
    try:
        results = set_stages(engine.settings.wp, engine.cost.wp, moves)
    except BridgeError as error:
        found.trouble = error
        return
    _record_moves(ledger, [*zip(changes, results, strict=True)], found, run, now)
    if found.moved:
        refresh_after(engine, ledger, snapshot, found.moved)


def _record_moves(
    ledger: Ledger,
    answers: list[tuple[StageChange, WriteResult[StageOutcome]]],
    found: CheckResults,
    run: str,
    now: float,
) -> None:
    unproven = [c for c, result in answers if result.outcome is StageOutcome.UNPROVEN]
    holds = tuple(c.unproven for c in unproven)
    found.stages = StagePlan(tuple(c for c in found.stages.changes if c not in unproven), found.stages.holds + holds)
    answers = [(c, result) for c, result in answers if result.outcome is not StageOutcome.UNPROVEN]
    found.moved = [StageResult(c.name, c.mapping.stage, c.stage, c.reason, result) for c, result in answers]
    arrived = [str(c.mapping.id) for c, result in answers if _is_done(c, result)]
    # A stage that someone else changed during the run is not logged as a change by closte-bridge.
    logged = [move for move in found.moved if move.result.outcome is not StageOutcome.CHANGED]
    failed = {
        REFUSED: [c.key for c, result in answers if result.refused],
        UNPROVEN: [c.key for c in unproven],
    }
    with ledger.transaction():
        ledger.clear_flag(WAS_DONE, arrived)
        for kind, keys in failed.items():
            _renew_flags(ledger, kind, keys, now)
        ledger_log.append(
            ledger,
            [
                LogEntry(now, run, LogAction.STAGE, m.name, m.reason, m.result.text, f"{m.before} -> {m.after}")
                for m in logged
            ],
        )


def _flag_before(ledger: Ledger, changes: Collection[StageChange], now: float) -> None:
    """Flag mappings about to leave "done", and all domains that visitors may get stale, before writing.

    So the limit, the protection from becoming a primary domain, and the refresh survive a crash.
    """
    leaving = [str(c.mapping.id) for c in changes if c.mapping.stage == Stage.DONE]
    with ledger.transaction():
        note_stale(ledger, [c.name for c in changes], now)
        ledger.set_flag(WAS_DONE, leaving, now)
        _renew_flags(ledger, MOVED_BACK, leaving, now)


def _renew_flags(ledger: Ledger, kind: str, names: Collection[str], now: float) -> None:
    """Set flags with the time `now`, even if they are set already; inside a transaction."""
    ledger.clear_flag(kind, names)
    ledger.set_flag(kind, names, now)


def _flagged(ledger: Ledger, kind: str, since: float = 0.0, until: float = float("inf")) -> set[str]:
    """Return the names whose flag was set between two times, in seconds since the epoch."""
    rows = ledger.query("SELECT name FROM flags WHERE kind = ? AND since BETWEEN ? AND ?", kind, since, until)
    return {str(name) for (name,) in rows}


def _is_done(change: StageChange, result: WriteResult[StageOutcome]) -> bool:
    """Return whether the mapping is "done" after the change: it arrived there, or stayed there."""
    return change.stage == Stage.DONE if result.outcome is StageOutcome.DONE else change.mapping.stage == Stage.DONE
