from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.ledger.state import Identity, LedgerLocation, LedgerState
from closte_bridge.planning.authority import Installation, decide_authority, possible_clone, rollback_sign
from closte_bridge.planning.model import Authority, Mode
from tests.support.check_states import ENGINE, MAIN, UNREADABLE, a_ledger, a_list, a_snapshot, partial

if TYPE_CHECKING:
    from closte_bridge.planning.completeness import Observed

PLACE = LedgerLocation("host-digest", "/var/lib/closte-bridge")
IDENTITY = Identity(ENGINE, 1, MAIN, "0123456789abcdef", "app", "key-1")
HERE = Installation(PLACE, None, config_missing=False, key="key-1", environments=("production",))
OURS = [f"n{number}.com" for number in range(10)]


def bound(**more: Any) -> LedgerState:  # noqa: ANN401 - any field
    return a_ledger(*OURS, **{"identity": IDENTITY, "location": PLACE, **more})


def authority(
    snapshot: dict[str, Any] | None = None,
    ledger: LedgerState | None = None,
    here: Installation = HERE,
    observed: Observed | None = None,
) -> Authority:
    return decide_authority(a_snapshot(**(snapshot or {})), observed or a_list(*OURS), ledger or bound(), here)


def test_matching_identity_has_full_authority() -> None:
    assert authority() == Authority(Mode.FULL)


def test_nothing_is_changed_before_adoption() -> None:
    found = authority({"owner": None}, a_ledger())
    assert (found.mode, found.code) == (Mode.READ_ONLY, "not-adopted")
    assert "closte-bridge adopt" in found.hint


def test_new_ledger_is_not_the_owner() -> None:
    found = authority({}, a_ledger())
    assert (found.mode, found.code) == (Mode.READ_ONLY, "other-owner")
    assert found.reason == 'the closte-bridge installation on "host-1" owns this network'


def test_other_owner_makes_the_ledger_read_only() -> None:
    found = authority({"owner": "engine-2"})
    assert (found.mode, found.code) == (Mode.READ_ONLY, "other-owner")
    assert found.reason == 'another closte-bridge installation, on "host-1", now owns this network'
    assert "--take-over" in found.hint


def test_network_that_lost_its_owner_is_read_only() -> None:
    assert authority({"owner": None}).code == "owner-gone"


def test_missing_config_file_is_read_only() -> None:
    ledger, without = bound(config_path="/etc/x.yaml"), HERE._replace(config_missing=True)
    found = authority(ledger=ledger, here=without)
    assert (found.mode, found.code) == (Mode.READ_ONLY, "config-gone")
    assert (
        found.reason
        == 'the config file used at adoption ("/etc/x.yaml") is not in use: closte-bridge uses no config file'
    )
    found = authority(ledger=ledger, here=without._replace(config_path="/etc/y.yaml"))
    assert found.reason == (
        'the config file used at adoption ("/etc/x.yaml") is not in use: closte-bridge uses "/etc/y.yaml"'
    )


@pytest.mark.parametrize(
    ("network", "code", "shown"),
    [
        ({"domain": "copy.org"}, "identity-main-domain", True),
        ({"id": 2}, "identity-network-id", True),
        ({"database": "another"}, "identity-database", False),
        ({"app_id": None}, "identity-app-id", True),
    ],
)
def test_copy_is_read_only(network: dict[str, Any], code: str, shown: bool) -> None:
    found = authority({"network": network})
    assert (found.mode, found.code) == (Mode.READ_ONLY, code)
    assert ("(was " in found.reason) is shown


@pytest.mark.parametrize(
    ("network", "location", "changed"),
    [
        ({}, PLACE, 0),
        ({}, replace(PLACE, host="other"), 0),
        ({"domain": "new.org"}, PLACE, 0),
        ({"domain": "new.org"}, replace(PLACE, path="/elsewhere"), 2),
        ({"database": "another"}, PLACE, 1),
        ({"app_id": None}, PLACE, 1),
        ({"id": 2}, PLACE, 1),
        ({"database": "another", "domain": "copy.org"}, replace(PLACE, host="other"), 3),
    ],
)
def test_possible_clone_differs_from_allowed_changes(
    network: dict[str, Any], location: LedgerLocation, changed: int
) -> None:
    assert len(possible_clone(a_snapshot(network=network), bound(), location)) == changed


