"""Which mappings move to another stage in Ultimate Multisite, from what was proven of their domains. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.life import StageHold, next_stage
from closte_bridge.checks.model import DnsCode
from closte_bridge.domains import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.life import History
    from closte_bridge.wordpress.snapshot import Mapping

DONE = "done"
# The mark in the ledger of a mapping (by its id) that Ultimate Multisite had given up before this engine took charge.
GIVEN_UP_BEFORE = "given-up"
# Why a mapping that is done and seems to be wrong stays so.
TOO_MANY = "backwards-limit"
# In any 24 hours so many of those that are done go backwards, or this share of them if it is more.
_MOST_BACKWARDS, _SHARE_BACKWARDS = 3, 0.10


class StageChange(NamedTuple):
    """One mapping that moves; `secure` is None when that flag stays.

    `prove`: the name is behind a CDN, so that nothing seen from outside tells whether the CDN leads to this network;
    Ultimate Multisite's own test request has to come back before the mapping moves. `back`: it was "done" before this
    engine moved it backwards, so that its return makes nothing a primary domain.
    """

    mapping: Mapping
    name: str
    stage: str
    secure: bool | None
    reason: str
    prove: bool = False
    back: bool = False

    @property
    def key(self) -> str:
        """Return what tells this move from any other, for marks in the ledger."""
        return f"{self.mapping.id} {self.mapping.stage} {self.stage}"

    @property
    def too_many(self) -> StageHeld:
        """Return the hold for one that is done while many others went backwards."""
        reason = (
            f"{self.reason}, but of so many at once, which is most likely what this machine sees and visitors do not; "
            f"at most {_MOST_BACKWARDS}, or {_SHARE_BACKWARDS:.0%} of those that are done, go backwards in 24 hours"
        )
        return StageHeld(self.name, TOO_MANY, reason)

    @property
    def unproven(self) -> StageHeld:
        """Return the hold for a test request that did not come back."""
        reason = (
            "it is behind a CDN, and Ultimate Multisite's test request through it did not come back to this network: "
            "the CDN may still lead to another server; it is tried again every hour, and "
            f"`closte-bridge domain revive {self.name}` moves it all the same"
        )
        return StageHeld(self.name, "proxy-unproven", reason)


class StageHeld(NamedTuple):
    """One mapping that would move but for a rule."""

    name: str
    code: str
    reason: str


class StagePlan(NamedTuple):
    """What moves and what is held back."""

    changes: tuple[StageChange, ...]
    holds: tuple[StageHeld, ...]


def names_to_know(mappings: Iterable[Mapping]) -> set[str]:
    """Return the names whose history decides about a stage: those that have not arrived."""
    return {name for mapping in mappings if mapping.stage != DONE and (name := _name(mapping))}


def room_backwards(mappings: Iterable[Mapping], lately: int) -> int:
    """Return how many of `mappings` may leave "done" now, when so many have `lately`, in the last 24 hours.

    One broken view from outside must not take a whole network's domains away.
    """
    done = sum(mapping.stage == DONE for mapping in mappings) + lately
    return max(0, max(_MOST_BACKWARDS, int(done * _SHARE_BACKWARDS)) - lately)


def plan_stages(
    mappings: Iterable[Mapping],
    histories: MappingType[str, History],
    *,
    adopted: float,
    given_up: Collection[int] = (),
    unproven: Collection[str] = (),
    was_done: Collection[int] = (),
    room: int = _MOST_BACKWARDS,
    revive: Collection[str] = (),
) -> StagePlan:
    """Return what follows for the stages of `mappings`.

    `adopted` is when this engine took charge, in seconds since the epoch; `given_up` are the ids of mappings that
    Ultimate Multisite had given up by then; `unproven` the keys of moves whose proof has failed lately;
    `was_done` the ids of those that this engine had moved backwards: they only return to what they were, and a CDN's
    firewall must not keep them from it; `room` is how many may leave "done" (`room_backwards`). `revive` names those
    that a person brings back all the same.
    """
    changes: list[StageChange] = []
    holds: list[StageHeld] = []
    for mapping in mappings:
        name = _name(mapping)
        history = histories.get(name) if name else None
        if name is None or history is None:
            continue
        move = next_stage(mapping, history, adopted=adopted, given_up=mapping.id in given_up, revive=name in revive)
        if isinstance(move, StageHold):
            holds.append(StageHeld(name, move.code, move.reason))
        elif move is not None:
            back = mapping.id in was_done
            prove = history.dns == DnsCode.PROXIED and move.stage == DONE and name not in revive and not back
            change = StageChange(mapping, name, move.stage, move.secure, move.reason, prove, back)
            if prove and change.key in unproven:
                holds.append(change.unproven)
            elif mapping.stage == DONE and room <= 0:
                holds.append(change.too_many)
            else:
                room -= mapping.stage == DONE
                changes.append(change)
    return StagePlan(tuple(changes), tuple(holds))


def _name(mapping: Mapping) -> str | None:
    try:
        return normalise(mapping.domain)
    except ValueError:
        return None
