"""Bind this engine to a network: on purpose, visibly, and never over another engine unasked (rule 6)."""

from __future__ import annotations

import secrets
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from closte_bridge.domains import WWW
from closte_bridge.engine import lock
from closte_bridge.engine.apply import key_rejected
from closte_bridge.engine.observe import observe
from closte_bridge.errors import ReadOnlyError, UnreadableError
from closte_bridge.ledger import log as ledger_log
from closte_bridge.ledger.flags import FORMER, GIVEN_UP_BEFORE, LEAVING
from closte_bridge.ledger.log import LogEntry
from closte_bridge.ledger.state import AliasPhase, Identity
from closte_bridge.ledger.store import Ledger
from closte_bridge.planning.additions import PlanContext, additions
from closte_bridge.planning.authority import possible_clone
from closte_bridge.planning.completeness import count
from closte_bridge.planning.desired import desired, origin_of
from closte_bridge.planning.model import Mode
from closte_bridge.wordpress.snapshot import Owner
from closte_bridge.wordpress.stage import GIVEN_UP
from closte_bridge.wordpress.writer import set_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class AdoptionOffer:
    """What adoption would do, to be shown before it is agreed to.

    `adoptable` are names at Closte that the network wants and that would be ours from then on; `foreign` are those
    that stay a stranger's. `former` is the main domain that this ledger was bound to before, if another; `changed`
    what else is other than it was then, where this may be a copy. `settled`: all of it is so already.
    """

    view: Observation
    adoptable: tuple[str, ...]
    unmanaged: tuple[str, ...]
    wanted: int
    owner: Owner | None
    former: str | None
    renewed: bool
    changed: tuple[str, ...] = ()
    settled: bool = False

    @property
    def terms(self) -> tuple[object, ...]:
        """Return what a person agrees to: for other terms they are to be asked again."""
        network = self.view.snapshot.network
        owner = self.owner.engine if self.owner else None
        bound = (network.domain, network.database, network.app_id, self.view.key_source, self.former)
        return (*bound, owner, self.changed, self.adoptable)


def _offer(engine: Engine, view: Observation) -> AdoptionOffer:
    snapshot, ledger = view.snapshot, view.ledger
    desire = desired(snapshot, engine.policy(), ledger)
    settled = ledger.managed.keys() | ledger.unsettled.keys() | ledger.released
    own = snapshot.network.domain
    strangers = view.observed.names - settled - {own}
    adoptable = {name for name in strangers if _wanted_here(name, desire, snapshot)}
    identity = ledger.identity
    changed = possible_clone(snapshot, ledger, engine.location())
    managed = identity is not None and snapshot.owner is not None and snapshot.owner.engine == identity.engine
    # With its database, a copy has our name, too.
    managed = managed and not changed
    return AdoptionOffer(
        view=view,
        adoptable=tuple(sorted(adoptable)),
        unmanaged=tuple(sorted(strangers - adoptable)),
        wanted=len(desire.mapped),
        owner=None if managed else snapshot.owner,
        former=identity.main_domain if identity and identity.main_domain != own else None,
        renewed=managed,
        changed=changed,
        settled=managed and not adoptable and snapshot.complete and _in_order(engine, view),
    )


def _in_order(engine: Engine, view: Observation) -> bool:
    """Tell whether adoption would change nothing about what this engine may do."""
    mode = view.authority.mode
    return mode is Mode.FULL or (mode is Mode.INACTIVE and view.ledger.location == engine.location())


def _wanted_here(name: str, desire: Desired, snapshot: Snapshot) -> bool:
    """Tell whether this network wants `name`: what only another one of the installation maps is its engine's."""
    if name in desire.configured or name in desire.pins:
        return True
    base = name if name in desire.mapped else name.removeprefix(WWW)
    if base not in desire.mapped:
        return False
    sites = (snapshot.sites.get(blog) for blog in desire.contested.get(base, {desire.mapped[base].blog_id}))
    return all(site is not None and site.network_id == snapshot.network.id for site in sites)


def _refuse(engine: Engine, view: Observation, offer: AdoptionOffer, *, take_over: bool) -> None:
    if view.listing.key_rejected:
        raise key_rejected()
    if not view.observed.readable:
        raise UnreadableError(
            f"Closte's list could not be read: {view.observed.reason}",
            code="list-unreadable",
            hint="Adoption needs to see what is there. Try `closte-bridge integration test`.",
        )
    # Its own faults alone: that the database went back in time is what adoption accepts.
    if view.snapshot.faults:
        raise UnreadableError(
            f"WordPress could not be read completely: {view.snapshot.faults[0]}.",
            code="snapshot-partial",
            hint="Run `wp db check`, then adopt again.",
        )
    environment = view.snapshot.network.environment
    if environment not in engine.settings.environments:
        raise ReadOnlyError(
            f'WP_ENVIRONMENT_TYPE is "{environment}": such a network is not adopted.',
            code="environment",
            hint=f"If it is meant, add it to the config: `environments: [production, {environment}]`.",
        )
    if offer.changed and not take_over:
        raise ReadOnlyError(
            f"This may be a copy of the network: {'; '.join(offer.changed)}.",
            code="possible-clone",
            hint="If it is one, leave it so. If the network itself has moved, run `closte-bridge adopt --take-over`.",
        )
    if offer.owner and not take_over:
        raise ReadOnlyError(
            f'Another engine, on "{offer.owner.host}" since {offer.owner.since}, is in charge of this network.',
            code="other-owner",
            hint="Run `closte-bridge adopt --take-over` if that one is out of use.",
        )


