"""Interpret shim events. Events are evidence, never commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from closte_bridge.domains import normalise, www_of

if TYPE_CHECKING:
    from closte_bridge.wordpress.snapshot import Event

REMOVED = "mapping_removed"
RENAMED = "mapping_renamed"
SITE_DELETED = "site_deleted"
MAPPED = "mapping_added"
# The shim writes these when the request that created the site has ended.
CREATED = frozenset({"site_created", "site_duplicated"})
# Stands for unrecorded events. Any domain may be in use again, so no earlier event counts.
EVERYTHING = "everything"

# The domain of these events came into use (again), so earlier events about it no longer count.
_IN_USE = frozenset({MAPPED, RENAMED, *CREATED})

# These events trigger a sync and are no evidence for a removal.
NO_EVIDENCE = frozenset(
    {
        MAPPED,
        *CREATED,
        "site_archived",
        "site_restored",
        "stage_changed",
        "settings_changed",
        "toggle_changed",
        EVERYTHING,
    }
)


def _removed_domains(event: Event) -> list[str]:
    if event.kind == REMOVED:
        return [event.domain]
    detail = json.loads(event.detail)
    names = [detail["from"]] if event.kind == RENAMED else detail["domains"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("names")
    return names


def understand(event: Event) -> tuple[dict[str, str], bool]:
    """Return the domains that the event removed, each with the event's kind, and whether the event is valid.

    Each domain includes its `www.` form.
    """
    if event.kind in NO_EVIDENCE:
        return {}, True
    if event.kind not in {REMOVED, RENAMED, SITE_DELETED}:
        return {}, False
    try:
        names = [normalise(name) for name in _removed_domains(event)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}, False
    evidence = {}
    for name in names:
        evidence[name] = event.kind
        if www := www_of(name):
            evidence.setdefault(www, event.kind)
    return evidence, True


def declines_record(event: Event) -> bool:
    """Return whether the event reports a new site whose record was declined at that moment."""
    if event.kind != "site_created" or not event.detail:
        return False
    try:
        detail = json.loads(event.detail)
    except (ValueError, RecursionError):
        return False
    return isinstance(detail, dict) and detail.get("record") is False


def taken(event: Event) -> list[str]:
    """Return the domains that came into use with the event: no earlier event counts against them.

    A later removal needs its own evidence: a domain that is removed, mapped again and then missing has none.
    """
    if event.kind not in _IN_USE:
        return []
    try:
        name = normalise(event.domain)
    except ValueError:
        return []
    www = www_of(name)
    return [name, www] if www else [name]
