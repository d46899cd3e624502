"""Plan stage changes from check results. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.domain_state import SEEN_BY_ALL, dns_ok, is_settled
from closte_bridge.checks.model import DnsCode
from closte_bridge.checks.schedule import DAY, HOUR
from closte_bridge.domains import normalise
from closte_bridge.wordpress.stage import GIVEN_UP, Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.domain_state import CheckState
    from closte_bridge.wordpress.snapshot import Mapping

FAILURES_BEFORE_BACKWARDS = 3
BACKWARDS_AFTER = HOUR
# Without `done-without-ssl`: such a mapping works, and a user may have chosen it.
_IN_PROGRESS = frozenset({Stage.CHECKING_DNS, Stage.CHECKING_SSL, Stage.FAILED, Stage.SSL_FAILED})
_RECENT = 3600.0
# In any 24 hours, at most this number or this share of "done" mappings moves backwards. If more would, none does.
_MOST_BACKWARDS, _SHARE_BACKWARDS = 3, 0.10


class StageHoldCode(StrEnum):
    """Why a stage change is on hold."""

    BACKWARDS_LIMIT = "backwards-limit"  # too many mappings would leave "done"
    CONFLICT = "conflict"
    GIVEN_UP_BEFORE = "given-up-before"
    PROXY_UNPROVEN = "proxy-unproven"
    RECHECK_FIRST = "recheck-first"  # the last check is too old
    STAGE_REFUSED = "stage-refused"
    SWITCHED_OFF = "switched-off"


class NextStage(NamedTuple):
    """Stage to write to a mapping. `secure` is None if that flag stays."""

    stage: str
    secure: bool | None
    reason: str


class StageHoldReason(NamedTuple):
    """A stage change blocked by a rule; `reason` is for people."""

    code: StageHoldCode
    reason: str


class StageChange(NamedTuple):
    """Stage change of one mapping; `secure` is None if that flag stays.

    `prove`: the domain is behind a CDN, so checks cannot show whether the CDN points to this network. Ultimate
    Multisite's test request must reach this network before the stage changes. `back`: the mapping was "done" before
    closte-bridge moved it backwards, or stuck before adoption; it must not become a primary domain.
    """

    mapping: Mapping
    name: str
    stage: str
    secure: bool | None
    reason: str
    prove: bool = False
    back: bool = False

    @property
    def backwards(self) -> bool:
        """Return whether the mapping loses a stage that it had reached."""
        return self.mapping.stage == Stage.DONE or self.stage == Stage.CHECKING_DNS

    @property
    def key(self) -> str:
        """Return the key of this change for flags in the ledger."""
        return f"{self.mapping.id} {self.mapping.stage} {self.stage}"

    @property
    def seen_long_ago(self) -> StageHold:
        """Return the hold for a change without a check in the last hour."""
        return StageHold(
            self.name,
            StageHoldCode.RECHECK_FIRST,
            f"{self.reason}, but the last check is over an hour old; checking again first",
        )

    @property
    def too_many(self) -> StageHold:
        """Return the hold for a "done" mapping while too many others would move backwards."""
        reason = (
            f"{self.reason}, but too many domains failed at once, which suggests a problem on this machine; no stage "
            f'moves backwards if more than {_MOST_BACKWARDS} "done" mappings, or {_SHARE_BACKWARDS:.0%} of them, fail '
            "within 24 hours"
        )
        return StageHold(self.name, StageHoldCode.BACKWARDS_LIMIT, reason)

    @property
    def refused(self) -> StageHold:
        """Return the hold for a change that Ultimate Multisite rejected."""
        reason = f'{self.reason}, but Ultimate Multisite rejected "{self.stage}"; retrying in 24 hours'
        return StageHold(self.name, StageHoldCode.STAGE_REFUSED, reason)

    @property
    def unproven(self) -> StageHold:
        """Return the hold for a test request that did not reach this network."""
        reason = (
            "behind a CDN, and Ultimate Multisite's test request did not reach this network, so the CDN may still "
            f"point to another server; retrying every hour (`closte-bridge domain revive {self.name}` skips this test)"
        )
        return StageHold(self.name, StageHoldCode.PROXY_UNPROVEN, reason)


class StageHold(NamedTuple):
    """A mapping whose stage change is on hold."""

    name: str
    code: StageHoldCode
    reason: str


class StagePlan(NamedTuple):
    """Stage changes to make, and those on hold."""

    changes: tuple[StageChange, ...]
    holds: tuple[StageHold, ...]


def names_in_progress(mappings: Iterable[Mapping]) -> set[str]:
    """Return the domains of mappings that are not "done"."""
    return {name for mapping in mappings if mapping.stage != Stage.DONE and (name := name_of(mapping))}


def allowed_backwards(mappings: Iterable[Mapping], recent: int) -> int:
    """Return how many of `mappings` may leave "done" now, if `recent` have in the last 24 hours.

    A local network problem must not take a whole network offline.
    """
    done = sum(mapping.stage == Stage.DONE for mapping in mappings) + recent
    return max(0, max(_MOST_BACKWARDS, int(done * _SHARE_BACKWARDS)) - recent)


class StageContext(NamedTuple):
    """Facts that decide about stages, apart from checks. Times are in seconds since the epoch.

    `adopted`: the time of adoption. `given_up`: IDs of mappings that Ultimate Multisite had given up by then.
    `unproven`: keys of changes whose test request failed recently; `refused`: keys of rejected changes. `was_done`:
    IDs of mappings that closte-bridge moved backwards; they return to "done" without a test request, because a CDN's
    firewall may block it. `room`: how many may leave "done" (`allowed_backwards`). `contested`: domains mapped to
    several sites, with those sites.
    """

    now: float
    adopted: float
    given_up: Collection[int] = ()
    unproven: Collection[str] = ()
    refused: Collection[str] = ()
    was_done: Collection[int] = ()
    room: int = _MOST_BACKWARDS
    contested: MappingType[str, Collection[int]] = MappingProxyType({})


def plan_stages(
    mappings: Iterable[Mapping],
    check_states: MappingType[str, CheckState],
    context: StageContext,
    revive: Collection[str] = (),
) -> StagePlan:
    """Return the stage changes of `mappings` that follow from checks of the last hour.

    `revive`: domains that a user reactivates; they need no test request.
    """
    moves: list[tuple[StageChange, CheckState]] = []
    holds: list[StageHold] = []
    for mapping in mappings:
        name = name_of(mapping)
        check_state = check_states.get(name) if name else None
        if name is None or check_state is None:
            continue
        given_up = mapping.id in context.given_up
        move = next_stage(mapping, check_state, adopted=context.adopted, given_up=given_up, revive=name in revive)
        if isinstance(move, StageHoldReason):
            holds.append(StageHold(name, move.code, move.reason))
        elif move is not None:
            was_done, revived = mapping.id in context.was_done, name in revive
            prove = check_state.dns == DnsCode.PROXIED and move.stage == Stage.DONE and not (was_done or revived)
            back = was_done or not (revived or is_new(mapping, context.adopted))
            moves.append((StageChange(mapping, name, move.stage, move.secure, move.reason, prove, back), check_state))
    # All or nothing: if so many fail at once, the checks themselves are unreliable.
    too_many = sum(change.mapping.stage == Stage.DONE for change, _ in moves) > context.room
    # A user's request overrides an earlier rejection.
    requested = {change.key for change, _ in moves if change.name in revive}
    context = context._replace(refused=set(context.refused) - requested)
    decided = [(change, _on_hold(change, check_state, context, too_many=too_many)) for change, check_state in moves]
    holds += [hold for _, hold in decided if hold]
    return StagePlan(tuple(change for change, hold in decided if not hold), tuple(holds))


def _on_hold(
    change: StageChange, check_state: CheckState, context: StageContext, *, too_many: bool
) -> StageHold | None:
    """Return the hold of a change, or None. `seen_long_ago` comes last, because it alone triggers a new check.

    `too_many`: more mappings would leave "done" than are allowed.
    """
    sites = context.contested.get(change.name)
    if sites and not change.backwards and change.mapping.id not in context.was_done:
        # Each of the sites could make it its primary domain. A mapping that returns to "done" cannot.
        return StageHold(
            change.name, StageHoldCode.CONFLICT, f"mapped to several sites ({', '.join(map(str, sorted(sites)))})"
        )
    if change.prove and change.key in context.unproven:
        return change.unproven
    if change.mapping.stage == Stage.DONE and too_many:
        return change.too_many
    if change.key in context.refused:
        return change.refused
    return None if _checked_recently(check_state, context.now) else change.seen_long_ago


def _checked_recently(check_state: CheckState, now: float) -> bool:
    """Return whether the check is at most an hour old: the domain's site or stage may have changed since."""
    # A time in the future means that the clock was set back.
    return check_state.checked_at is not None and 0 <= now - check_state.checked_at <= _RECENT


