"""Which mappings move to another stage in Ultimate Multisite, from what was proven of their domains. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
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
# `done-without-ssl` is not here: it works, and a person may have chosen it.
_ON_THE_WAY = frozenset({Stage.CHECKING_DNS, Stage.CHECKING_SSL, Stage.FAILED, Stage.SSL_FAILED})
# Why a mapping that is done and seems to be wrong stays so.
TOO_MANY = "backwards-limit"
# Why a mapping stays that would move on what was seen too long ago: its name is looked at first.
RECHECK_FIRST = "recheck-first"
_SEEN_LATELY = 3600.0
# In any 24 hours so many of those that are done go backwards, or this share of them if it is more; where more would,
# none goes.
_MOST_BACKWARDS, _SHARE_BACKWARDS = 3, 0.10


class NextStage(NamedTuple):
    """What is to be written to a mapping. `secure` is None when it stays as it is."""

    stage: str
    secure: bool | None
    reason: str


class StageHoldReason(NamedTuple):
    """A stage that would move but for a rule; `code` is stable, `reason` for people."""

    code: str
    reason: str


class StageChange(NamedTuple):
    """One mapping that moves; `secure` is None when that flag stays.

    `prove`: the name is behind a CDN, so that nothing seen from outside tells whether the CDN leads to this network;
    Ultimate Multisite's own test request has to come back before the mapping moves. `back`: it was "done" before this
    engine moved it backwards, or forgotten before this engine took charge, so that nothing becomes a primary domain.
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
        """Tell whether it is taken from what it had reached."""
        return self.mapping.stage == Stage.DONE or self.stage == Stage.CHECKING_DNS

    @property
    def key(self) -> str:
        """Return what tells this move from any other, for marks in the ledger."""
        return f"{self.mapping.id} {self.mapping.stage} {self.stage}"

    @property
    def seen_long_ago(self) -> StageHold:
        """Return the hold for a move that nothing seen in the last hour speaks for."""
        return StageHold(
            self.name, RECHECK_FIRST, f"{self.reason}, as was seen more than an hour ago: a new look decides"
        )

    @property
    def too_many(self) -> StageHold:
        """Return the hold for one that is done while many others went backwards."""
        reason = (
            f"{self.reason}, but of so many at once, which is most likely what this machine sees and visitors do not; "
            f"where more than {_MOST_BACKWARDS}, or {_SHARE_BACKWARDS:.0%} of those that are done, would go backwards "
            "within 24 hours, none goes"
        )
        return StageHold(self.name, TOO_MANY, reason)

    @property
    def refused(self) -> StageHold:
        """Return the hold for a move that Ultimate Multisite did not take."""
        reason = f'{self.reason}, but Ultimate Multisite did not take "{self.stage}": it is tried again after a day'
        return StageHold(self.name, "stage-refused", reason)

    @property
    def unproven(self) -> StageHold:
        """Return the hold for a test request that did not come back."""
        reason = (
            "it is behind a CDN, and Ultimate Multisite's test request through it did not come back to this network: "
            "the CDN may still lead to another server; it is tried again every hour, and "
            f"`closte-bridge domain revive {self.name}` moves it all the same"
        )
        return StageHold(self.name, "proxy-unproven", reason)


class StageHold(NamedTuple):
    """One mapping that would move but for a rule."""

    name: str
    code: str
    reason: str


class StagePlan(NamedTuple):
    """What moves and what is held back."""

    changes: tuple[StageChange, ...]
    holds: tuple[StageHold, ...]


def names_to_know(mappings: Iterable[Mapping]) -> set[str]:
    """Return the names whose history decides about a stage: those that have not arrived."""
    return {name for mapping in mappings if mapping.stage != Stage.DONE and (name := name_of(mapping))}


def room_backwards(mappings: Iterable[Mapping], lately: int) -> int:
    """Return how many of `mappings` may leave "done" now, when so many have `lately`, in the last 24 hours.

    One broken view from outside must not take a whole network's domains away.
    """
    done = sum(mapping.stage == Stage.DONE for mapping in mappings) + lately
    return max(0, max(_MOST_BACKWARDS, int(done * _SHARE_BACKWARDS)) - lately)


