"""The marks that the ledger keeps: a kind, what carries it (`name`), and when it was set (`since`).

`name` is a domain, unless the comment says otherwise; `since` is in seconds since the epoch.
"""

from __future__ import annotations

# What a person wants or we did, and the plan minds.
PIN = "pin"  # wanted at Closte, mapped or not (`domain add`)
LEAVING = "leaving"  # to be removed once nothing mentions it (`domain remove`)
RELEASED = "released"  # nobody's from then on (`domain release`)
FORMER = "former"  # a main domain that this network had before
REMOVED = "removed"  # removed by us lately: a late list may still show it
OF_PLANS = (PIN, LEAVING, RELEASED, FORMER, REMOVED)

# What the stages of mappings need.
GIVEN_UP_BEFORE = "given-up"  # the id of a mapping that Ultimate Multisite had given up before this engine took charge
WAS_DONE = "was-done"  # the id of a mapping that was "done" until this engine moved it backwards
MOVED_BACK = "moved-back"  # likewise, for the limit on how many are moved so in a day
REFUSED = "stage-refused"  # the key of a move that Ultimate Multisite has refused: tried again after a day
UNPROVEN = "stage-unproven"  # the key of a move whose test request did not come back: tried again after an hour
RECHECKED = "rechecked"  # looked at because a stage would move, whatever that told: not again within an hour
OF_MOVES = (MOVED_BACK, REFUSED, UNPROVEN, RECHECKED)
"""Those that nobody asks for after some days."""

# What sites need.
# The id of a site that waits for its domain record; `since` is when that is due.
RECORD_DUE = "record-due"  # an event shows its creation
RECORD_UNSEEN = "record-unseen"  # no event does
RECORD_MADE = "record-made"  # a record that was made for one of these, for the limit in a day; `since` is when
RECORD_HAD = "record-had"  # the id of a site newer than `highest_site` that had a record once
