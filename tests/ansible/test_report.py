"""Tests of how a report presents the answers of hosts, without any host."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from tests.ansible.fleet import COLLECTION

if TYPE_CHECKING:
    from types import ModuleType


def plugin(path: str) -> ModuleType:
    """Load a plugin of the collection that does not need Ansible."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), COLLECTION / "plugins" / f"{path}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def envelope(data: object = None, code: int = 0, **problems: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": 1,
        "status": "ok",
        "exit_code": code,
        "data": data,
        "errors": [],
        "warnings": [],
        "notes": [],
    } | problems


def line(change: str, domain: str = "example.org", status: str = "planned") -> dict[str, Any]:
    return {"domain": domain, "change": change, "status": status, "reason": "why", "until": None, "network": "shop"}


def rows(**networks: dict[str, Any]) -> list[dict[str, Any]]:
    found = plugin("filter/fleet").fleet({"web1": {"networks": networks, "problems": {}}})
    assert isinstance(found, list)
    return found


def test_network_in_sync_is_reported_as_ok() -> None:
    (row,) = rows(shop={"plan": envelope([line("", status="unmanaged")])})
    assert (row["state"], row["text"], row["unmanaged"], row["changes"]) == ("ok", "in sync", 1, [])


def test_missing_records_count_as_pending() -> None:
    (row,) = rows(shop={"plan": envelope([line("record"), line("add", "www.example.org", "on-hold")])})
    assert (row["state"], row["record"], row["on-hold"], row["add"]) == ("pending", 1, 1, 0)


def test_disabled_integration_needs_attention() -> None:
    off = envelope({"integration": False, "domain_mapping": True})
    (row,) = rows(shop={"plan": envelope([]), "status": off})
    assert row["state"] == "attention"
    assert row["text"] == "closte-bridge changes nothing: the Closte integration is disabled in Ultimate Multisite."


def test_problem_in_two_answers_is_reported_once() -> None:
    problem = {"code": "no-key", "message": "No API key.", "hint": "Give one.", "domain": None}
    (row,) = rows(shop={"plan": envelope(code=2, errors=[problem]), "status": envelope({}, warnings=[problem])})
    assert (row["state"], row["text"], row["remarks"]) == ("broken", "No API key. Give one.", ["No API key. Give one."])


def test_rows_are_sorted_worst_first_with_unreachable_hosts() -> None:
    fleet = plugin("filter/fleet")
    well = {"networks": {"shop": {"plan": envelope([])}}, "problems": {}}
    problems = {"networks": {"club": {}}, "problems": {"club": "It gave no JSON."}}
    answers = {"web1": well, "web2": problems, "web3": {"unreachable": True, "msg": "Refused\n"}, "web4": {}}
    found = fleet.fleet(answers)
    assert [(row["host"], row["state"], row["text"]) for row in found] == [
        ("web2", "broken", "It gave no JSON."),
        ("web3", "broken", "Refused"),
        ("web4", "broken", "The host did not answer."),
        ("web1", "ok", "in sync"),
    ]
    table = fleet.fleet_table(found)
    assert table[0].split() == [
        "HOST",
        "NETWORK",
        "STATE",
        "ADD",
        "REMOVE",
        "RECORD",
        "ON-HOLD",
        "NEEDS-APPROVAL",
        "DETAILS",
    ]
    assert table[2].split() == ["web3", "-", "broken", "0", "0", "0", "0", "0", "Refused"]
    assert len({text.index(row["text"]) for text, row in zip(table[1:], found, strict=True)}) == 1


def test_sync_changes_are_grouped_by_action() -> None:
    done = [
        line("record", "new.example.org", "done"),
        line("stage", "b.example.org", "done"),
        line("add", "a.example.org"),
    ]
    left = [
        line("add", "c.example.org", "on-hold"),
        line("record", "d.example.org", "failed"),
        line("", "e.example.org"),
    ]
    assert plugin("module_utils/bridge").changes(envelope([*done, *left])) == {
        "add": ["a.example.org"],
        "remove": [],
        "stage": ["b.example.org"],
        "record": ["new.example.org"],
    }
