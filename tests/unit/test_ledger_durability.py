"""Commits that wait for the disk: intents wait, because a request follows; outcomes do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from closte_bridge.ledger.store import Ledger

NORMAL, FULL = 1, 2


@pytest.mark.parametrize(("durable", "expected"), [(True, FULL), (False, NORMAL)])
def test_transaction_waits_for_the_disk_if_durable(ledger: Ledger, durable: bool, expected: int) -> None:
    # The previous transaction must have no influence.
    with ledger.transaction(durable=not durable):
        pass
    with ledger.transaction(durable=durable):
        ledger.save(("able", "1.0"))
        assert ledger.query("PRAGMA synchronous") == [(expected,)]
    assert ledger.meta()["able"] == "1.0"