def prepare_offer(engine: Engine, *, take_over: bool) -> AdoptionOffer:
    """Return what `adopt` would bind now, without the lock: no run has to wait while a person reads it.

    Raises what `adopt` does.
    """
    with engine.opened(), observe(engine) as view:
        offer = _offer(engine, view)
        _refuse(engine, view, offer, take_over=take_over)
        return offer


def adopt(engine: Engine, *, take_over: bool, agree: Callable[[AdoptionOffer], bool], command: str) -> AdoptionOffer:
    """Look, have it agreed to, then bind ledger and network; return what was agreed to.

    `agree` raises to stop, and returns False when there is nothing to bind. The lock is held meanwhile: a person is
    to be asked before, about what `offered` returns.

    Raises ReadOnlyError when another engine is in charge or this may be a copy, UnreadableError when a side could not
    be read.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened(), observe(engine) as view:
        offer = _offer(engine, view)
        _refuse(engine, view, offer, take_over=take_over)
        if not agree(offer):
            return offer
        if engine.ledger is None:
            engine.ledger = Ledger.open(engine.settings.state_dir, create=True)
        assert engine.ledger is not None  # noqa: S101 - created above
        owner = _bind_ledger(engine, engine.ledger, offer)
        before = view.snapshot.owner.engine if view.snapshot.owner else None
        set_owner(engine.settings.wp, engine.cost.wp, expected=before, owner=owner)
        return offer


def _bind_ledger(engine: Engine, ledger: Ledger, offer: AdoptionOffer) -> Owner:
    """Commit identity, place and adopted names, before the network names the owner: until then nothing is allowed."""
    view, now = offer.view, engine.clock.now()
    network = view.snapshot.network
    known = view.ledger.identity
    identity = Identity(
        # Not the name of the engine that this ledger may have been copied from: it is to notice.
        engine=known.engine if known and not offer.changed else uuid.uuid4().hex,
        network_id=network.id,
        main_domain=network.domain,
        database=network.database,
        app_id=network.app_id,
        key=view.key.fingerprint(),
    )
    desire = desired(view.snapshot, engine.policy(), view.ledger)
    run = secrets.token_hex(4)
    since = ledger.meta().get("adopted_at")
    given_up = [str(m.id) for m in view.snapshot.mappings if m.stage in GIVEN_UP]
    with ledger.transaction():
        if since is None or not offer.renewed:
            # Whatever Ultimate Multisite gives up from now on comes alive by itself, and nothing of before.
            since = repr(now)
            ledger.set_flag(GIVEN_UP_BEFORE, given_up, now)
        ledger.set_identity(identity)
        ledger.set_place(engine.location())
        source = engine.settings.source
        ledger.set_meta(
            config_path=str(source.absolute()) if source else None,
            highest_site=str(view.snapshot.highest_site),
            highest_mapping=str(view.snapshot.highest_mapping),
            observed_count=str(count(view.observed.names, view.ledger)),
            reports="{} {}".format(*view.snapshot.reports) if view.snapshot.reports else None,
            went_back=None,
            adopted_at=since,
            **engine.clock.meta(),
        )
        if view.ledger.clock_jumped:
            # The clock's marks below hide the jump from the next run.
            ledger.start_over(now)
        if not offer.renewed or view.snapshot.went_back or view.ledger.location != engine.location():
            # Nobody knows what was in use while another engine was in charge, or another copy of this ledger.
            ledger.clear("absences", view.ledger.absences)
            ledger.clear("evidence", view.ledger.evidence)
            ledger.clear_flag(LEAVING, view.ledger.leaving)
        if offer.former:
            ledger.set_flag(FORMER, [offer.former], now)
        _forget_gone(engine, ledger, view, desire, now, run)
        rows = [(name, origin_of(name, desire)) for name in offer.adoptable]
        ledger.put_aliases(rows, AliasPhase.PRESENT, now, adopted=True)
        entries = [LogEntry(now, run, "adopt", name, "adoption", "done") for name in offer.adoptable]
        cause = f'taken over from "{offer.owner.host}"' if offer.owner else "adoption"
        ledger_log.append(ledger, [LogEntry(now, run, "bind", "", cause, "done", f'"{network.domain}"'), *entries])
    return Owner(identity.engine, socket.gethostname(), datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"))


def _forget_gone(engine: Engine, ledger: Ledger, view: Observation, desire: Desired, now: float, run: str) -> None:
    """Forget managed aliases that the list lacks and that no run adds: it would be found wanting for them for ever."""
    lacking = view.ledger.managed.keys() - view.observed.names - view.ledger.added_lately
    context = PlanContext(view.snapshot, view.observed, view.ledger, engine.policy(), desire, now, retry=False)
    adds = additions(context)
    coming = {change.name for change in adds.changes} | {hold.name for hold in adds.holds if hold.until}
    gone = sorted(lacking - coming)
    ledger.forget(gone)
    ledger_log.append(ledger, [LogEntry(now, run, "forget", name, "adoption", "no longer at Closte") for name in gone])
