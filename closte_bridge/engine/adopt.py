"""Adopt a network: explicit, confirmed ownership (rule 6)."""

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
from closte_bridge.ledger.log import LogAction, LogEntry
from closte_bridge.ledger.meta import (
    ADOPTED_AT,
    CONFIG_PATH,
    HIGHEST_MAPPING,
    HIGHEST_SITE,
    IDENTITY,
    LOCATION,
    OBSERVED_COUNT,
    REPORTS,
    WENT_BACK,
)
from closte_bridge.ledger.site_addresses import forget_addresses
from closte_bridge.ledger.state import AliasPhase, Identity
from closte_bridge.planning.additions import PlanContext, additions
from closte_bridge.planning.authority import possible_clone
from closte_bridge.planning.completeness import count
from closte_bridge.planning.desired import origin_of
from closte_bridge.planning.model import Mode
from closte_bridge.wordpress.snapshot import Owner
from closte_bridge.wordpress.stage import GIVEN_UP
from closte_bridge.wordpress.writer import set_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.observation import Access, Observation
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.planning.desired import Desired
    from closte_bridge.wordpress.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class AdoptionOffer:
    """What an adoption would change, for confirmation.

    `adoptable`: domains on Closte that the network needs and that would become managed; `unmanaged`: the others.
    `former`: the previous main domain of this ledger, if it differs. `changed`: differences which suggest that this
    network is a copy, as clauses. `settled`: the adoption would change nothing.
    """

    view: Observation
    access: Access
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
        """Return what the user confirms; other terms need another confirmation."""
        network = self.view.snapshot.network
        owner = self.owner.engine if self.owner else None
        bound = (network.domain, network.database, network.app_id, self.access.source, self.former)
        return (*bound, owner, self.changed, self.adoptable)


def _offer(engine: Engine, view: Observation) -> AdoptionOffer:
    if view.listing.key_rejected:
        raise key_rejected(view.key_source)
    if view.access is None or not view.observed.readable:
        raise UnreadableError(
            f"Could not read Closte's list: {view.observed.reason}",
            code="list-unreadable",
            hint="Adoption needs Closte's list. Find the cause with `closte-bridge integration test`.",
        )
    snapshot, ledger, desire = view.snapshot, view.ledger, view.desire
    settled = ledger.managed.keys() | ledger.unsettled.keys() | ledger.released
    own = snapshot.network.domain
    others = view.observed.names - settled - {own}
    adoptable = {name for name in others if _needed_here(name, desire, snapshot)}
    identity = ledger.identity
    changed = possible_clone(snapshot, ledger, engine.location())
    managed = identity is not None and snapshot.owner is not None and snapshot.owner.engine == identity.engine
    # A copy of the database also contains the engine ID of this installation.
    managed = managed and not changed
    return AdoptionOffer(
        view=view,
        access=view.access,
        adoptable=tuple(sorted(adoptable)),
        unmanaged=tuple(sorted(others - adoptable)),
        wanted=len(desire.mapped),
        owner=None if managed else snapshot.owner,
        former=identity.main_domain if identity and identity.main_domain != own else None,
        renewed=managed,
        changed=changed,
        settled=managed and not adoptable and snapshot.complete is not None and _in_order(engine, view),
    )


def _in_order(engine: Engine, view: Observation) -> bool:
    """Return whether an adoption would not change the permissions of this installation."""
    mode = view.authority.mode
    return mode is Mode.FULL or (mode is Mode.INACTIVE and view.ledger.location == engine.location())


def _needed_here(name: str, desire: Desired, snapshot: Snapshot) -> bool:
    """Return whether this network needs `name`. Mappings of other networks in the same WordPress do not count."""
    if name in desire.configured or name in desire.pins:
        return True
    base = name if name in desire.mapped else name.removeprefix(WWW)
    if base not in desire.mapped:
        return False
    sites = (snapshot.sites.get(blog) for blog in desire.contested.get(base, {desire.mapped[base].blog_id}))
    return all(site is not None and site.network_id == snapshot.network.id for site in sites)


def _refuse(engine: Engine, view: Observation, offer: AdoptionOffer, *, take_over: bool) -> None:
    # Only `faults`: adoption accepts a restored database.
    if view.snapshot.faults:
        raise UnreadableError(
            f"Could not read WordPress completely: {view.snapshot.faults[0]}.",
            code="snapshot-partial",
            hint="Run `wp db check`, then `closte-bridge adopt` again.",
        )
    environment = view.snapshot.network.environment
    if environment not in engine.settings.environments:
        raise ReadOnlyError(
            f'Could not adopt "{view.snapshot.network.domain}": WP_ENVIRONMENT_TYPE is "{environment}".',
            code="environment",
            hint=f"To allow it, add it to the config: `environments: [production, {environment}]`.",
        )
    if offer.changed and not take_over:
        raise ReadOnlyError(
            f"This looks like a staging copy: {'; '.join(offer.changed)}.",
            code="possible-clone",
            hint="If it is a copy, do not adopt it. "
            "If the live network moved here, run `closte-bridge adopt --take-over`.",
        )
    if offer.owner and not take_over:
        raise ReadOnlyError(
            f'Another closte-bridge installation, on "{offer.owner.host}", owns this network '
            f"(since {offer.owner.since}).",
            code="other-owner",
            hint="If that installation is no longer in use, run `closte-bridge adopt --take-over`.",
        )


