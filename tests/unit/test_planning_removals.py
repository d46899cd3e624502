from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closte_bridge.hosting import Completeness
from closte_bridge.ledger.state import AliasPhase, Origin, RemovalClass
from closte_bridge.planning.model import Authority, Mode
from closte_bridge.planning.removals import lost_class
from closte_bridge.wordpress.events import EventKind
from closte_bridge.wordpress.snapshot import WwwPolicy
from tests.support.check_states import (
    DAY,
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_row,
    a_site,
    a_snapshot,
    adds,
    holds,
    missing,
    partial,
    removes,
    the_hold,
    told,
    trouble,
    waiting_for,
)

if TYPE_CHECKING:
    from closte_bridge.planning.completeness import Observed
    from closte_bridge.wordpress.snapshot import Snapshot

# Enough managed aliases that stay, so that the removal limit allows a few removals.
STAY = [f"stay{number}.com" for number in range(12)]


def test_unmapped_domain_is_removed_after_the_delay() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told(5 * MINUTE)})
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert [(c.name, c.cause, c.removal_class) for c in plan.removals] == [
        ("x.com", "mapping removed", RemovalClass.EVENT)
    ]


@pytest.mark.parametrize(("row", "name"), [("cafe.de:8080", "cafe.de"), ("bücher.de/", "xn--bcher-kva.de")])
def test_malformed_mapping_protects_the_intended_domain(row: str, name: str) -> None:
    for evidence in ({name: told(kind=EventKind.RENAMED)}, {}):
        ledger = a_ledger(name, *STAY, evidence=evidence, absences={name: missing(9)})
        plan = a_plan(a_snapshot(row, *STAY), a_list(name, *STAY), ledger)
        assert not plan.changes
        assert holds(plan) == {row: "malformed"}


def test_unmapped_domain_waits_for_the_delay() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told(5 * MINUTE - 1, EventKind.SITE_DELETED)})
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert not plan.changes
    assert the_hold(plan, "x.com")[2:] == (
        "waiting",
        "site deleted; removal is delayed in case the mapping returns",
        NOW + 1,
    )


def test_clock_jump_restarts_the_delay() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told(DAY)}, clock_jumped=True)
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert the_hold(plan, "x.com").until == NOW + 300


@pytest.mark.parametrize("observed", [a_list("x.com"), partial("x.com"), partial(), UNREADABLE])
def test_confirmed_removal_needs_no_complete_list(observed: Observed) -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told()})
    assert removes(a_plan(a_snapshot(*STAY), observed, ledger)) == ["x.com"]


def test_absence_counts_after_three_complete_snapshots_and_the_grace() -> None:
    ledger = a_ledger("x.com", *STAY, absences={"x.com": missing(2, since=NOW - DAY)})
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert [(c.name, c.cause, c.removal_class) for c in plan.removals] == [
        ("x.com", "no longer in WordPress", RemovalClass.INFERENCE)
    ]
    assert plan.updates.absences["x.com"] == (NOW - DAY, 3, NOW)


@pytest.mark.parametrize(
    ("times", "since", "reason", "due"),
    [
        (0, NOW, "missing from 1 complete read of WordPress", NOW + DAY),
        (1, NOW - 2 * DAY, "missing from 2 complete reads of WordPress", NOW - DAY),
        (9, NOW - DAY + 1, "missing from 10 complete reads of WordPress", NOW + 1),
    ],
)
def test_snapshots_or_grace_alone_do_not_suffice(times: int, since: float, reason: str, due: float) -> None:
    absences = {"x.com": missing(times, since=since)} if times else {}
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), a_ledger("x.com", *STAY, absences=absences))
    assert not plan.changes
    assert the_hold(plan, "x.com")[2:] == ("waiting", reason, due)


@pytest.mark.parametrize(("jumped", "last"), [(True, NOW - HOUR), (False, NOW + 1)], ids=["jump", "backwards"])
def test_clock_change_restarts_an_absence(jumped: bool, last: float) -> None:
    ledger = a_ledger("x.com", *STAY, absences={"x.com": missing(9, last=last)}, clock_jumped=jumped)
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert plan.updates.absences["x.com"] == (NOW, 1, NOW)
    assert not plan.changes


@pytest.mark.parametrize("state", [Completeness.PARTIAL, Completeness.UNREADABLE])
def test_incomplete_list_causes_no_inferred_removal(state: Completeness) -> None:
    ledger = a_ledger("x.com", absences={"x.com": missing(9)})
    plan = a_plan(a_snapshot(), a_list("x.com", state=state), ledger)
    assert holds(plan) == {"x.com": "list-not-complete"}
    assert not plan.changes
    assert not plan.updates.absences


