"""Tests of failing answers: no change is lost and no domain is removed by mistake."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.closte.rate_limit import RateLimiter
from closte_bridge.errors import ExitCode
from closte_bridge.hosting import Completeness, OutcomeKind
from tests.support.fake_world import FOREIGN, OWN
from tests.support.journal import asked, assert_books_agree, carried_out
from tests.support.sandbox.api import ApiTexts
from tests.support.sandbox.faults import FaultKind
from tests.support.sandbox.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from closte_bridge.sandbox.api import Call, Document
    from tests.support.fake_world import World
    from tests.support.sandbox.server import Sandbox

pytestmark = pytest.mark.real

MANY = [f"shop.customer{number}.com" for number in range(300)]
FEW = [f"shop.customer{number}.com" for number in range(12)]
ROUNDS = 40
SHAPES = [FaultKind.LIST_STRINGS, FaultKind.LIST_OBJECTS, FaultKind.LIST_DICT]
POOR = [
    FaultKind.LIST_PAGED, FaultKind.LIST_SHRUNK, FaultKind.LIST_HIDDEN, FaultKind.LIST_NO_OWN, FaultKind.LIST_EMPTY,
    FaultKind.LIST_UNKNOWN, FaultKind.LIST_NESTED, FaultKind.ERROR_500, FaultKind.GARBAGE, FaultKind.EMPTY,
    FaultKind.TRUNCATED, FaultKind.RESET, FaultKind.REDIRECT, FaultKind.UNAVAILABLE, FaultKind.TOO_MANY,
]  # fmt: skip


def bring_in_step(world: World, context: object) -> set[str]:
    """Sync until both sides agree and check every run; return the domains whose ownership cannot be known."""
    unsure: set[str] = set()
    for _ in range(ROUNDS):
        before = len(world.sandbox.requests)
        report = world.sync()
        if not report.view.observed.complete:
            unsure |= carried_out(world.sandbox.requests[before:], "add")
        assert world.sandbox.aliases >= FOREIGN | {OWN}, context
        unsettled = world.rows("SELECT name FROM aliases WHERE phase <> 'present'")
        if world.sandbox.aliases == world.wanted and not unsettled:
            return unsure
    missing, surplus = world.wanted - world.sandbox.aliases, world.sandbox.aliases - world.wanted
    pytest.fail(f"Not in step after {ROUNDS} runs ({context}): missing {missing}, too many {surplus}.")


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_every_addition_arrives_if_three_in_ten_answers_fail(make_world: Callable[..., World], seed: int) -> None:
    world = make_world()
    world.adopt()
    world.wordpress.change(add=MANY)
    world.sandbox.set_faults("mixed:0.3", seed=seed)
    unsure = bring_in_step(world, f"seed {seed}")
    faults = {request.fault for request in world.sandbox.requests}
    assert len(faults) >= 12, "The test is only worth something when answers fail in many ways."
    assert asked(world.sandbox.requests, "remove") == set()
    assert_books_agree(world, unsure=unsure, context=f"seed {seed}")
    # A read without faults leaves the ledger as if no answer had failed.
    world.sandbox.set_faults()
    world.sync()
    managed = {name for (name,) in world.rows("SELECT name FROM aliases WHERE phase = 'present'")}
    assert set(MANY) - unsure <= managed <= set(MANY)
    assert world.rows("SELECT name FROM failed_changes") == []


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_every_removal_arrives_and_spares_other_aliases(make_world: Callable[..., World], seed: int) -> None:
    world = make_world(mapped=MANY)
    world.adopt()
    gone = set(random.Random(seed).sample(MANY, 60))
    fresh = [f"new.customer{number}.org" for number in range(40)]
    world.wordpress.change(add=fresh, drop=gone)
    world.sandbox.set_faults("mixed:0.3", seed=seed)
    unsure = bring_in_step(world, f"seed {seed}")
    assert asked(world.sandbox.requests, "remove") == gone
    assert_books_agree(world, unsure=unsure, context=f"seed {seed}")
    world.sandbox.set_faults()
    world.sync()
    assert world.wordpress.events == 0
    assert {name for (name,) in world.rows("SELECT name FROM removals")} == gone
    assert world.sandbox.aliases == world.wanted


@pytest.mark.parametrize("kind", [k for k in FaultKind if not k.only_lists and k is not FaultKind.MIXED])
def test_each_fault_alone_is_survived(make_world: Callable[..., World], kind: FaultKind) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    gone, fresh = set(FEW[:5]), [f"new{number}.example.com" for number in range(5)]
    world.wordpress.change(add=fresh, drop=gone)
    # Closte's texts for "already exists" and "not found" may change: the client does not recognize these.
    world.sandbox.api.texts = ApiTexts(already="Nein.", missing="Nein.")
    world.sandbox.set_faults(*(f"{kind.value}:0.7@{name}" for name in (*gone, *fresh)), seed=7)
    bring_in_step(world, kind)
    assert asked(world.sandbox.requests, "remove") == gone
    assert_books_agree(world, context=kind)


@pytest.mark.parametrize(("already", "missing"), [("", ""), ("Nein.", "Nein."), ("Duplicate alias.", "No such alias.")])
def test_lost_answers_are_resolved_with_any_error_text(
    make_world: Callable[..., World], already: str, missing: str
) -> None:
    world = make_world(mapped=FEW)
    world.sandbox.api.texts = ApiTexts(already=already, missing=missing)
    world.adopt()
    gone, fresh = set(FEW[:5]), [f"new{number}.example.com" for number in range(5)]
    world.wordpress.change(add=fresh, drop=gone)
    world.sandbox.set_faults(*(f"lost:1:1@{name}" for name in (*gone, *fresh)))
    bring_in_step(world, (already, missing))
    assert asked(world.sandbox.requests, "remove") == gone
    assert {n for (n,) in world.rows("SELECT name FROM aliases WHERE phase = 'present'")} == {*FEW[5:], *fresh}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_list_format_proves_the_same(make_world: Callable[..., World], shape: FaultKind) -> None:
    world = make_world(mapped=[*FEW, "*.wild.example.com"])
    world.adopt()
    world.configure(removal_grace=0.001)
    world.wordpress.change(add=["new.example.com"], drop=[FEW[0]], events=False)
    world.sandbox.set_faults(f"{shape.value}:1")
    for _ in range(3):
        assert world.sync().view.observed.state is Completeness.COMPLETE
    assert world.sandbox.aliases == world.wanted


def poor_list(sandbox: Sandbox, kind: FaultKind) -> None:
    """Make every list request fail and nothing else."""
    sandbox.set_faults(f"{kind.value}:1")
    throw = sandbox.pick
    sandbox.pick = lambda call, domain: throw(call, domain) if call == "list" else None  # type: ignore[method-assign]  # only lists fail


@pytest.mark.parametrize("kind", POOR)
def test_incomplete_list_causes_no_inferred_removal(make_world: Callable[..., World], kind: FaultKind) -> None:
    # With this many domains, the removal limit allows five removals a day.
    world = make_world(mapped=MANY[:60])
    world.adopt()
    world.configure(removal_grace=0.001)
    missing, evident = set(MANY[:3]), set(MANY[3:5])
    # They are missing in two complete snapshots: a third would allow their removal.
    world.wordpress.change(drop=missing, events=False)
    for _ in range(2):
        world.sync()
    world.wordpress.change(add=["new.example.com"], drop=evident)
    poor_list(world.sandbox, kind)
    for _ in range(4):
        assert world.sync().view.observed.state is not Completeness.COMPLETE
    # Events confirm removals without a list, and additions continue.
    assert asked(world.sandbox.requests, "remove") <= evident
    assert world.sandbox.aliases == (world.wanted | missing)
    world.sandbox.set_faults()
    for _ in range(3):
        world.sync()
    assert world.sandbox.aliases == world.wanted
    assert_books_agree(world, context=kind)


def test_aliases_lost_by_closte_are_added_again(make_world: Callable[..., World]) -> None:
    """Closte itself lost managed aliases: closte-bridge adds them again and changes no other alias."""
    world = make_world(mapped=MANY[:40])
    world.adopt()
    world.sandbox.aliases = world.sandbox.aliases - set(MANY[:15])
    bring_in_step(world, "lost by Closte")
    assert asked(world.sandbox.requests, "remove") == set()
    assert world.sync().view.observed.state is Completeness.COMPLETE


@pytest.mark.parametrize("words", [ApiTexts("SSL key of this domain is invalid."), ApiTexts("Blocked.", 403)])
def test_domains_refused_like_a_wrong_key_block_no_others(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, words: ApiTexts
) -> None:
    """A firewall in front of Closte refuses a change, or an unrelated error text mentions a key or a token."""
    world = make_world(mapped=FEW)
    world.adopt()
    bad = {f"a{number}.bad.example.com" for number in range(5)}
    world.wordpress.change(drop=[FEW[0]])
    world.sync()
    world.wordpress.change(add=[*bad, "good.example.com"])
    work = Handler._work

    def picky(this: Handler, call: Call, fields: dict[str, str], fault: FaultKind | None) -> Document | None:
        return work(this, call, fields, fault) if fields.get("domain") not in bad else None

    monkeypatch.setattr(Handler, "_work", picky)
    world.sandbox.api.texts = words
    report = world.sync()
    assert report.applied is not None
    assert {(failure.change.name, failure.kind) for failure in report.applied.failed} == {
        (n, OutcomeKind.FAILED) for n in bad
    }
    assert report.exit_code is ExitCode.SOME_FAILED
    assert world.sandbox.aliases == world.wanted - bad
    # closte-bridge tests the key once, however many domains are refused.
    changes = [request.domain for request in world.sandbox.requests if request.call != "list"]
    assert sorted(changes) == sorted(["", *bad, "good.example.com", FEW[0]])


def test_domains_without_an_answer_block_no_others(make_world: Callable[..., World]) -> None:
    """Missing answers look like an outage and end the run; the next run begins with the untried domains."""
    world = make_world(mapped=FEW)
    world.adopt()
    bad = [f"a{number:02}.bad.example.com" for number in range(12)]
    world.wordpress.change(add=[*bad, "good.example.com"])
    world.sandbox.set_faults(*(f"error500@{name}" for name in bad))
    report = world.sync()
    assert report.applied is not None
    assert report.applied.stopped
    world.sync()
    assert world.sandbox.aliases == world.wanted - set(bad)


def test_revoked_key_ends_the_run_without_losing_changes(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=MANY[20:40], drop=[FEW[0]])
    with monkeypatch.context() as patch:
        # The key is revoked after it was used to read the list.
        taken = iter([True])
        patch.setattr(world.sandbox.api, "accepts", lambda _: next(taken, False))
        report = world.sync()
    assert report.applied is not None
    assert report.applied.key_rejected
    assert report.exit_code is ExitCode.FAILURE
    changes = [request.domain for request in world.sandbox.requests if request.call != "list"]
    assert changes.count("") == 1
    assert len(changes) <= 9, "What was in flight, and no more."
    bring_in_step(world, "the key is taken again")
    assert_books_agree(world)


@pytest.mark.parametrize("whole", [False, True], ids=["the-name-is-blocked", "all-is-blocked"])
@pytest.mark.parametrize("call", ["add", "remove"])
def test_access_refused_after_a_lost_answer_loses_no_change(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, call: str, whole: bool
) -> None:
    """A firewall closes between two attempts, the first of which was carried out."""
    world = make_world(mapped=FEW)
    world.adopt()
    name = "new.example.com" if call == "add" else FEW[0]
    if call == "add":
        world.wordpress.change(add=[name])
    else:
        world.wordpress.change(drop=[name])
        world.sync()
    work = Handler._work

    def close(this: Handler, on: Call, fields: dict[str, str], fault: FaultKind | None) -> Document | None:
        blocked = fields.get("domain") in ({name, ""} if whole else {name})
        return work(this, on, fields, fault) if fault or not blocked else None

    with monkeypatch.context() as patch:
        patch.setattr(Handler, "_work", close)
        world.sandbox.api.texts = ApiTexts("Blocked.", 403)
        world.sandbox.set_faults(f"lost:1:1@{name}")
        report = world.sync()
    assert report.applied is not None
    assert report.applied.key_rejected is whole
    assert report.exit_code is (ExitCode.FAILURE if whole else ExitCode.OK)
    assert [(failure.change.name, failure.kind) for failure in report.applied.failed] == [
        (name, OutcomeKind.UNCLEAR)
    ] * whole
    world.sync()
    assert world.sandbox.aliases == world.wanted
    assert world.rows(f"SELECT phase FROM aliases WHERE name = '{name}'") == [("present",)] * (call == "add")
    assert world.rows("SELECT name FROM removals") == [(name,)] * (call == "remove")
    # The same run reports the result if its second list shows it; otherwise the next run does.
    told = ("confirm" if whole and call == "add" else call, name, "done")
    assert {entry for entry in world.logged() if entry[1] == name} - {("adopt", name, "done")} == {
        (call, name, "unclear"),
        told,
    }


def test_untested_key_is_not_reported_as_rejected(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closte asks for a long pause, so the key cannot be tested; a request in flight is refused like a wrong key."""
    world = make_world(mapped=FEW)
    world.adopt()
    world.wordpress.change(add=["a.example.com", "b.example.com"])
    # Closte refuses domain b only after it has received both requests and asked for an hour's pause for domain a.
    both, paused = threading.Event(), threading.Event()
    work, take_note, throw = Handler._work, RateLimiter.slow_down, world.sandbox.pick

    def refuse(this: Handler, call: Call, fields: dict[str, str], fault: FaultKind | None) -> Document | None:
        if fields.get("domain") == "b.example.com":
            both.set()
            assert paused.wait(10)
            return None
        return work(this, call, fields, fault)

    def wait(call: Call, domain: str) -> FaultKind | None:
        assert domain != "a.example.com" or both.wait(10)
        return throw(call, domain)

    def slow_down(this: RateLimiter, wave: int, pause: float | None) -> None:
        take_note(this, wave, pause)
        paused.set()

    with monkeypatch.context() as patch:
        patch.setattr(Handler, "_work", refuse)
        patch.setattr(world.sandbox, "pick", wait)
        patch.setattr(RateLimiter, "slow_down", slow_down)
        patch.setattr(world.sandbox, "behaviour", replace(world.sandbox.behaviour, retry_after="3600"))
        world.sandbox.set_faults("429:1:1@a.example.com")
        report = world.sync()
    assert report.applied is not None
    assert [request.domain for request in world.sandbox.requests if request.call == "add"].count("") == 0
    assert not report.applied.key_rejected
    assert report.exit_code is ExitCode.SOME_FAILED
    assert report.applied.stopped.startswith("Closte is rate-limiting requests (retry after 3")
    assert {failure.change.name: failure.kind for failure in report.applied.failed} == {
        "a.example.com": OutcomeKind.FAILED,
        "b.example.com": OutcomeKind.FAILED,
    }
    world.sync()
    assert world.sandbox.aliases == world.wanted