def name_of(mapping: Mapping) -> str | None:
    """Return the normalised domain of the mapping, or None if it is invalid."""
    try:
        return normalise(mapping.domain)
    except ValueError:
        return None


def next_stage(
    mapping: Mapping, check_state: CheckState, *, adopted: float, given_up: bool = False, revive: bool = False
) -> NextStage | StageHoldReason | None:
    """Return the next stage change for a mapping, or None.

    `adopted` is the time of adoption. A mapping that Ultimate Multisite had given up before (`given_up`: found so at
    adoption) moves only with `revive`, because "done" can make it its site's primary domain. A mapping that is not
    `active` does not move. Reasons are clauses for people.
    """
    if check_state.checked_at is None:
        return None
    move = _forwards(mapping, check_state) or _backwards(mapping, check_state)
    if move is None:
        return None
    if not mapping.active:
        return StageHoldReason(StageHoldCode.SWITCHED_OFF, "this mapping is disabled in Ultimate Multisite")
    if mapping.stage in GIVEN_UP and not revive and (given_up or not _given_up_after(mapping, adopted)):
        return StageHoldReason(
            StageHoldCode.GIVEN_UP_BEFORE,
            "Ultimate Multisite had marked it as failed before the adoption; "
            f"run `closte-bridge domain revive {mapping.domain}` to see what would change",
        )
    return move