def test_partial_snapshot_removes_nothing() -> None:
    origins = {"*.w.com": Origin.PIN, "cmd.com": Origin.PIN}
    ledger = a_ledger(
        "event.com",
        "gone.com",
        *STAY,
        origins=origins,
        leaving=set(origins),
        evidence={"event.com": told()},
        absences={"gone.com": missing(9)},
    )
    names = ("event.com", "gone.com", *origins, *STAY)
    plan = a_plan(a_snapshot(*STAY, faults=("2 of 3 mappings were read",)), a_list(*names), ledger)
    assert not plan.changes
    kept = holds(plan)
    assert {kept[name] for name in ("event.com", "gone.com", *origins)} == {"snapshot-partial"}
    assert the_hold(plan, "gone.com").reason == "WordPress could not be read completely: 2 of 3 mappings were read"
    assert not plan.updates.absences


@pytest.mark.parametrize(
    "name",
    [
        "mapped.com",
        "www.mapped.com",
        "gone-site.com",
        "other-network.com",
        "site2.network.org",
        "pin.com",
        "a.wild.com",
        "kept.com",
    ],
)
def test_mentioned_domain_stays_and_loses_its_evidence(name: str) -> None:
    snapshot = a_snapshot(
        "mapped.com", a_row("gone-site.com", 9), a_row("other-network.com", 3), sites=[a_site(2), a_site(3, network=2)]
    )
    ledger = a_ledger(name, *STAY, pins={"pin.com"}, evidence={name: told()}, absences={name: missing(9)})
    config = {"wildcards": ("*.wild.com",), "keep": ("kept.com",)}
    plan = a_plan(snapshot, a_list(name, *STAY, "*.wild.com"), ledger, config=config)
    assert name not in removes(plan)
    assert name in plan.updates.mentioned_again


@pytest.mark.parametrize(
    "name",
    [
        MAIN,
        f"www.{MAIN}",
        f"*.{MAIN}",
        "old.org",
        "www.old.org",
        "*.old.org",
        "closte.com",
        "c.closte.com",
        "kept.com",
    ],
)
@pytest.mark.parametrize("leaving", [False, True])
def test_protected_domains_are_never_removed(name: str, leaving: bool) -> None:
    snapshot = a_snapshot(sites=[])
    snapshot.sites[1] = a_site(1, "elsewhere.org")
    ledger = a_ledger(
        name,
        *STAY,
        former_domains={"old.org"},
        evidence={name: told()},
        absences={name: missing(9)},
        leaving={name} if leaving else (),
    )
    plan = a_plan(snapshot, a_list(name, *STAY), ledger, config={"keep": ("kept.com",)})
    assert name not in removes(plan)
    assert holds(plan).get(name) == (None if name == "kept.com" else "protected")


@pytest.mark.parametrize("name", ["example.com", "www.example.com", "*.example.com", "old.org", "*.www.old.org"])
def test_both_forms_of_a_www_network_are_protected(name: str) -> None:
    snapshot = a_snapshot(network={"domain": "www.example.com"})
    snapshot.sites[1] = a_site(1, "elsewhere.org")
    evidence, absences = {name: told()}, {name: missing(9)}
    ledger = a_ledger(name, *STAY, former_domains={"www.old.org"}, evidence=evidence, absences=absences)
    plan = a_plan(snapshot, a_list("www.example.com", name, *STAY), ledger)
    assert not plan.removals
    assert holds(plan)[name] == "protected"
    stranger = a_plan(snapshot, a_list("www.example.com", "example.com"), a_ledger())
    assert stranger.unmanaged == (MAIN,)


@pytest.mark.parametrize(
    ("name", "what"),
    [("a.com", RemovalClass.COMMAND), ("b.com", RemovalClass.EVENT), ("c.com", RemovalClass.INFERENCE)],
)
def test_removal_with_a_lost_answer_keeps_its_remaining_class(name: str, what: RemovalClass) -> None:
    ledger = a_ledger(leaving={"a.com"}, evidence={"a.com": told(), "b.com": told()})
    assert lost_class(name, ledger) is what


def test_unmanaged_alias_is_listed_and_never_removed() -> None:
    ledger = a_ledger(evidence={"x.com": told()}, absences={"x.com": missing(9)}, leaving={"x.com"})
    plan = a_plan(a_snapshot(), a_list("x.com"), ledger)
    assert plan.unmanaged == ("x.com",)
    assert not plan.changes


