"""Opening a ledger: which files and folders closte-bridge accepts, and how it reports the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from closte_bridge.ledger.state import AliasPhase, LedgerState, Origin
from closte_bridge.ledger.store import FILE_NAME, Ledger
from tests.support.ledgers import code_of, opened

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0


def test_new_ledger_is_empty_and_private(folder: Path, ledger: Ledger) -> None:
    assert ledger.state(NOW) == LedgerState()
    assert ledger.engine_id() is None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_missing_ledger_is_not_created_unless_requested(folder: Path) -> None:
    assert Ledger.open(folder) is None
    folder.mkdir(mode=0o700)
    assert Ledger.open(folder) is None
    assert not list(folder.iterdir())


def test_committed_data_remains_after_reopening(folder: Path) -> None:
    with opened(folder) as first, first.transaction():
        first.put_aliases([("x.com", Origin.MAPPING)], AliasPhase.PRESENT, NOW)
    second = Ledger.open(folder)
    assert second is not None
    with second:
        assert second.state(NOW).managed == {"x.com": Origin.MAPPING}


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)
    assert code_of(lambda: Ledger.create(folder)) == "state-folder"


def test_symlink_as_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    folder.symlink_to(real)
    assert code_of(lambda: Ledger.create(folder)) == "state-folder"


def test_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.touch()
    assert code_of(lambda: Ledger.create(folder)) == "state-folder"


def test_another_users_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert code_of(lambda: Ledger.create(folder)) == "other-user"


def test_another_users_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(folder).close()
    answers = iter([folder.stat().st_uid, folder.stat().st_uid + 1])
    monkeypatch.setattr(os, "geteuid", lambda: next(answers))
    assert code_of(lambda: Ledger.create(folder)) == "other-user"


def test_symlink_as_ledger_file_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    assert code_of(lambda: Ledger.create(folder)) == "other-user"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_damaged_file_is_reported_and_left_unchanged(folder: Path, content: bytes) -> None:
    folder.mkdir(mode=0o700)
    path = folder / FILE_NAME
    path.write_bytes(content)
    assert code_of(lambda: Ledger.create(folder)) == "ledger-damaged"
    assert path.read_bytes() == content


def test_folder_in_place_of_the_file_is_not_writable(folder: Path) -> None:
    (folder / FILE_NAME).mkdir(parents=True)
    folder.chmod(0o700)
    assert code_of(lambda: Ledger.create(folder)) == "ledger-not-writable"


def test_ledger_in_use_is_busy(folder: Path, ledger: Ledger) -> None:
    with opened(folder) as other:
        other._connection.execute("PRAGMA busy_timeout = 1")
        with ledger.transaction():
            assert code_of(lambda: other.transaction().__enter__()) == "ledger-busy"


def test_ledger_is_readable_during_a_write(folder: Path, ledger: Ledger) -> None:
    with opened(folder) as other, ledger.transaction():
        ledger.save(("a", "1"))
        assert other.meta() == {}
