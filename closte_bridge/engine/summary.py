"""The summary of a network for people in WordPress, at most 4 KB as JSON: codes and numbers, few sentences. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from closte_bridge import __version__
from closte_bridge.engine.status import runner_of
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport
    from closte_bridge.engine.states import Counts
    from closte_bridge.planning.model import OverLimit

MOST_SUMMARY = 4000
_MOST_NAMES = 50
_MODES = {
    Mode.FULL: "normal",
    Mode.ADD_ONLY: "add-only",
    Mode.READ_ONLY: "read-only",
    Mode.INACTIVE: "inactive",
}
_URGENT = ("mode", "reason", "version", "owner")


def summary_of(
    engine: Engine,
    meta: dict[str, str],
    report: RunReport,
    before: Mapping[str, Any],
    counts: Counts | None,
    *,
    began: float,
) -> dict[str, Any]:
    """Return the summary after a run. Without `counts`, those of the summary `before` stay."""
    now, authority = engine.clock.now(), report.plan.authority
    owner = report.view.snapshot.owner
    runner = runner_of(engine, meta, now)
    found = {
        "at": int(now),
        "counts": counts.views if counts else before.get("counts", {}),
        "phases": counts.phases if counts else before.get("phases", {}),
        "last_run": {
            "at": int(now),
            "outcome": report.exit_code.name.lower().replace("_", "-"),
            "seconds": round(max(0.0, now - began), 1),
        },
        "next_run": int(runner.expected(now)),
        "how": runner.schedule or "unknown",
        "mode": _MODES[authority.mode],
        "reason": authority.code,
        "reason_text": authority.reason[:300],
        "owner": {"host": owner.host, "since": owner.since} if owner else {},
        "version": __version__,
        "approval": [_approval(over) for over in report.plan.over_limit],
    }
    return _bounded(found)


def _approval(over: OverLimit) -> dict[str, Any]:
    return {
        "rule": over.removal_class.value,
        "domains": [*over.names[:_MOST_NAMES]],
        "more": max(0, len(over.names) - _MOST_NAMES),
        "digest": over.digest,
        "command": f"closte-bridge sync --allow-removals={over.digest}",
    }


def _bounded(summary: dict[str, Any]) -> dict[str, Any]:
    """Drop domains that need approval from the lists, until the summary has its maximum size."""
    lists = summary["approval"]
    while len(json.dumps(summary)) > MOST_SUMMARY and any(one["domains"] for one in lists):
        longest = max(lists, key=lambda one: len(one["domains"]))
        longest["domains"].pop()
        longest["more"] += 1
    return summary


def is_urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether people have to see the difference before the next heartbeat."""
    if any(before.get(key) != after[key] for key in _URGENT):
        return True
    return [one.get("digest") for one in before.get("approval", [])] != [one["digest"] for one in after["approval"]]
