"""Plan files: write a plan for review, read it back to apply it.

A plan file grants no rights: its changes are made only if a fresh plan contains them as well. A manipulated file can
therefore only omit changes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from closte_bridge.domains import normalise
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.hosting import Action

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.model import Plan

KIND = "closte-bridge-plan"
VERSION = 1
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """The reviewed changes, as (action, domain), and their network."""

    network: str
    database: str
    changes: frozenset[tuple[str, str]]
    created: str


class PlannedChange(TypedDict):
    """A change in a plan file."""

    action: str
    name: str
    cause: str
    needs_approval: bool


class PlanDocument(TypedDict):
    """The content of a plan file. `created` is ISO 8601, UTC."""

    kind: str
    version: int
    network: str
    database: str
    created: str
    changes: list[PlannedChange]


def document(plan: Plan, view: Observation) -> PlanDocument:
    """Return the plan as JSON data, including removals that need approval."""
    changes: list[PlannedChange] = [
        {"action": change.action.value, "name": change.name, "cause": change.cause, "needs_approval": False}
        for change in plan.changes
    ]
    changes += [
        {"action": Action.REMOVE.value, "name": name, "cause": over_limit.removal_class.value, "needs_approval": True}
        for over_limit in plan.over_limit
        for name in over_limit.names
    ]
    return {
        "kind": KIND,
        "version": VERSION,
        "network": view.snapshot.network.domain,
        "database": view.snapshot.network.database,
        "created": datetime.fromtimestamp(view.now, UTC).isoformat(timespec="seconds"),
        "changes": changes,
    }


def write(path: Path, plan: Plan, view: Observation) -> None:
    """Write the plan atomically for review. Raises BridgeError."""
    try:
        write_whole(path, f"{json.dumps(document(plan, view), indent=1)}\n".encode())
    except OSError as error:
        raise BridgeError(
            f'Could not write the plan to "{path}" ({error.strerror}).',
            code="plan-file",
            hint="Choose a writable location with `--out=FILE`.",
        ) from None


def read(path: Path) -> ReviewedPlan:
    """Read a plan file. Raises ConfigError if it cannot be read or is invalid."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f'Could not read the plan file "{path}" ({error.strerror}).',
            code="plan-file",
            hint="Create one with `closte-bridge plan --out=FILE`.",
        ) from None
    try:
        if len(raw) > _LARGEST:
            raise ValueError("too large")
        return _parse(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f'"{path}" is not a valid closte-bridge plan.',
            code="plan-file",
            hint="Create a new one with `closte-bridge plan --out=FILE`.",
        ) from None


def _parse(data: PlanDocument) -> ReviewedPlan:
    if data["kind"] != KIND or data["version"] != VERSION:
        raise ValueError("another kind")
    changes = set()
    for change in data["changes"]:
        name = str(change["name"])
        if normalise(name) != name:
            raise ValueError("name")
        changes.add((Action(change["action"]).value, name))
    return ReviewedPlan(str(data["network"]), str(data["database"]), frozenset(changes), str(data["created"]))
