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
