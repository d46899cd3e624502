"""Plans as files: written for review, read back to be applied.

A plan file gives no rights: what it names is only done if a fresh plan, made from what both sides say then, wants the
same. So a file that was tampered with can at most leave something out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from closte_bridge.domains import normalise
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.planning.model import Action

if TYPE_CHECKING:
    from pathlib import Path

    from closte_bridge.engine.observation import Observation
    from closte_bridge.planning.model import Plan

KIND = "closte-bridge-plan"
VERSION = 1
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """The changes that a person reviewed, as (action, name), and the network that they are for."""

    network: str
    database: str
    changes: frozenset[tuple[str, str]]
    created: str


def document(plan: Plan, view: Observation) -> dict[str, Any]:
    """Return the plan as JSON data; removals that the gate withholds are in it, marked, to be reviewed."""
    changes = [
        {"action": change.action.value, "name": change.name, "cause": change.cause, "needs-approval": False}
        for change in plan.changes
    ]
    changes += [
        {"action": Action.REMOVE.value, "name": name, "cause": over_limit.removal_class.value, "needs-approval": True}
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
    """Write the plan for review: a reader sees the whole of it or nothing. Raises BridgeError."""
    try:
        write_whole(path, f"{json.dumps(document(plan, view), indent=1)}\n".encode())
    except OSError as error:
        raise BridgeError(
            f'The plan could not be written to "{path}" ({error.strerror}).',
            code="plan-file",
            hint="Choose another place with `--out=FILE`.",
        ) from None


def read(path: Path) -> ReviewedPlan:
    """Read a plan file back. Raises ConfigError when it cannot be read or is not one."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f'The plan file "{path}" cannot be read ({error.strerror}).',
            code="plan-file",
            hint="Make one with `closte-bridge plan --out=FILE`.",
        ) from None
    try:
        if len(raw) > _LARGEST:
            raise ValueError("too large")
        return _parse(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f'The file "{path}" is not a plan of closte-bridge, or it is damaged.',
            code="plan-file",
            hint="Make a new one with `closte-bridge plan --out=FILE`.",
        ) from None


def _parse(data: dict[str, Any]) -> ReviewedPlan:
    if data["kind"] != KIND or data["version"] != VERSION:
        raise ValueError("another kind")
    changes = set()
    for change in data["changes"]:
        name = str(change["name"])
        if normalise(name) != name:
            raise ValueError("name")
        changes.add((Action(change["action"]).value, name))
    return ReviewedPlan(str(data["network"]), str(data["database"]), frozenset(changes), str(data["created"]))
