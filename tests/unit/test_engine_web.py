"""Tests of the secret in the state folder."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine.web import SECRET_FILE, keep_secret, new_secret, shim_secret

if TYPE_CHECKING:
    from pathlib import Path


def test_secret_is_kept_for_this_user_only(tmp_path: Path) -> None:
    folder, secret = tmp_path / "state", new_secret()
    assert shim_secret(folder) is None
    keep_secret(folder, secret)
    assert shim_secret(folder) == secret
    assert stat.S_IMODE((folder / SECRET_FILE).stat().st_mode) == 0o600
    assert new_secret() != secret
    assert SECRET_FILE not in repr(secret)


@pytest.mark.parametrize("content", [b"", b"ab" * 31, b"AB" * 32, b"ab" * 33, b"ab" * 32 + b"\nab", b"\xff" * 64])
def test_damaged_secret_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SECRET_FILE).write_bytes(content)
    assert shim_secret(tmp_path) is None


def test_link_to_another_file_counts_as_none(tmp_path: Path) -> None:
    keep_secret(tmp_path / "state", new_secret())
    (tmp_path / SECRET_FILE).symlink_to(tmp_path / "state" / SECRET_FILE)
    assert shim_secret(tmp_path) is None
