"""Failed writes to the ledger: a full disk, an unwritable folder, a process killed in a transaction."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import BridgeError
from closte_bridge.ledger.state import AliasPhase, Origin
from closte_bridge.ledger.store import Ledger, _translate
from tests.support.disks import needs_root, read_only, small_disk
from tests.support.ledgers import code_of, opened

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
MANY = [(f"name{number:06}.example.com", Origin.MAPPING) for number in range(40_000)]


def fill(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put_aliases(MANY, AliasPhase.PRESENT, NOW)


def with_one_alias(folder: Path) -> None:
    with opened(folder) as ledger, ledger.transaction():
        ledger.put_aliases([("x.com", Origin.PIN)], AliasPhase.PRESENT, NOW)


def test_full_disk_is_reported_without_loss(tmp_path: Path) -> None:
    with_one_alias(tmp_path / "state")
    with opened(tmp_path / "state") as ledger:
        (pages,) = ledger.query("PRAGMA page_count")
        ledger.query(f"PRAGMA max_page_count = {pages[0] + 5}")
        assert code_of(lambda: fill(ledger)) == "disk-full"
        assert ledger.state(NOW).managed == {"x.com": Origin.PIN}
        ledger.query("PRAGMA max_page_count = 1000000")
        fill(ledger)
    with opened(tmp_path / "state") as ledger:
        assert len(ledger.state(NOW).managed) == len(MANY) + 1


@needs_root
def test_full_file_system_is_reported_without_loss(folder: Path) -> None:
    with small_disk(folder, "512k"):
        with_one_alias(folder)
        with opened(folder) as ledger:
            assert code_of(lambda: fill(ledger)) == "disk-full"
        with opened(folder) as ledger:
            assert ledger.state(NOW).managed == {"x.com": Origin.PIN}


@needs_root
def test_file_system_without_space_for_a_ledger_is_reported_as_full(folder: Path) -> None:
    with small_disk(folder, "64k"):
        (folder / "ballast").write_bytes(b"x" * 60 * 1024)
        assert code_of(lambda: opened(folder)) == "disk-full"


@needs_root
def test_read_only_file_system_is_not_writable(folder: Path) -> None:
    with small_disk(folder, "1m"):
        with_one_alias(folder)
        with read_only(folder):
            assert code_of(lambda: opened(folder)) == "ledger-not-writable"


def test_unwritable_folder_differs_from_damage(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:
        # Root can write to every folder, so the test translates SQLite's error directly.
        said = sqlite3.OperationalError("unable to open database file")
        assert _translate(said, folder).code == "ledger-not-writable"
    else:
        assert code_of(lambda: opened(folder)) == "ledger-not-writable"


def test_uncreatable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BridgeError) as caught:
        Ledger.create(tmp_path / "file" / "state")
    assert caught.value.code == "state-folder"
    assert str(tmp_path / "file" / "state") in caught.value.message


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (sqlite3.OperationalError("database or disk is full"), "disk-full"),
        (sqlite3.OperationalError("database is locked"), "ledger-busy"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "ledger-not-writable"),
        (sqlite3.DatabaseError("database disk image is malformed"), "ledger-damaged"),
        (sqlite3.IntegrityError("UNIQUE constraint failed: meta.key"), "ledger-damaged"),
    ],
)
def test_sqlite_error_becomes_a_sentence_with_a_hint(tmp_path: Path, said: sqlite3.Error, code: str) -> None:
    error = _translate(said, tmp_path)
    assert (error.code, error.message.endswith("."), error.hint.endswith(".")) == (code, True, True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("SQLITE_IOERR_WRITE", "disk-error"),
        ("SQLITE_IOERR_FSYNC", "disk-error"),
        ("SQLITE_IOERR_SHMSIZE", "disk-error"),
        ("SQLITE_IOERR_SHORT_READ", "ledger-damaged"),
        ("SQLITE_CORRUPT", "ledger-damaged"),
    ],
)
def test_disk_error_differs_from_damage(tmp_path: Path, number: str, code: str) -> None:
    said = sqlite3.OperationalError("disk I/O error")
    said.sqlite_errorname = number
    assert _translate(said, tmp_path).code == code


_WRITER = """
import sys
from pathlib import Path
from closte_bridge.ledger.state import Origin, AliasPhase
from closte_bridge.ledger.store import Ledger

ledger = Ledger.create(Path(sys.argv[1]))
with ledger.transaction():
    ledger.put_aliases([("committed.com", Origin.PIN)], AliasPhase.ADDING, 0, absent_before=True)
with ledger.transaction():
    ledger.put_aliases([(f"name{n}.com", Origin.MAPPING) for n in range(20000)], AliasPhase.PRESENT, 0)
    print("in the middle", flush=True)
    sys.stdin.read()
"""


def test_process_killed_in_a_transaction_keeps_committed_data(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    with opened(folder) as ledger:
        state = ledger.state(NOW)
        assert state.unsettled.keys() == {"committed.com"}
        assert state.managed == {}
        fill(ledger)
