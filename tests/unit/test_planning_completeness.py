from __future__ import annotations

import ast

import pytest

from closte_bridge.hosting import Completeness, Listing
from closte_bridge.ledger.state import AliasPhase, Origin
from closte_bridge.planning.completeness import assess_list, count
from closte_bridge.planning.desired import DomainPolicy
from closte_bridge.planning.removals import InferenceBasis, infer
from tests.support.check_states import MAIN, NOW, a_ledger, a_list, a_snapshot, partial, waiting_for
from tests.support.parts import REPOSITORY


def listing(*names: str, state: Completeness = Completeness.COMPLETE, reason: str = "") -> Listing:
    return Listing(state, reason, frozenset(names))


def names(number: int) -> list[str]:
    return [f"n{n}.com" for n in range(number)]


def test_list_with_every_managed_alias_is_complete() -> None:
    observed = assess_list(listing(MAIN, "a.com"), MAIN, a_ledger("a.com", observed_count=2))
    assert (observed.state, observed.names, observed.reason) == (Completeness.COMPLETE, frozenset({MAIN, "a.com"}), "")


def test_unreadable_list_is_empty_and_states_its_reason() -> None:
    observed = assess_list(listing("a.com", state=Completeness.UNREADABLE, reason="Garbage."), MAIN, a_ledger())
    assert (observed.state, observed.names, observed.reason) == (Completeness.UNREADABLE, frozenset(), "Garbage.")
    assert not observed.readable


def test_partial_list_keeps_its_domains() -> None:
    observed = assess_list(listing("a.com", state=Completeness.PARTIAL, reason="More pages."), MAIN, a_ledger())
    assert (observed.state, observed.names, observed.reason) == (
        Completeness.PARTIAL,
        frozenset({"a.com"}),
        "More pages.",
    )
    assert observed.readable
    assert not observed.complete


@pytest.mark.parametrize("found", [(), ("a.com",)])
def test_list_without_the_main_domain_is_partial(found: tuple[str, ...]) -> None:
    observed = assess_list(listing(*found), MAIN, a_ledger())
    assert observed.state is Completeness.PARTIAL
    assert observed.reason == f'the network\'s main domain "{MAIN}" is missing from the list'


@pytest.mark.parametrize(("left", "believed"), [(18, True), (17, False), (0, False)])
def test_list_that_shrank_by_more_than_a_tenth_is_partial(left: int, believed: bool) -> None:
    observed = assess_list(listing(MAIN, *names(left - 1)), MAIN, a_ledger(observed_count=20))
    assert (observed.complete is not None) is believed
    if not believed:
        names_left = {17: "17 domains", 0: "1 domain"}[left]
        assert observed.reason == f"the list shrank unexpectedly from 20 to {names_left}"


def test_unconfirmed_removals_do_not_count_as_shrinking() -> None:
    unsettled = {name: waiting_for(AliasPhase.REMOVING) for name in names(5)} | {
        "new.com": waiting_for(AliasPhase.ADDING)
    }
    ledger = a_ledger(unsettled=unsettled, observed_count=8)
    assert assess_list(listing(MAIN, "a.com", "b.com"), MAIN, ledger).complete
    assert not assess_list(listing(MAIN, "a.com"), MAIN, ledger).complete


@pytest.mark.parametrize(
    ("managed", "lacking", "believed"),
    [(1, 1, True), (2, 2, False), (20, 2, True), (20, 3, False), (5, 1, True), (19, 2, False)],
)
def test_list_lacking_more_than_a_tenth_of_managed_aliases_is_partial(
    managed: int, lacking: int, believed: bool
) -> None:
    observed = assess_list(listing(MAIN, *names(managed - lacking)), MAIN, a_ledger(*names(managed)))
    assert (observed.complete is not None) is believed
    if not believed:
        assert observed.reason == f"{lacking} of {managed} managed domains are missing from the list"


@pytest.mark.parametrize(
    ("managed", "lacking", "lost"), [(5, 3, 0), (5, 4, 4), (40, 4, 0), (40, 5, 5), (415, 412, 412)]
)
def test_more_than_a_few_missing_aliases_are_lost(managed: int, lacking: int, lost: int) -> None:
    observed = assess_list(listing(MAIN, *names(managed - lacking)), MAIN, a_ledger(*names(managed)))
    assert len(observed.lost) == lost
    # A list without the network's main domain is incomplete and proves no loss.
    assert not assess_list(listing(*names(managed - lacking)), MAIN, a_ledger(*names(managed))).lost


def test_paged_list_is_marked() -> None:
    paged = Listing(Completeness.PARTIAL, "1 of 9", frozenset({MAIN}), paged=True)
    observed = assess_list(paged, MAIN, a_ledger(*names(8)))
    assert (observed.state, observed.paged, observed.lost) == (Completeness.PARTIAL, True, frozenset())


def test_recent_removals_count_neither_in_a_late_list_nor_after_it() -> None:
    removed = frozenset(names(10))
    left = [f"left{n}.com" for n in range(9)]
    ledger = a_ledger(removed_lately=removed, observed_count=10)
    late = listing(MAIN, *left, *removed)
    assert assess_list(late, MAIN, ledger).complete
    assert count(late.names, ledger) == 10
    assert assess_list(listing(MAIN, *left), MAIN, ledger).complete
    # An alias that was added again counts as any other.
    again = a_ledger("n0.com", removed_lately=removed, observed_count=10)
    assert count(late.names, again) == 11


def test_type_checker_refuses_a_partial_side() -> None:
    """mypy reports an unused comment below if a removal may be inferred from a partial side."""
    whole, listed, ledger, policy = a_snapshot().complete, a_list().complete, a_ledger("a.com"), DomainPolicy()
    assert whole
    assert listed
    infer("a.com", Origin.MAPPING, InferenceBasis(whole, listed, ledger, policy, NOW))
    part = a_snapshot(faults=("1 of 2 sites were read",))
    assert (part.complete, partial().complete) == (None, None)
    InferenceBasis(part, listed, ledger, policy, NOW)  # type: ignore[arg-type]
    InferenceBasis(whole, partial(), ledger, policy, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proof", "module"), [("CompleteSnapshot", "wordpress/snapshot.py"), ("CompleteList", "planning/completeness.py")]
)
def test_proof_of_completeness_has_one_source(proof: str, module: str) -> None:
    package = REPOSITORY / "closte_bridge"
    makers = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == proof
    ]
    assert makers == [module]
