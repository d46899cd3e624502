"""Interpret shim events. Events are evidence, never commands."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

from closte_bridge.domains import normalise, www_of

if TYPE_CHECKING:
    from closte_bridge.wordpress.snapshot import Event


class EventKind(StrEnum):
    """Kind of an event. The row of an event may hold any other text as well."""

    REMOVED = "mapping_removed"
    RENAMED = "mapping_renamed"
    SITE_DELETED = "site_deleted"
    MAPPED = "mapping_added"
    # The shim writes these two when the request that created the site has ended.
    SITE_CREATED = "site_created"
    SITE_DUPLICATED = "site_duplicated"
    SITE_MOVED = "site_moved"  # `domain` is the new address
    SITE_ARCHIVED = "site_archived"
    SITE_RESTORED = "site_restored"
    STAGE_CHANGED = "stage_changed"
    SETTINGS_CHANGED = "settings_changed"
    TOGGLE_CHANGED = "toggle_changed"
    # A person asks in WordPress: check this domain now, or retry its failed change now.
    CHECK = "check"
    RETRY = "retry"
    # Stands for unrecorded events. Any domain may be in use again, so no earlier event counts.
    EVERYTHING = "everything"


CREATED = frozenset({EventKind.SITE_CREATED, EventKind.SITE_DUPLICATED})

# The domain of these events came into use (again), so earlier events about it no longer count.
_IN_USE = frozenset({EventKind.MAPPED, EventKind.RENAMED, EventKind.SITE_MOVED, *CREATED})

# Only these events are evidence for a removal; the others trigger a sync.
_EVIDENCE = frozenset({EventKind.REMOVED, EventKind.RENAMED, EventKind.SITE_DELETED})
NO_EVIDENCE = frozenset(EventKind) - _EVIDENCE


def _removed_domains(event: Event) -> list[str]:
    if event.kind == EventKind.REMOVED:
        return [event.domain]
    detail = json.loads(event.detail)
    names = [detail["from"]] if event.kind == EventKind.RENAMED else detail["domains"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("names")
    return names


def understand(event: Event) -> tuple[dict[str, EventKind], bool]:
    """Return the domains that the event removed, each with the event's kind, and whether the event is valid.

    Each domain includes its `www.` form.
    """
    if event.kind in NO_EVIDENCE:
        return {}, True
    if event.kind not in _EVIDENCE:
        return {}, False
    try:
        names = [normalise(name) for name in _removed_domains(event)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}, False
    forms = (form for name in names for form in (name, www_of(name)) if form)
    return dict.fromkeys(forms, EventKind(event.kind)), True


def declines_record(event: Event) -> bool:
    """Return whether the event reports a new site whose record was declined at that moment."""
    if event.kind != EventKind.SITE_CREATED or not event.detail:
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
    return _with_www(event) if event.kind in _IN_USE else []


def requested(event: Event, kind: EventKind) -> list[str]:
    """Return the domains for which the event is a request of this kind: CHECK or RETRY."""
    return _with_www(event) if event.kind == kind else []


def _with_www(event: Event) -> list[str]:
    """Return the event's domain and its `www.` form; nothing for an invalid domain."""
    try:
        name = normalise(event.domain)
    except ValueError:
        return []
    www = www_of(name)
    return [name, www] if www else [name]
