"""What an event of the shim proves. It is a hint with a reason, never an order."""

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
# The request that made the site is over when one of these is written.
CREATED = frozenset({"site_created", "site_duplicated"})
# Stands for more than anybody wrote down. Any name may have come back among it: no earlier event counts any more.
EVERYTHING = "everything"

# Of these the domain is a name that came into use, or came back: what was said of it before is over.
_TAKEN = frozenset({MAPPED, RENAMED, *CREATED})

# Kinds that say "look now" and prove nothing about a removal.
LOOK = frozenset(
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


def _names_given_up(event: Event) -> list[str]:
    if event.kind == REMOVED:
        return [event.domain]
    detail = json.loads(event.detail)
    names = [detail["from"]] if event.kind == RENAMED else detail["domains"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("names")
    return names


def understand(event: Event) -> tuple[dict[str, str], bool]:
    """Return the names that the event says were given up, each with the event's kind, and whether it made sense.

    The `www.` form goes with its name.
    """
    if event.kind in LOOK:
        return {}, True
    if event.kind not in {REMOVED, RENAMED, SITE_DELETED}:
        return {}, False
    try:
        names = [normalise(name) for name in _names_given_up(event)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}, False
    evidence = {}
    for name in names:
        evidence[name] = event.kind
        if www := www_of(name):
            evidence.setdefault(www, event.kind)
    return evidence, True


def declines_record(event: Event) -> bool:
    """Tell whether the event says that a site was made whose record somebody objected to in that moment."""
    if event.kind != "site_created" or not event.detail:
        return False
    try:
        detail = json.loads(event.detail)
    except (ValueError, RecursionError):
        return False
    return isinstance(detail, dict) and detail.get("record") is False


def taken(event: Event) -> list[str]:
    """Return the names that the event says came into use: no earlier event counts against them any more.

    What comes later must stand on its own: a name that is removed, mapped again and then missing was not given up.
    """
    if event.kind not in _TAKEN:
        return []
    try:
        name = normalise(event.domain)
    except ValueError:
        return []
    www = www_of(name)
    return [name, www] if www else [name]
