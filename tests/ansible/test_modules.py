"""Tests of how the modules use the output of closte-bridge, with a fake program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible.local import Local, calls, engine, envelope

if TYPE_CHECKING:
    from pathlib import Path

NONE = {"installed": "no", "version": None, "table": False, "owner": False}
THERE = {"installed": "yes", "version": "0.1.0", "table": True, "owner": True, "trigger_set": "auto"}


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


def network(local: Local, answers: dict[str, Any], *tasks: dict[str, Any]) -> str:
    """Run the module once for each of `tasks`, which are its options; continue after a failure."""
    module = {"name": "shop", "executable": str(engine(local.folder, **answers))}
    name = "closte_bridge.ops.closte_bridge_network"
    return local.tasks(*({"name": "Do it", name: module | options, "ignore_errors": True} for options in tasks))


def test_shim_with_outdated_paths_is_reinstalled(local: Local) -> None:
    done = envelope(THERE, 0, "shim-moved")
    said = network(local, {"shim_status": done, "shim_install": envelope()}, {"shim": "present"})
    assert "ignored=0" in said, said
    assert calls(local.folder)[-1].startswith("shim install ")


def test_integration_stays_unchanged_while_another_owner_is_active(local: Local) -> None:
    status = envelope({"integration": True})
    plan = envelope([], 7, "other-owner")
    said = network(local, {"integration": status, "plan": plan}, {"integration": False, "adopted": False})
    assert "ignored=1" in said, said
    assert 'Another installation owns "shop"' in said
    assert [call for call in calls(local.folder) if call.startswith("integration disable")] == []


def test_integration_state_is_saved_even_if_enabling_fails(local: Local) -> None:
    memory = local.folder / "shop.before"
    answers = {
        "integration_status": envelope({"integration": False}),
        "integration_enable": envelope(None, 5, "wp-status"),
        "plan": envelope([]),
    }
    said = network(local, answers, {"integration": True, "memory": str(memory)})
    assert "ignored=1" in said, said
    assert memory.read_text() == "off\n"


def test_missing_wordpress_fails_unless_missing_ok_is_set(local: Local) -> None:
    gone, may_be = {"state": "absent"}, {"state": "absent", "missing_ok": True}
    said = network(local, {"shim_status": envelope(None, 5, "wp-path")}, gone, may_be)
    assert "ignored=1" in said, said
    assert 'Nothing of "shop" was removed from WordPress: It is wp-path.' in " ".join(said.split())
    # Only for this reason: if WordPress cannot be read for another reason, the network stays.
    assert "ignored=1" in network(local, {"shim_status": envelope(None, 5, "wp-timeout")}, may_be)


@pytest.mark.parametrize("code", ["identity-database", "identity-key", "environment", "config-gone"])
def test_read_only_installation_is_reported_as_not_active(local: Local, code: str) -> None:
    """The module does not adopt it again either: a person has to choose the remedy."""
    answers = {
        "plan": envelope([], 0, code),
        "adopt": envelope(),
        "integration_status": envelope({"integration": False}),
    }
    said = network(local, answers, {"adopted": True, "integration": True})
    assert "ignored=1" in said, said
    assert f"It is {code}." in said
    assert "closte-bridge-as shop" in said
    assert [call for call in calls(local.folder) if not call.startswith("plan ")] == []


def test_add_only_installation_counts_as_active(local: Local) -> None:
    said = network(local, {"plan": envelope([], 0, "moved")}, {"adopted": True})
    assert "ignored=0" in said, said


def test_only_valid_network_names_are_queried(local: Local) -> None:
    """A separate file system has a folder that does not belong to a network."""
    for name in ("club", "lost+found", ".cache"):
        (local.folder / "state" / name).mkdir(parents=True)
    module = {"executable": str(engine(local.folder, plan=envelope([]))), "state_dir": str(local.folder / "state")}
    asked = {"name": "Ask", "closte_bridge.ops.closte_bridge_info": module, "register": "said"}
    shown = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ said.networks.keys() | join(' and ') }} it is"}}
    said = local.tasks(asked, shown)
    assert '"club it is"' in said, said
