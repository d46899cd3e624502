"""Which mappings move to another stage in Ultimate Multisite, from what was proven of their domains. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks.life import StageHold, next_stage
from closte_bridge.domains import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Mapping as MappingType

    from closte_bridge.checks.life import History
    from closte_bridge.wordpress.snapshot import Mapping

DONE = "done"


class StageChange(NamedTuple):
    """One mapping that moves; `secure` is None when that flag stays."""

    mapping: Mapping
    name: str
    stage: str
    secure: bool | None
    reason: str


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


def plan_stages(
    mappings: Iterable[Mapping],
    histories: MappingType[str, History],
    *,
    adopted: float,
    revive: Collection[str] = (),
) -> StagePlan:
    """Return what follows for the stages of `mappings`.

    `adopted` is when this engine took charge, in seconds since the epoch; `revive` names those that a person brings
    back although Ultimate Multisite had given them up before.
    """
    changes: list[StageChange] = []
    holds: list[StageHeld] = []
    for mapping in mappings:
        name = _name(mapping)
        history = histories.get(name) if name else None
        if name is None or history is None:
            continue
        move = next_stage(mapping, history, adopted=adopted, revive=name in revive)
        if isinstance(move, StageHold):
            holds.append(StageHeld(name, move.code, move.reason))
        elif move is not None:
            changes.append(StageChange(mapping, name, move.stage, move.secure, move.reason))
    return StagePlan(tuple(changes), tuple(holds))


def _name(mapping: Mapping) -> str | None:
    try:
        return normalise(mapping.domain)
    except ValueError:
        return None