class StageContext(NamedTuple):
    """What decides about stages beside what was seen. Times are in seconds since the epoch.

    `adopted` is when this engine took charge; `given_up` are the ids of mappings that Ultimate Multisite had given up
    by then; `unproven` the keys of moves whose proof has failed lately, `refused` of those that were not taken;
    `was_done` the ids of those that this engine had moved backwards: they only return to what they were, and a CDN's
    firewall must not keep them from it. `room` is how many may leave "done" (`room_backwards`); `contested` are names
    with the sites that claim them.
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
    histories: MappingType[str, CheckState],
    around: StageContext,
    revive: Collection[str] = (),
) -> StagePlan:
    """Return what follows for the stages of `mappings` from what was seen in the last hour.

    `revive` names those that a person brings back all the same.
    """
    moves: list[tuple[StageChange, CheckState]] = []
    holds: list[StageHold] = []
    for mapping in mappings:
        name = name_of(mapping)
        check_state = histories.get(name) if name else None
        if name is None or check_state is None:
            continue
        given_up = mapping.id in around.given_up
        move = next_stage(mapping, check_state, adopted=around.adopted, given_up=given_up, revive=name in revive)
        if isinstance(move, StageHoldReason):
            holds.append(StageHold(name, move.code, move.reason))
        elif move is not None:
            was_done, revived = mapping.id in around.was_done, name in revive
            prove = check_state.dns == DnsCode.PROXIED and move.stage == Stage.DONE and not (was_done or revived)
            back = was_done or not (revived or is_new(mapping, around.adopted))
            moves.append((StageChange(mapping, name, move.stage, move.secure, move.reason, prove, back), check_state))
    # All or none: who sees so many wrong sees wrongly, and the next day's first few would be no better founded.
    crowd = sum(change.mapping.stage == Stage.DONE for change, _ in moves) > around.room
    # What a person asks for by name is tried again.
    asked = {change.key for change, _ in moves if change.name in revive}
    around = around._replace(refused=set(around.refused) - asked)
    judged = [(change, _held(change, check_state, around, crowd=crowd)) for change, check_state in moves]
    holds += [held for _, held in judged if held]
    return StagePlan(tuple(change for change, held in judged if not held), tuple(holds))


def _held(change: StageChange, check_state: CheckState, around: StageContext, *, crowd: bool) -> StageHold | None:
    """Return what keeps a change back for now. The need for another look comes last: it alone makes one.

    `crowd`: more would leave "done" than there is room for.
    """
    sites = around.contested.get(change.name)
    if sites and not change.backwards and change.mapping.id not in around.was_done:
        # Nobody knows whose it is, and each site that it is done for may make it its primary domain. One that returns
        # does not.
        return StageHold(change.name, "conflict", f"sites {', '.join(map(str, sorted(sites)))} claim it")
    if change.prove and change.key in around.unproven:
        return change.unproven
    if change.mapping.stage == Stage.DONE and crowd:
        return change.too_many
    if change.key in around.refused:
        return change.refused
    return None if _seen_lately(check_state, around.now) else change.seen_long_ago


def _seen_lately(check_state: CheckState, now: float) -> bool:
    """Tell whether it was seen so within the hour: the name may be another site's since, or the stage a person's."""
    # A time in the future is one that the clock has taken back.
    return check_state.checked_at is not None and 0 <= now - check_state.checked_at <= _SEEN_LATELY


def name_of(mapping: Mapping) -> str | None:
    """Return the name that is mapped in its one spelling, or None when it is no host name."""
    try:
        return normalise(mapping.domain)
    except ValueError:
        return None


def next_stage(
    mapping: Mapping, check_state: CheckState, *, adopted: float, given_up: bool = False, revive: bool = False
) -> NextStage | StageHoldReason | None:
    """Return what follows for the mapping's stage from what is proven, or None when it is right as it is.

    `adopted` is when this engine took charge. A mapping that Ultimate Multisite had given up before (`given_up`: it
    was seen so at that time) only moves with `revive`, because reaching `done` can make it its site's primary domain.
    One that a person has switched off (`active`) does not move at all. The reason of a move is a sentence's part for
    people.
    """
    if check_state.checked_at is None:
        return None
    move = _forwards(mapping, check_state) or _backwards(mapping, check_state)
    if move is None:
        return None
    if not mapping.active:
        return StageHoldReason("switched-off", "somebody has switched this mapping off in Ultimate Multisite")
    if mapping.stage in GIVEN_UP and not revive and (given_up or not _given_up_after(mapping, adopted)):
        return StageHoldReason(
            "given-up-before",
            "Ultimate Multisite had given it up before this engine took charge; "
            f"`closte-bridge domain revive {mapping.domain}` says what would change",
        )
    return move


def _forwards(mapping: Mapping, check_state: CheckState) -> NextStage | None:
    if mapping.stage not in _ON_THE_WAY:
        return None
    if is_settled(check_state):
        return NextStage(Stage.DONE, True, "DNS and the certificate are right")
    if dns_ok(check_state) and mapping.stage in {Stage.CHECKING_DNS, Stage.FAILED}:
        return NextStage(Stage.CHECKING_SSL, None, "DNS is right")
    return None


def _backwards(mapping: Mapping, check_state: CheckState) -> NextStage | None:
    """Three failures over an hour, and never a domain that serves.

    A certificate that only does not verify (expired, say) moves nothing: the mapping would stop to work altogether, and
    a late renewal is reported instead.
    """
    if mapping.stage not in {Stage.CHECKING_SSL, Stage.DONE} or check_state.serves:
        return None
    # From the first failure to the last: an hour in which nobody looked proves nothing.
    lasted = (check_state.failed_at or 0.0) - (check_state.failing_since or 0.0)
    if check_state.failures < FAILURES_BEFORE_BACKWARDS or lasted < BACKWARDS_AFTER:
        return None
    if not check_state.points_here:
        return NextStage(Stage.CHECKING_DNS, False, f"DNS has been wrong for over an hour ({check_state.dns})")
    if mapping.stage == Stage.DONE and check_state.tls in SEEN_BY_ALL:
        return NextStage(
            Stage.CHECKING_SSL, False, f"the certificate has been wrong for over an hour ({check_state.tls})"
        )
    return None


def is_new(mapping: Mapping, adopted: float) -> bool:
    """Tell whether the mapping was made after adoption, or in the day before; without a readable date it was not.

    An older one that is still on its way was forgotten, and nobody expects it to become its site's primary domain.
    """
    created = _moment(mapping.created)
    return created is not None and created > adopted - DAY


def _given_up_after(mapping: Mapping, adopted: float) -> bool:
    """Tell whether Ultimate Multisite gave the mapping up after adoption; without a readable date it did not."""
    modified = _moment(mapping.modified)
    return modified is not None and modified > adopted


def _moment(text: str | None) -> float | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
