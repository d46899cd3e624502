"""Single parts of the role that show what they do without a small machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ansible.local import Local, changed

if TYPE_CHECKING:
    from pathlib import Path

# A user that every Debian has, and that is nobody's to change.
SOMEBODY = "daemon"


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


@pytest.mark.parametrize("options", ["", "--extra-index-url=https://pypi.example.com --no-binary=:all:"])
def test_the_index_of_everybody_is_not_asked(local: Local, options: str) -> None:
    facts = {"os_family": "Other"}
    given = {"closte_bridge_version": "0.1.0", "closte_bridge_pip_args": options, "ansible_facts": facts}
    said = local.role("engine", given)
    assert "Say in closte_bridge_pip_args where" in " ".join(said.split()), said


def test_a_user_that_is_there_is_left_alone(local: Local) -> None:
    (local.folder / "etc").mkdir()
    part = {"name": "closte_bridge.ops.closte_bridge", "tasks_from": "owners"}
    users = [
        {"name": name, "ansible.builtin.include_role": part, "vars": {"closte_bridge_user": name}}
        for name in (SOMEBODY, "nobody-of-that-name")
    ]
    said = local.tasks(*users, check=True)
    assert said.count("Make the user for networks on other machines") == len(users)
    assert changed(said) == ["Note that the user is made here", "Make the user for networks on other machines"]