def _forwards(mapping: Mapping, check_state: CheckState) -> NextStage | None:
    if mapping.stage not in _IN_PROGRESS:
        return None
    if is_settled(check_state):
        return NextStage(Stage.DONE, True, "DNS is correct and the certificate is valid")
    if dns_ok(check_state) and mapping.stage in {Stage.CHECKING_DNS, Stage.FAILED}:
        return NextStage(Stage.CHECKING_SSL, None, "DNS is correct")
    return None


def _backwards(mapping: Mapping, check_state: CheckState) -> NextStage | None:
    """Return the move backwards after three failures over an hour, except for a domain that works.

    A certificate that fails only verification (an expired one, for example) moves nothing: the mapping would stop
    working, and closte-bridge reports the late renewal instead.
    """
    if mapping.stage not in {Stage.CHECKING_SSL, Stage.DONE} or check_state.serves:
        return None
    # From the first to the last failed check: an hour without checks proves nothing.
    lasted = (check_state.failed_at or 0.0) - (check_state.failing_since or 0.0)
    if check_state.failures < FAILURES_BEFORE_BACKWARDS or lasted < BACKWARDS_AFTER:
        return None
    if not check_state.points_here:
        return NextStage(Stage.CHECKING_DNS, False, f"DNS has been incorrect for over an hour ({check_state.dns})")
    if mapping.stage == Stage.DONE and check_state.tls in SEEN_BY_ALL:
        return NextStage(
            Stage.CHECKING_SSL, False, f"the certificate has been invalid for over an hour ({check_state.tls})"
        )
    return None


def is_new(mapping: Mapping, adopted: float) -> bool:
    """Return whether the mapping was created at most a day before the adoption; False without a readable date.

    An older mapping that is still in progress must not become its site's primary domain unexpectedly.
    """
    created = _moment(mapping.created)
    return created is not None and created > adopted - DAY


def _given_up_after(mapping: Mapping, adopted: float) -> bool:
    """Return whether Ultimate Multisite gave the mapping up after the adoption; False without a readable date."""
    modified = _moment(mapping.modified)
    return modified is not None and modified > adopted


def _moment(text: str | None) -> float | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
