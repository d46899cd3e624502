"""The state, reason and next step of each domain."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from closte_bridge.engine.inventory import inventory, next_step
from closte_bridge.hosting import Completeness
from closte_bridge.ledger.state import AliasPhase, FailureCode
from closte_bridge.planning.completeness import Observed
from closte_bridge.planning.desired import DomainPolicy, desired
from closte_bridge.planning.model import Authority, Mode
from tests.support.check_states import (
    MAIN,
    UNREADABLE,
    a_ledger,
    a_list,
    a_plan,
    a_row,
    a_site,
    a_snapshot,
    missing,
    partial,
    told,
    trouble,
    waiting_for,
)

if TYPE_CHECKING:
    from closte_bridge.engine.inventory import DomainStatus
    from closte_bridge.engine.observation import Observation
    from closte_bridge.ledger.state import LedgerState
    from closte_bridge.wordpress.snapshot import Mapping, Snapshot

DNS = "Point A of it elsewhere."
FULL = Authority(Mode.FULL)
OFF = Authority(Mode.INACTIVE, "integration-off", "the integration is switched off", "Switch it on.")
MOVED = Authority(Mode.ADD_ONLY, "moved", "it was bound elsewhere", "Adopt it here.")
NOBODYS = Authority(Mode.READ_ONLY, "not-adopted", "nobody is in charge", "Adopt it.")


def known(
    snapshot: Snapshot,
    observed: Observed,
    ledger: LedgerState,
    *,
    authority: Authority = FULL,
    **config: Any,  # noqa: ANN401 - any field of `DomainPolicy`
) -> dict[str, DomainStatus]:
    plan = a_plan(snapshot, observed, ledger, authority=authority, config=config)
    desire = desired(snapshot, DomainPolicy(**config), ledger)
    view = cast("Observation", SimpleNamespace(snapshot=snapshot, observed=observed, ledger=ledger, desire=desire))
    return {one.name: one for one in inventory(view, plan)}


def test_add_only_authority_puts_a_planned_removal_on_hold() -> None:
    ledger = a_ledger("x.com", absences={"x.com": missing()})
    one = known(a_snapshot(), a_list("x.com"), ledger, authority=MOVED)["x.com"]
    assert (one.state, one.reason) == ("on-hold", "it was bound elsewhere")


@pytest.mark.parametrize(
    ("observed", "state"),
    [(a_list(), "gone"), (partial(), "unknown"), (UNREADABLE, "unknown")],
    ids=["complete", "partial", "unreadable"],
)
def test_managed_missing_and_unwanted_domain_is_gone_or_unknown(observed: Observed, state: str) -> None:
    ledger = a_ledger("kept.com")
    found = known(a_snapshot("a.com"), observed, ledger, keep=("kept.com",))
    assert found["kept.com"].state == state
    assert found["kept.com"].reason == "`keep` in the config"
    kept = next_step(found["kept.com"], FULL)
    assert ("`closte-bridge domain add`" in kept) is (state == "gone")
    assert ("could not be read completely" in kept) is (state == "unknown")


def test_domain_that_is_gone_is_forgotten_by_the_next_sync() -> None:
    one = known(a_snapshot("a.com"), a_list("a.com"), a_ledger("a.com", "x.com"))["x.com"]
    assert (one.state, one.at_closte) == ("gone", False)
    assert next_step(one, FULL) == "Nothing to do. The next sync removes it from the ledger."
    assert next_step(one, FULL, DNS) == next_step(one, FULL)


@pytest.mark.parametrize("authority", [OFF, NOBODYS], ids=["off", "read-only"])
def test_blocked_change_is_not_promised(authority: Authority) -> None:
    ledger = a_ledger("old.com", *(f"stay{n}.com" for n in range(5)), evidence={"old.com": told()})
    snapshot = a_snapshot("new.com", *(f"stay{n}.com" for n in range(5)))
    found = known(snapshot, a_list(*ledger.managed), ledger, authority=authority)
    assert [found[name].state for name in ("new.com", "old.com")] == ["to-add", "to-remove"]
    for name in ("new.com", "old.com"):
        step = f"closte-bridge changes nothing: {authority.reason}. {authority.hint}"
        assert next_step(found[name], authority) == next_step(found[name], authority, DNS) == step
    assert next_step(found["stay0.com"], authority) == "Nothing to do. The domain is in sync."
    # With full authority, the next sync changes the same domain.
    assert next_step(found["new.com"], FULL) == "Nothing to do. The next sync adds it."
    assert next_step(found["new.com"], FULL, DNS) == DNS


def test_hold_caused_by_authority_shows_its_remedy() -> None:
    ledger = a_ledger("x.com", absences={"x.com": missing()})
    for authority in (MOVED, OFF):
        one = known(a_snapshot(), a_list("x.com"), ledger, authority=authority)["x.com"]
        assert one.state == "on-hold"
        assert next_step(one, authority).endswith(f". {authority.hint}")


LOST = "gone.com"
FILL = tuple(f"f{number}.com" for number in range(20))
ROWS: dict[str, list[str | Mapping]] = {
    "mapped": [LOST],
    "site gone": [a_row(LOST, 9)],
    "other network": [a_row(LOST, 2)],
    "not mapped": [],
}
LISTS = {"there": a_list(LOST, *FILL), "not there": a_list(*FILL), "unreadable": UNREADABLE}
AGREE = "Nothing to do. The domain is in sync."
ADDS = "Nothing to do. The next sync adds it."
NOT_ARRIVED = "Closte has not added it yet, and its list cannot be read. Each sync tries to add it."
NOT_TOLD = "Unknown: Closte's list could not be read completely. Run `closte-bridge integration test`."
DELETE = "Delete the mapping with `closte-bridge domain prune`. Its site no longer exists."
OTHERS = "Nothing to do here. Its site belongs to another network with its own closte-bridge."
AFTER_ITS_WAIT = "Nothing to do. A sync removes it after the delay, unless something uses it again."
STRANGE = "If this domain is not needed, remove it in Closte's dashboard. closte-bridge does not manage it."
STAYS = "Closte's list could not be read completely. Run `closte-bridge plan` to see why."
FORGETS = "Nothing to do. The next sync removes it from the ledger."


@pytest.mark.parametrize("dns", ["", DNS], ids=["DNS right", "DNS wrong"])
@pytest.mark.parametrize(
    ("row", "closte", "managed", "state", "step", "dns_first"),
    [
        ("mapped", "there", True, "in-sync", AGREE, True),
        ("mapped", "there", False, "in-sync", AGREE, True),
        ("mapped", "not there", True, "to-add", ADDS, True),
        ("mapped", "not there", False, "to-add", ADDS, True),
        ("mapped", "unreadable", True, "unknown", NOT_TOLD, True),
        ("mapped", "unreadable", False, "to-add", NOT_ARRIVED, False),
        ("site gone", "there", True, "orphaned", DELETE, False),
        ("site gone", "there", False, "orphaned", DELETE, False),
        ("site gone", "not there", True, "orphaned", DELETE, False),
        ("site gone", "not there", False, "orphaned", DELETE, False),
        ("site gone", "unreadable", True, "orphaned", DELETE, False),
        ("site gone", "unreadable", False, "orphaned", DELETE, False),
        ("other network", "there", True, "in-sync", OTHERS, False),
        ("other network", "there", False, "in-sync", OTHERS, False),
        ("other network", "not there", True, "on-hold", OTHERS, False),
        ("other network", "not there", False, "on-hold", OTHERS, False),
        ("other network", "unreadable", True, "unknown", OTHERS, False),
        ("other network", "unreadable", False, "on-hold", OTHERS, False),
        ("not mapped", "there", True, "on-hold", AFTER_ITS_WAIT, False),
        ("not mapped", "there", False, "unmanaged", STRANGE, False),
        ("not mapped", "not there", True, "gone", FORGETS, False),
        ("not mapped", "not there", False, None, None, False),
        ("not mapped", "unreadable", True, "on-hold", STAYS, False),
        ("not mapped", "unreadable", False, None, None, False),
    ],
)
def test_each_situation_has_one_next_step(
    row: str, closte: str, managed: bool, state: str | None, step: str | None, dns_first: bool, dns: str
) -> None:
    ledger = a_ledger(*FILL, *([LOST] if managed else []))
    snapshot = a_snapshot(*FILL, *ROWS[row], sites=[a_site(2, network=2)])
    one = known(snapshot, LISTS[closte], ledger).get(LOST)
    assert (one.state if one else None) == state
    assert (next_step(one, FULL, dns) if one else None) == (dns if dns and dns_first else step)
    site = {"site gone": "gone", "other network": "other-network"}.get(row, "")
    assert one is None or one.site == site


@pytest.mark.parametrize("observed", [a_list("w.com"), UNREADABLE], ids=["readable", "unreadable"])
def test_failed_addition_precedes_any_dns_step(observed: Observed) -> None:
    ledger = a_ledger("w.com", failed_changes={"x.com": trouble(), "w.com": trouble(action="remove")})
    one = known(a_snapshot("x.com"), observed, ledger)["x.com"]
    assert (one.state, one.code) == ("on-hold", "back-off")
    again = "The next try is at 2027-01-15T09:00:00+00:00. Retry now with `closte-bridge sync --retry`."
    assert next_step(one, FULL, DNS) == f"Closte has not added it yet. {again}"
    lost = known(a_snapshot("x.com"), observed, a_ledger(unsettled={"x.com": waiting_for(AliasPhase.UNCONFIRMED)}))[
        "x.com"
    ]
    words = "It is unknown whether Closte added it: its list cannot be read. Each sync tries to add it."
    assert next_step(lost, FULL) == (ADDS if observed.readable else words)


def test_failed_removal_is_reported() -> None:
    ledger = a_ledger(*FILL, "x.com", evidence={"x.com": told()}, failed_changes={"x.com": trouble(action="remove")})
    one = known(a_snapshot(*FILL), a_list("x.com", *FILL), ledger)["x.com"]
    assert next_step(one, FULL, DNS).startswith("Closte has not removed it yet. The next try is at ")


OWN = "Nothing to do. It is the network's main domain."


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        (a_list(), OWN),
        (UNREADABLE, OWN),
        (
            Observed(Completeness.PARTIAL, frozenset(), "it is not there"),
            "Check Closte's dashboard: the network's main domain is missing from Closte's list.",
        ),
    ],
    ids=["there", "unreadable", "missing"],
)
def test_main_domain_of_the_network_is_own(observed: Observed, step: str) -> None:
    one = known(a_snapshot(), observed, a_ledger())[MAIN]
    assert (one.state, one.reason, one.origin) == ("own", "the network's main domain", "network")
    assert next_step(one, FULL) == step
    # A mapped main domain counts as any other domain.
    assert known(a_snapshot(MAIN), a_list(), a_ledger())[MAIN].state == "in-sync"


def test_own_forms_and_closte_domains_are_never_removed() -> None:
    names = (f"www.{MAIN}", "former.org", "x.closte.com")
    found = known(a_snapshot(), a_list(*names), a_ledger(former_domains={"former.org"}))
    assert [found[name].state for name in names] == ["own", "unmanaged", "unmanaged"]
    assert [found[name].reason for name in names[1:]] == [
        'protected as the network\'s former main domain ("former.org")', "protected as a closte.com domain"
    ]  # fmt: skip
    assert {next_step(found[name], FULL) for name in names[1:]} == {"Nothing to do. It is never removed."}


def test_mentioned_domain_on_closte_is_in_sync() -> None:
    """A site's address without a record, a domain that a wildcard or `keep` covers, and a `www.` form stay."""
    sites, keep = [a_site(2, f"two.{MAIN}")], ("kept.com",)
    on_closte = ("www.a.com", "a.com", f"two.{MAIN}", "kept.com")
    found = known(a_snapshot("a.com", sites=sites), a_list(*on_closte), a_ledger(), keep=keep)
    assert {name: (found[name].state, found[name].reason) for name in on_closte} == {
        "www.a.com": ("in-sync", 'the mapping of "a.com"'),
        "a.com": ("in-sync", "a mapping"),
        f"two.{MAIN}": ("in-sync", "a site"),
        "kept.com": ("in-sync", "`keep` in the config"),
    }


def test_domain_covered_by_a_wildcard_needs_only_dns() -> None:
    one = known(a_snapshot("a.w.com"), a_list("*.w.com"), a_ledger())["a.w.com"]
    assert (next_step(one, FULL), next_step(one, FULL, DNS)) == ("Nothing to do. A wildcard covers it.", DNS)


@pytest.mark.parametrize("code", [FailureCode.NOT_MANAGED, FailureCode.NOT_LISTED])
def test_domain_confirmed_by_closte_needs_only_dns(code: FailureCode) -> None:
    ledger = a_ledger(failed_changes={"x.com": trouble()._replace(code=code)})
    one = known(a_snapshot("x.com"), a_list(), ledger)["x.com"]
    assert (one.state, one.code, next_step(one, FULL, DNS)) == ("on-hold", code, DNS)
