"""Timestamped flags on domains, mappings or sites: `kind`, `name` and `since`.

`name` is a domain unless the comment says otherwise. `since` is when the flag was set, in seconds since the epoch.
"""

from __future__ import annotations

# User requests and recent changes, used by the planner.
PIN = "pin"  # kept on Closte, mapped or not (`domain add`)
LEAVING = "leaving"  # removed once nothing mentions it (`domain remove`)
RELEASED = "released"  # unmanaged (`domain release`)
FORMER = "former"  # a former main domain of this network
REMOVED = "removed"  # removed recently: an outdated list may still show it
OF_PLANS = (PIN, LEAVING, RELEASED, FORMER, REMOVED)

# Stages of mappings.
GIVEN_UP_BEFORE = "given-up"  # id of a mapping that Ultimate Multisite gave up before closte-bridge became the owner
WAS_DONE = "was-done"  # id of a mapping that was "done" until closte-bridge moved it back
MOVED_BACK = "moved-back"  # the same, for the daily limit of such moves
REFUSED = "stage-refused"  # key of a move that Ultimate Multisite refused: retried after a day
UNPROVEN = "stage-unproven"  # key of a move whose test request did not reach the network: retried after an hour
RECHECKED = "rechecked"  # checked because its stage would change: not again within an hour
OF_MOVES = (MOVED_BACK, REFUSED, UNPROVEN, RECHECKED)
"""Flags that are not needed after some days."""

# Checked since its state was published. Only domains that are published have it.
UNPUBLISHED = "unpublished"

# What `wp` wrote and visitors may not get yet. `name` is a domain; of the second, `since` is when to check it again.
STALE = "stale"
STALE_UNTIL = "stale-until"

# Missing domain records. `name` is the id of a site; of the first two, `since` is when the record is due.
RECORD_DUE = "record-due"  # an event shows its creation
RECORD_UNSEEN = "record-unseen"  # no event shows its creation
RECORD_MADE = "record-made"  # a record was made without such an event, for the daily limit
RECORD_HAD = "record-had"  # newer than `highest_site`, and had a record