def prepare_offer(engine: Engine, *, take_over: bool) -> AdoptionOffer:
    """Return what `adopt` would change now, without the lock: other runs continue while the user reads it.

    Raises the same errors as `adopt`.
    """
    with engine.opened(), observe(engine) as view:
        offer = _offer(engine, view)
        _refuse(engine, view, offer, take_over=take_over)
        return offer


def adopt(engine: Engine, *, take_over: bool, agree: Callable[[AdoptionOffer], bool], command: str) -> AdoptionOffer:
    """Read both sides, confirm with `agree`, then bind ledger and network; return the confirmed offer.

    `agree` raises to stop, and returns False if there is nothing to bind. The lock is held during the call, so ask the
    user before, with the result of `prepare_offer`.

    Raises ReadOnlyError if another installation is the owner or this may be a copy, UnreadableError if WordPress or
    Closte could not be read.
    """
    with lock.held(engine.settings.state_dir, command), engine.opened(), observe(engine) as view:
        offer = _offer(engine, view)
        _refuse(engine, view, offer, take_over=take_over)
        if not agree(offer):
            return offer
        owner = _bind_ledger(engine, engine.created_ledger(), offer)
        before = view.snapshot.owner.engine if view.snapshot.owner else None
        set_owner(engine.settings.wp, engine.cost.wp, expected=before, owner=owner)
        return offer


def _bind_ledger(engine: Engine, ledger: Ledger, offer: AdoptionOffer) -> Owner:
    """Commit identity, location and adopted domains, before WordPress records the owner and so allows changes."""
    view, now = offer.view, engine.clock.now()
    identity = _identity(offer)
    run = secrets.token_hex(4)
    with ledger.transaction():
        _bind_meta(engine, ledger, offer, identity, now)
        if view.ledger.clock_jumped:
            # The new clock values hide the jump from the next run.
            ledger.start_over(now)
        if not offer.renewed or view.snapshot.went_back or view.ledger.location != engine.location():
            # Evidence from before the adoption is unreliable: another installation may have owned the network.
            ledger.clear("absences", view.ledger.absences)
            ledger.clear("evidence", view.ledger.evidence)
            ledger.clear_flag(LEAVING, view.ledger.leaving)
        if offer.former:
            ledger.set_flag(FORMER, [offer.former], now)
        _forget_gone(engine, ledger, view, now, run)
        rows = [(name, origin_of(name, view.desire)) for name in offer.adoptable]
        ledger.put_aliases(rows, AliasPhase.PRESENT, now, adopted=True)
        cause, network = (f'taken over from "{offer.owner.host}"' if offer.owner else "adoption"), view.snapshot.network
        entries = [LogEntry(now, run, LogAction.ADOPT, name, "adoption", "done") for name in offer.adoptable]
        bind = LogEntry(now, run, LogAction.BIND, "", cause, "done", f'"{network.domain}"')
        ledger_log.append(ledger, [bind, *entries])
    return Owner(identity.engine, socket.gethostname(), datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"))


def _identity(offer: AdoptionOffer) -> Identity:
    network, known = offer.view.snapshot.network, offer.view.ledger.identity
    return Identity(
        # A copied ledger gets a new engine ID, so that the original installation notices.
        engine=known.engine if known and not offer.changed else uuid.uuid4().hex,
        network_id=network.id,
        main_domain=network.domain,
        database=network.database,
        app_id=network.app_id,
        key=offer.access.key.fingerprint(),
    )


def _bind_meta(engine: Engine, ledger: Ledger, offer: AdoptionOffer, identity: Identity, now: float) -> None:
    view, source = offer.view, engine.settings.source
    snapshot = view.snapshot
    since = ADOPTED_AT.of(ledger.meta())
    if since is None or not offer.renewed:
        # Mappings that failed before the adoption are not reactivated automatically; later ones are.
        since = now
        ledger.set_flag(GIVEN_UP_BEFORE, [str(m.id) for m in snapshot.mappings if m.stage in GIVEN_UP], now)
    ledger.save(
        IDENTITY.to(identity),
        LOCATION.to(engine.location()),
        CONFIG_PATH.to(str(source.absolute()) if source else None),
        HIGHEST_SITE.to(snapshot.highest_site),
        HIGHEST_MAPPING.to(snapshot.highest_mapping),
        OBSERVED_COUNT.to(count(view.observed.names, view.ledger)),
        REPORTS.to(snapshot.reports),
        WENT_BACK.to(None),
        ADOPTED_AT.to(since),
        *engine.clock.values(),
    )
    forget_addresses(ledger)


def _forget_gone(engine: Engine, ledger: Ledger, view: Observation, now: float, run: str) -> None:
    """Forget unneeded managed aliases missing from the list; otherwise it would count as incomplete forever."""
    missing = view.ledger.managed.keys() - view.observed.names - view.ledger.added_lately
    context = PlanContext(view.snapshot, view.observed, view.ledger, engine.policy(), view.desire, now, retry=False)
    adds = additions(context)
    coming = {change.name for change in adds.changes} | {hold.name for hold in adds.holds if hold.until}
    gone = sorted(missing - coming)
    ledger.forget(gone)
    ledger_log.append(
        ledger, [LogEntry(now, run, LogAction.FORGET, name, "adoption", "no longer on Closte") for name in gone]
    )
