"""The state folder: its mode, the refusal of folders open to others, and the check before any change."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.folder import foresee, make_folder, unusable

if TYPE_CHECKING:
    from pathlib import Path


def test_check_of_a_creatable_folder_does_not_create_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    foresee(folder)
    assert not folder.parent.exists()
    make_folder(folder)
    foresee(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_folder_open_to_others_is_refused_beforehand(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(BridgeError, match="accessible to other users"):
        foresee(tmp_path)


def test_hint_for_an_uncreatable_folder_names_the_command_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a b"
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BridgeError) as caught:
        foresee(folder)
    assert caught.value.code == "state-folder"
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert caught.value.hint.startswith(f"Run `install -d -m 700 -o {user} '{folder}'`")

    def nobody(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(BridgeError) as caught:
        foresee(folder)
    assert f" -o {os.geteuid()} " in caught.value.hint


def test_hint_for_foreign_files_names_a_recursive_chown(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    error = unusable(tmp_path, PermissionError(13, "Permission denied"))
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert error.hint.startswith(f"Run `chown -R {user} {tmp_path}`")


def test_hint_for_a_folder_of_another_user_names_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = pwd.getpwuid(tmp_path.stat().st_uid).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    error = unusable(tmp_path, PermissionError(13, "Permission denied"))
    assert error.code == "other-user"
    assert f"`sudo -u {owner} closte-bridge …`" in error.hint


def test_hint_for_a_provisioned_network_names_its_wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (tmp_path / ".by-ansible").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    assert "`closte-bridge-as shop …`" in unusable(folder, PermissionError(13, "Permission denied")).hint