@pytest.mark.parametrize(
    ("name", "origin", "what"),
    [
        ("x.com", Origin.PIN, "it was pinned"),
        ("x.com", Origin.CONFIG, "it came from the config"),
        ("*.w.com", Origin.MAPPING, "it is a wildcard"),
    ],
)
def test_pins_configured_domains_and_wildcards_leave_by_command_only(name: str, origin: Origin, what: str) -> None:
    ledger = a_ledger(*STAY, origins={name: origin}, evidence={name: told()}, absences={name: missing(9)})
    plan = a_plan(a_snapshot(*STAY), a_list(name, *STAY), ledger)
    assert not plan.changes
    hold = the_hold(plan, name)
    assert (hold.code, hold.reason) == (
        "by-command-only",
        f"{what}; remove it with `closte-bridge domain remove`",
    )


def test_evidence_waits_until_all_later_events_are_read() -> None:
    snapshot = a_snapshot(*STAY)
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told(5 * MINUTE)})
    plan = a_plan(replace(snapshot, events_waiting=1), a_list("x.com", *STAY), ledger)
    assert the_hold(plan, "x.com")[2:] == ("waiting", "mapping removed; newer events have not been read yet", None)
    assert removes(a_plan(snapshot, a_list("x.com", *STAY), ledger)) == ["x.com"]


def test_removal_command_is_planned_immediately() -> None:
    plan = a_plan(a_snapshot(), a_list("x.com"), a_ledger(origins={"x.com": Origin.PIN}, leaving={"x.com"}))
    assert [(c.name, c.cause, c.removal_class) for c in plan.removals] == [
        ("x.com", "requested with `domain remove`", RemovalClass.COMMAND)
    ]


def test_failed_removal_by_command_is_retried_later() -> None:
    ledger = a_ledger("x.com", leaving={"x.com"}, failed_changes={"x.com": trouble()})
    assert holds(a_plan(a_snapshot(), a_list("x.com"), ledger)) == {"x.com": "back-off"}
    assert removes(a_plan(a_snapshot(), a_list("x.com"), ledger, retry=True)) == ["x.com"]


@pytest.mark.parametrize(
    "snapshot",
    [a_snapshot("x.com"), a_snapshot("X.com.")],
)
def test_removal_command_is_void_if_the_domain_is_mapped_again(snapshot: object) -> None:
    ledger = a_ledger("x.com", leaving={"x.com"})
    plan = a_plan(snapshot, a_list("x.com"), ledger)  # type: ignore[arg-type]
    assert not plan.changes
    assert plan.updates.staying == ("x.com",)
    # If Closte has lost it meanwhile, closte-bridge adds it again.
    plan = a_plan(snapshot, a_list(), ledger)  # type: ignore[arg-type]
    assert [change.name for change in plan.additions] == ["x.com"]


def test_removal_command_is_void_for_a_configured_wildcard() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.CONFIG}, leaving={"*.w.com"})
    plan = a_plan(a_snapshot(), a_list("*.w.com"), ledger, config={"wildcards": ("*.w.com",)})
    assert not plan.changes
    assert plan.updates.staying == ("*.w.com",)


def test_removal_command_waits_while_a_site_or_wildcard_mentions_it() -> None:
    ledger = a_ledger(f"site2.{MAIN}", "a.w.com", "*.w.com", leaving={f"site2.{MAIN}", "a.w.com"})
    plan = a_plan(a_snapshot(sites=[a_site(2)]), a_list(*ledger.managed), ledger)
    assert the_hold(plan, f"site2.{MAIN}").reason == "still in use by a site"
    assert the_hold(plan, "a.w.com").reason == 'still in use by the wildcard "*.w.com"'
    assert not plan.updates.staying


def test_wildcard_leaves_after_its_domains_have_their_own_aliases() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    snapshot = a_snapshot("a.w.com", "w.com", www=WwwPolicy.ALWAYS)
    plan = a_plan(snapshot, a_list("*.w.com", "w.com", "a.w.com"), ledger)
    assert not plan.removals
    assert the_hold(plan, "*.w.com").reason == '"www.w.com" still depends on it and must be added separately first'
    plan = a_plan(snapshot, a_list("*.w.com", "w.com", "a.w.com", "www.w.com"), ledger)
    assert removes(plan) == ["*.w.com"]


def test_domain_that_is_never_added_does_not_keep_a_wildcard() -> None:
    snapshot = a_snapshot(a_row("gone.w.com", 9))
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    assert removes(a_plan(snapshot, a_list("*.w.com"), ledger)) == ["*.w.com"]


