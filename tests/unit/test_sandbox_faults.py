from __future__ import annotations

import pytest

from closte_bridge.errors import ConfigError
from tests.support.sandbox.faults import Fault, FaultKind, FaultPicker


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("slow", Fault(FaultKind.SLOW)),
        ("429:0.25", Fault(FaultKind.TOO_MANY, 0.25)),
        ("lost:1:3", Fault(FaultKind.LOST, 1, 3)),
        ("lost::3@Shop.example.org", Fault(FaultKind.LOST, 1, 3, "shop.example.org")),
        ("mixed:0", Fault(FaultKind.MIXED, 0)),
    ],
)
def test_fault_is_parsed_and_formatted(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert Fault.parse(str(fault)) == fault


@pytest.mark.parametrize(
    "text", ["", "fire", "slow:2", "slow:-1", "slow:x", "slow:1:x", "slow:1:1:1", "slow:nan", "slow:1:-1"]
)
def test_invalid_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="KIND") as caught:
        Fault.parse(text)
    assert "error500" in caught.value.hint


def test_same_seed_gives_the_same_faults() -> None:
    faults = [Fault(FaultKind.SLOW, 0.3), Fault(FaultKind.MIXED, 0.5)]
    throws = [
        [dice.pick("add") for _ in range(50)]
        for dice in (FaultPicker(faults, 7), FaultPicker(faults, 7), FaultPicker(faults, 8))
    ]
    assert throws[0] == throws[1] != throws[2]


def test_fault_occurs_with_its_probability() -> None:
    dice = FaultPicker([Fault(FaultKind.SLOW, 0.3)], seed=1)
    hits = sum(dice.pick("add") is FaultKind.SLOW for _ in range(2000))
    assert 500 < hits < 700
    assert FaultPicker([Fault(FaultKind.SLOW, 0)]).pick("add") is None
    assert FaultPicker().pick("list") is None


def test_fault_occurs_a_limited_number_of_times() -> None:
    dice = FaultPicker([Fault(FaultKind.LOST, times=2), Fault(FaultKind.SLOW, times=1)])
    assert [dice.pick("add") for _ in range(4)] == [FaultKind.LOST, FaultKind.LOST, FaultKind.SLOW, None]


def test_fault_applies_to_its_domain_only() -> None:
    dice = FaultPicker([Fault(FaultKind.RESET, domain="bad.example.org")])
    assert dice.pick("add", "bad.example.org") is FaultKind.RESET
    assert dice.pick("add", "good.example.org") is None
    assert dice.pick("list") is None


def test_list_fault_applies_to_lists_only() -> None:
    dice = FaultPicker([Fault(FaultKind.LIST_EMPTY)])
    assert dice.pick("add") is None
    assert dice.pick("list") is FaultKind.LIST_EMPTY


def test_mixed_gives_every_applicable_fault() -> None:
    dice = FaultPicker([Fault(FaultKind.MIXED)], seed=1)
    changes = {dice.pick("add") for _ in range(500)}
    lists = {dice.pick("list") for _ in range(1000)}
    assert {FaultKind.LOST, FaultKind.RESET, FaultKind.TOO_MANY, FaultKind.DRIP} <= changes
    assert {FaultKind.LIST_SHRUNK, FaultKind.LIST_NO_OWN, FaultKind.LIST_HIDDEN} <= lists
    assert not any(kind is None or kind.only_lists or kind is FaultKind.MIXED for kind in changes)


def test_sample_drops_some_and_keeps_the_order() -> None:
    names = [str(number) for number in range(10)]
    left = FaultPicker(seed=1).sample(names, 0.3)
    assert len(left) == 7
    assert left == sorted(left)
    assert FaultPicker(seed=1).sample(["only"], 0.01) == []
    assert FaultPicker(seed=1).sample([], 0.5) == []