def test_unbound_ledger_is_no_clone() -> None:
    assert possible_clone(a_snapshot(), a_ledger(), PLACE) == ()


def test_environment_is_read_only_unless_the_config_allows_it() -> None:
    snapshot = {"network": {"environment": "staging"}}
    found = authority(snapshot)
    assert (found.mode, found.code) == (Mode.READ_ONLY, "environment")
    assert "`environments: [production, staging]`" in found.hint
    assert authority(snapshot, here=HERE._replace(environments=("staging",))).mode is Mode.FULL


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"domain_mapping": False, "integration": False}, "domain-mapping-off"),
        ({"integration": False}, "integration-off"),
    ],
)
def test_disabled_integration_is_inactive(settings: dict[str, Any], code: str) -> None:
    found = authority({"settings": settings})
    assert (found.mode, found.code) == (Mode.INACTIVE, code)


def test_read_only_reason_outranks_a_disabled_integration() -> None:
    off = {"settings": {"integration": False}}
    assert authority({**off, "owner": None}).mode is Mode.READ_ONLY
    assert authority(off, here=HERE._replace(key="key-2"), observed=UNREADABLE).code == "identity-key"
    assert authority(off, here=HERE._replace(key="key-2")).mode is Mode.INACTIVE


@pytest.mark.parametrize("location", [replace(PLACE, host="other"), replace(PLACE, path="/elsewhere"), None])
def test_moved_ledger_may_only_add(location: LedgerLocation | None) -> None:
    found = authority(ledger=bound(location=location))
    assert (found.mode, found.code, found.rebind) == (Mode.ADD_ONLY, "moved", False)


@pytest.mark.parametrize(
    ("observed", "proven"),
    [
        (a_list(*OURS), True),
        (a_list(*OURS[:9]), True),
        (a_list(*OURS[:8]), False),
        (partial(*OURS), False),
        (UNREADABLE, False),
    ],
)
def test_new_key_is_bound_if_its_list_matches_the_ledger(observed: Observed, proven: bool) -> None:
    found = authority(here=HERE._replace(key="key-2"), observed=observed)
    assert found == Authority(Mode.FULL, rebind=True) if proven else found.code == "identity-key"


def test_new_key_is_not_bound_without_managed_aliases() -> None:
    found = authority(ledger=replace(bound(), managed={}), here=HERE._replace(key="key-2"))
    assert found.code == "identity-key"


def test_missing_key_keeps_full_authority() -> None:
    assert authority(here=HERE._replace(key=None)).mode is Mode.FULL


@pytest.mark.parametrize(
    ("highest", "words"),
    [
        ((5, 7), None),
        ((6, 8), None),
        ((4, 7), "the highest site ID dropped from 5 to 4"),
        ((5, 6), "the highest mapping ID dropped from 7 to 6"),
    ],
)
def test_restored_database_is_detected_by_its_ids(highest: tuple[int, int], words: str | None) -> None:
    assert rollback_sign(a_snapshot(highest=highest), bound(highest_site=5, highest_mapping=7)) == words


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, None),
        (("a", 3), None),
        (("a", 4), None),
        (("b", 1), None),  # a new count: the option was deleted
        (("a", 2), "closte-bridge wrote report 3, but the last one in the database is 2"),
    ],
)
def test_restored_database_is_detected_by_its_reports(found: tuple[str, int] | None, words: str | None) -> None:
    assert rollback_sign(replace(a_snapshot(), reports=found), bound(reports=("a", 3))) == words
    assert rollback_sign(replace(a_snapshot(), reports=found), bound()) is None


def test_restored_database_stays_known_after_new_rows() -> None:
    ledger = bound(highest_site=5, highest_mapping=7, went_back="the highest mapping ID dropped from 7 to 6")
    assert rollback_sign(a_snapshot(highest=(9, 9)), ledger) == "the highest mapping ID dropped from 7 to 6"
