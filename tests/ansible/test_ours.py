"""Tests of which files the role manages, and which it leaves alone: manual installations and shared folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ansible.local import FAR, Local, changed

if TYPE_CHECKING:
    from pathlib import Path

STATES = ["present", "absent"]
FOLDERS = ["opt", "etc", "state"]
MARK = ".by-ansible"
# The role continues to its next check, which fails and shows that all checks before it passed.
NEXT = "Install node_exporter"


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


def play(local: Local, state: str, **variables: object) -> str:
    """Run the whole role in check mode, so that it shows its changes without making them."""
    given = {"closte_bridge_state": state, "ansible_facts": {"os_family": "Other"}}
    return local.role("main", given | {"closte_bridge_metrics_dir": str(local.folder / "no-exporter")} | variables)


def provisioned(local: Local) -> None:
    """Create the files of an earlier role version, which did not mark its folders."""
    for folder in ("opt", "etc/keys", "state/club"):
        (local.folder / folder).mkdir(parents=True)
    (local.folder / "opt" / "installed").touch()
    (local.folder / "etc" / "config.yaml").write_text(f"networks:\n  club:\n    state_dir: {local.folder}/state/club\n")


@pytest.mark.parametrize(("state", "marked"), [("present", False), ("absent", True)])
def test_ledger_of_a_manual_installation_is_kept(local: Local, state: str, marked: bool) -> None:
    provisioned(local)
    (local.folder / "state" / "ledger.sqlite3").touch()
    if marked:
        (local.folder / "state" / MARK).touch()
    said = play(local, state)
    assert said.endswith("ended with 2"), said
    assert f"{local.folder}/state has the ledger of a manual installation" in said
    assert "docs/how-to/migrate-to-ansible.md" in said
    assert changed(said) == []


@pytest.mark.parametrize(("state", "folder"), list(zip(["absent", "present", "absent"], FOLDERS, strict=True)))
def test_unmarked_existing_folder_is_kept(local: Local, state: str, folder: str) -> None:
    """For example the virtual environment, the config and the ledgers of a manual installation, or /opt itself."""
    (local.folder / folder / "lib").mkdir(parents=True)
    said = play(local, state, closte_bridge_networks=[FAR, FAR | {"name": "lib"}], closte_bridge_runner="cron")
    assert said.endswith("ended with 2"), said
    assert f"{local.folder}/{folder} already exists and was not created by this role" in " ".join(said.split()), said
    assert changed(said) == []


def test_logs_are_not_written_to_an_unmarked_folder(local: Local) -> None:
    (local.folder / "log").mkdir()
    said = play(local, "present", closte_bridge_runner="cron")
    assert f"{local.folder}/log already exists and was not created by this role" in " ".join(said.split()), said
    assert changed(said) == []
    # Another runner writes nothing there.
    assert NEXT in play(local, "present")


@pytest.mark.parametrize("state", STATES)
def test_older_unmarked_installation_is_recognised_and_marked(local: Local, state: str) -> None:
    provisioned(local)
    said = play(local, state)
    mark = "Mark folders created by earlier versions of this role"
    assert changed(said)[:3] == [f"{mark} ({local.folder}/{name}/{MARK})" for name in sorted(FOLDERS)]
    assert ("Remove files shared by all networks" in said) is (state == "absent")
    assert (NEXT in said) is (state == "present")


@pytest.mark.parametrize(
    ("state", "name", "folder"),
    [("absent", "home", "/opt"), ("present", "log_dir", "/var/log/"), ("absent", "state_dir", "/var/lib")],
)
def test_shared_system_folders_are_refused(local: Local, state: str, name: str, folder: str) -> None:
    """The content does not matter: an earlier version of the role used these folders, and left its own files there."""
    said = play(local, state, **{f"closte_bridge_{name}": folder})
    assert said.endswith("ended with 2"), said
    assert f"closte_bridge_{name} is set to the shared system directory {folder}" in said
    assert changed(said) == []


def test_parent_of_the_role_folders_is_refused(local: Local) -> None:
    provisioned(local)
    said = play(local, "absent", closte_bridge_state_dir=str(local.folder))
    assert f"{local.folder} already exists and was not created by this role" in " ".join(said.split()), said
    assert changed(said) == []


def test_missing_folders_are_not_marked(local: Local) -> None:
    provisioned(local)
    for folder in ("state/club", "state"):
        (local.folder / folder).rmdir()
    said = play(local, "absent")
    assert said.endswith("ended with 0"), said
    assert [line for line in changed(said) if line.endswith(f"{local.folder}/state/{MARK})")] == []


@pytest.mark.parametrize("state", STATES)
def test_marked_folders_belong_to_the_role(local: Local, state: str) -> None:
    for folder in FOLDERS:
        (local.folder / folder).mkdir()
        (local.folder / folder / MARK).touch()
    said = play(local, state)
    assert [line for line in changed(said) if "Mark" in line] == []
    assert ("Remove files shared by all networks" in said) is (state == "absent")
    assert (NEXT in said) is (state == "present")


def test_folders_are_marked_immediately_after_creation(local: Local) -> None:
    """If a play fails right after the creation, the next play must recognise the folders as the role's own."""
    wheel = local.folder / "closte_bridge-0.1.0-py3-none-any.whl"
    wheel.touch()
    done = changed(play(local, "present", closte_bridge_metrics_dir="", closte_bridge_wheel=str(wheel)))
    marks = [f"Mark the folders as created by the role ({local.folder}/{name})" for name in FOLDERS]
    assert sorted(done[3:5]) == sorted(marks[1:])
    assert done[5:7] == ["Create the program folder", marks[0]]


@pytest.mark.parametrize("others", [True, False])
def test_log_folder_is_removed_only_if_empty(local: Local, others: bool) -> None:
    (local.folder / "log").mkdir()
    (local.folder / "log" / MARK).touch()
    if others:
        (local.folder / "log" / "syslog").touch()
    gone = changed(play(local, "absent"))
    assert ("Remove the log folder" in gone) is not others
    assert [line for line in gone if f"{local.folder}/log" in line] == []


def test_log_rotation_lists_only_the_networks_of_the_role(local: Local) -> None:
    owners = {
        "_closte_bridge_owners": {"club": "daemon", "shop": "daemon"},
        "_closte_bridge_groups": {"daemon": "daemon"},
    }
    said = local.role("cron", owners | {"closte_bridge_networks": [FAR, FAR | {"name": "shop"}]})
    assert f"+{local.folder}/log/club.log\n+{local.folder}/log/shop.log {{\n" in said, said