@pytest.mark.parametrize(
    "snapshot",
    [
        a_snapshot(a_row("x.w.com", 2), sites=[a_site(2, network=2)]),
        a_snapshot(sites=[a_site(2, "x.w.com")]),
        a_snapshot(a_row("w.com", 2), sites=[a_site(2, network=2)], www=WwwPolicy.ALWAYS),
    ],
    ids=["mapped in another network", "a site's own domain", "the www. form of another network's name"],
)
def test_domain_served_only_by_a_wildcard_keeps_it_until_pinned(snapshot: Snapshot) -> None:
    name = "www.w.com" if snapshot.settings.www is WwwPolicy.ALWAYS else "x.w.com"
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    plan = a_plan(snapshot, a_list("*.w.com"), ledger)
    assert not plan.changes
    assert the_hold(plan, "*.w.com").reason == f'"{name}" still depends on it and must be added separately first'
    assert removes(a_plan(snapshot, a_list("*.w.com", name), ledger)) == ["*.w.com"]
    pinned = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"}, pins={name})
    assert adds(a_plan(snapshot, a_list("*.w.com"), pinned)) == [name]


def test_kept_domain_keeps_its_wildcard_without_being_added() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    config = {"keep": ("x.w.com", "y.x.w.com", "z.org")}
    plan = a_plan(a_snapshot(), a_list("*.w.com"), ledger, config=config)
    assert not plan.changes
    assert the_hold(plan, "*.w.com").reason == '"x.w.com" still depends on it and must be added separately first'
    assert removes(a_plan(a_snapshot(), a_list("*.w.com", "x.w.com"), ledger, config=config)) == ["*.w.com"]


def test_contested_domain_keeps_its_wildcard() -> None:
    snapshot = a_snapshot("x.w.com", a_row("x.w.com", 2), sites=[a_site(2)])
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    assert holds(a_plan(snapshot, a_list("*.w.com"), ledger))["*.w.com"] == "wildcard-covers"


def test_incomplete_list_keeps_every_wildcard() -> None:
    ledger = a_ledger(origins={"*.w.com": Origin.PIN}, leaving={"*.w.com"})
    assert holds(a_plan(a_snapshot(), UNREADABLE, ledger)) == {"*.w.com": "wildcard-covers"}


@pytest.mark.parametrize(
    ("phase", "absent_before", "observed", "gone"),
    [
        (AliasPhase.REMOVING, True, a_list("x.com", *STAY), True),
        (AliasPhase.REMOVING, True, a_list(*STAY), False),
        (AliasPhase.REMOVING, True, UNREADABLE, True),
        (AliasPhase.UNCONFIRMED, True, a_list("x.com", *STAY), True),
        (AliasPhase.UNCONFIRMED, True, UNREADABLE, False),
        (AliasPhase.UNCONFIRMED, False, a_list("x.com", *STAY), False),
        (AliasPhase.ADDING, False, partial("x.com", *STAY), False),
    ],
)
def test_unanswered_change_is_removed_only_if_known_as_managed(
    phase: AliasPhase, absent_before: bool, observed: Observed, gone: bool
) -> None:
    ledger = a_ledger(
        *STAY, unsettled={"x.com": waiting_for(phase, absent_before=absent_before)}, evidence={"x.com": told()}
    )
    assert removes(a_plan(a_snapshot(*STAY), observed, ledger)) == (["x.com"] if gone else [])


def test_failed_removal_waits_for_its_retry() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told()}, failed_changes={"x.com": trouble()})
    plan = a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)
    assert the_hold(plan, "x.com")[2:] == ("back-off", 'Closte answered "no".', NOW + HOUR)


def test_failed_addition_does_not_delay_a_removal() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told()}, failed_changes={"x.com": trouble(action="add")})
    assert removes(a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)) == ["x.com"]
    ledger.failed_changes["x.com"] = trouble(action="remove")
    assert holds(a_plan(a_snapshot(*STAY), a_list("x.com", *STAY), ledger)) == {"x.com": "back-off"}


def test_missing_alias_is_not_removed() -> None:
    ledger = a_ledger("x.com", *STAY, absences={"x.com": missing(9)})
    assert not a_plan(a_snapshot(*STAY), a_list(*STAY), ledger).changes


def test_add_only_authority_puts_removals_on_hold() -> None:
    ledger = a_ledger("x.com", *STAY, evidence={"x.com": told()})
    authority = Authority(Mode.ADD_ONLY, "moved", "the ledger was bound on another host")
    plan = a_plan(a_snapshot("new.com", *STAY), a_list("x.com", *STAY), ledger, authority=authority)
    assert [change.name for change in plan.changes] == ["new.com"]
    assert the_hold(plan, "x.com")[2:4] == ("add-only", "the ledger was bound on another host")
    assert not plan.over_limit
