from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine import lock
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOLDER = """
import sys
from pathlib import Path
from closte_bridge.engine import lock

with lock.held(Path(sys.argv[1]), "sync --wait"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start another process that holds the lock until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refused(folder: Path) -> BridgeError:
    with pytest.raises(BridgeError) as caught, lock.held(folder, "sync"):
        pass
    return caught.value


def test_second_run_is_refused_and_names_the_holder(folder: Path, holder: subprocess.Popen[str]) -> None:
    error = refused(folder)
    assert (error.code, error.exit_code) == ("locked", ExitCode.LOCKED)
    assert error.message == f"Another run is in progress: process {holder.pid} (`sync --wait`), running for 0 minutes."
    since = lock.holder_since(folder)
    assert since is not None
    assert since <= time.time()


def test_lock_is_released_if_its_holder_is_killed(folder: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lock.held(folder, "sync"):
        pass


def test_lock_is_released_after_an_exception(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), lock.held(folder, "sync"):
            raise KeyboardInterrupt
    assert lock.holder_since(folder) is None


def test_folder_and_lock_file_are_private(folder: Path) -> None:
    with lock.held(folder, "sync"):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / lock.FILE_NAME).stat().st_mode & 0o777 == 0o600
        assert json.loads((folder / lock.FILE_NAME).read_text())["pid"] == os.getpid()


def test_second_run_in_one_process_is_refused(folder: Path) -> None:
    with lock.held(folder, "watch"):
        assert f"process {os.getpid()} (`watch`)" in refused(folder).message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"pid": "many", "since": 0, "command": ""}',
        b'{"pid": Infinity, "since": 0, "command": ""}',
        b'{"pid": 1, "command": ""}',
        b"[" * 1000,
    ],
)
def test_unidentified_holder_still_holds_the_lock(folder: Path, content: bytes) -> None:
    with lock.held(folder, "sync"):
        (folder / lock.FILE_NAME).write_bytes(content)
        assert refused(folder).message == "Another run is in progress: another process."
        assert lock.holder_since(folder) in {None, 0.0}


def test_holder_from_the_future_has_held_it_for_zero_minutes(folder: Path) -> None:
    with lock.held(folder, "sync"):
        (folder / lock.FILE_NAME).write_text(json.dumps({"pid": 7, "since": time.time() + 9999, "command": "sync"}))
        assert refused(folder).message == "Another run is in progress: process 7 (`sync`), running for 0 minutes."


def test_long_command_is_truncated(folder: Path) -> None:
    with lock.held(folder, "\N{PILE OF POO}" * 999):
        assert f"(`{chr(0x1F4A9) * 80}`)" in refused(folder).message


def test_full_disk_hides_the_holder_but_keeps_the_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lock.held(folder, "sync"):
        assert refused(folder).code == "locked"


def test_symlink_as_lock_file_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / lock.FILE_NAME).symlink_to(tmp_path / "elsewhere")
    assert refused(folder).code == "state-folder"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_open_to_others_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    assert refused(folder).code == "state-folder"


def test_uncreatable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refused(tmp_path / "file" / "state")
    assert error.code == "state-folder"
    assert "state" in error.message


def test_missing_folder_has_no_holder(folder: Path) -> None:
    assert lock.holder_since(folder) is None


def test_reading_the_lock_does_not_block_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads the lock holds it for a moment."""
    with lock.held(folder, "sync"):
        pass
    with (folder / lock.FILE_NAME).open("rb") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        monkeypatch.setattr("closte_bridge.engine.lock.time.sleep", lambda _: fcntl.flock(look, fcntl.LOCK_UN))
        with lock.held(folder, "sync"):
            assert lock.holder_since(folder) is not None
