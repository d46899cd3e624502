"""What each name is said to be, and what is to be done about it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine.inventory import inventory, next_step, stands_first
from closte_bridge.planning.desired import Intentions
from closte_bridge.planning.model import Mode, Standing
from tests.support.looks import (
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_snapshot,
    missing,
    partial,
    told,
)

if TYPE_CHECKING:
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.inventory import Known
    from closte_bridge.engine.view import View
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.planning.model import Observed
    from closte_bridge.wordpress.snapshot import Snapshot

FULL = Standing(Mode.FULL)
OFF = Standing(Mode.INACTIVE, "integration-off", "the integration is switched off", "Switch it on.")
MOVED = Standing(Mode.ADD_ONLY, "moved", "it was bound elsewhere", "Adopt it here.")
NOBODYS = Standing(Mode.READ_ONLY, "not-adopted", "nobody is in charge", "Adopt it.")


def known(
    snapshot: Snapshot,
    observed: Observed,
    ledger: LedgerState,
    *,
    standing: Standing = FULL,
    **config: Any,  # noqa: ANN401 - any field of the intentions
) -> dict[str, Known]:
    plan = a_plan(snapshot, observed, ledger, standing=standing, config=config)
    engine = cast("Engine", SimpleNamespace(intentions=lambda: Intentions(**config)))
    view = cast("View", SimpleNamespace(snapshot=snapshot, observed=observed, ledger=ledger))
    return {one.name: one for one in inventory(engine, view, plan)}


def test_an_engine_that_only_adds_has_nothing_in_step_that_it_would_remove() -> None:
    ledger = a_ledger("x.com", absences={"x.com": missing()})
    one = known(a_snapshot(), a_list("x.com"), ledger, standing=MOVED)["x.com"]
    assert (one.state, one.reason) == ("held", "it was bound elsewhere")


@pytest.mark.parametrize(
    ("observed", "state"),
    [(a_list(), "gone"), (partial(), "unknown"), (UNREADABLE, "unknown")],
    ids=["complete", "partial", "unreadable"],
)
def test_what_is_ours_and_neither_there_nor_wanted_is_gone_where_the_list_tells(observed: Observed, state: str) -> None:
    ledger = a_ledger("kept.com")
    found = known(a_snapshot("a.com"), observed, ledger, keep=("kept.com",))
    assert found["kept.com"].state == state
    assert found["kept.com"].reason == "`keep` in the config"
    kept = next_step(found["kept.com"], FULL)
    assert ("`closte-bridge domain add`" in kept) is (state == "gone")
    assert ("Closte's list does not tell" in kept) is (state == "unknown")


def test_what_is_gone_and_that_nobody_asks_for_is_forgotten() -> None:
    one = known(a_snapshot("a.com"), a_list("a.com"), a_ledger("a.com", "x.com"))["x.com"]
    assert (one.state, one.at_closte) == ("gone", False)
    assert next_step(one, FULL) == "Nothing: `closte-bridge sync` forgets it."
    assert stands_first(one, FULL)


@pytest.mark.parametrize("standing", [OFF, NOBODYS], ids=["off", "read-only"])
def test_what_no_sync_does_as_things_stand_is_not_promised(standing: Standing) -> None:
    ledger = a_ledger("old.com", *(f"stay{n}.com" for n in range(5)), evidence={"old.com": told()})
    snapshot = a_snapshot("new.com", *(f"stay{n}.com" for n in range(5)))
    found = known(snapshot, a_list(*ledger.ours), ledger, standing=standing)
    assert [found[name].state for name in ("new.com", "old.com")] == ["to add", "to remove"]
    for name in ("new.com", "old.com"):
        first, rest = standing.reason[0].upper(), standing.reason[1:]
        assert next_step(found[name], standing) == f"{first}{rest}. {standing.hint}"
        assert stands_first(found[name], standing)
    assert next_step(found["stay0.com"], standing) == "Nothing: both sides agree."
    # With the same names and nothing in the way it is as promised.
    assert next_step(found["new.com"], FULL) == "Nothing: the next `closte-bridge sync` adds it."
    assert not stands_first(found["new.com"], FULL)


def test_holds_that_come_of_the_standing_have_its_remedy() -> None:
    ledger = a_ledger("x.com", absences={"x.com": missing()})
    for standing in (MOVED, OFF):
        one = known(a_snapshot(), a_list("x.com"), ledger, standing=standing)["x.com"]
        assert one.state == "held"
        assert next_step(one, standing).endswith(f". {standing.hint}")
