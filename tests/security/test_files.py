"""Other users of the machine: files of closte-bridge that they could write, replace, link to or read."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from closte_bridge.config.key_file import read_key_file
from closte_bridge.config.load import load_config
from closte_bridge.engine import lock, loop, metrics, planfile, triggered
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError, ConfigError
from closte_bridge.ledger.store import Ledger
from tests.support.check_states import NOW, a_ledger, a_list, a_plan, a_snapshot
from tests.support.ledgers import opened
from tests.support.running import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from closte_bridge.engine.observation import Observation

ROOT = os.geteuid() == 0


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Set the umask 0, as a careless service manager does: new files are open to all users."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def modes(folder: Path) -> set[int]:
    return {path.lstat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.usefixtures("no_umask")
def test_files_are_private_with_any_umask(folder: Path) -> None:
    with lock.held(folder, "sync"), opened(folder) as ledger, ledger.transaction():
        ledger.save(("last_run", "1"))
        loop.touch(folder / loop.TRIGGER_FILE)
        triggered._note(folder, 1.0, 0, "")  # type: ignore[arg-type]  # any exit code
        write_whole(folder / "plan.json", b"{}")
        # SQLite's own files are included.
        assert {"ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "lock", "trigger"} <= {
            path.name for path in folder.iterdir()
        }
        assert modes(folder) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_opening_a_ledger_does_not_change_the_umask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The umask belongs to the whole process, which syncs several networks, and each `wp` inherits it."""
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
    with opened(folder):
        pass


@pytest.mark.parametrize("name", ["ledger.sqlite3", "lock", "trigger", "heartbeat", "triggered.lock"])
def test_symlinks_in_the_state_folder_are_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    before = victim.stat().st_mtime_ns
    folder.mkdir(mode=0o700)
    (folder / name).symlink_to(victim)

    def work() -> None:
        with lock.held(folder, "sync"), opened(folder):
            loop.touch(folder / name)
        with triggered._alone(folder):
            pass

    if name in {"trigger", "heartbeat"}:
        work()
    else:
        with pytest.raises((BridgeError, OSError)):
            work()
    assert victim.read_text() == "precious"
    assert victim.stat().st_mtime_ns == before


def write_a_plan(path: Path) -> None:
    snapshot = a_snapshot("new.com")
    planfile.write(
        path, a_plan(snapshot, a_list(), a_ledger()), cast("Observation", SimpleNamespace(snapshot=snapshot, now=NOW))
    )


def write_metrics(path: Path) -> None:
    metrics.write(path, b"metric 1\n")


@pytest.mark.parametrize("write", [write_a_plan, write_metrics])
def test_symlink_in_place_of_an_output_file_is_replaced(tmp_path: Path, write: Callable[[Path], None]) -> None:
    victim, target = tmp_path / "victim", tmp_path / "target"
    victim.write_text("precious")
    target.symlink_to(victim)
    write(target)
    assert victim.read_text() == "precious"
    assert not target.is_symlink()
    assert target.read_text()


def test_key_file_is_checked_and_read_through_one_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who swaps the file between check and read changes nothing: both use one open file."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.touch(0o600)
    good.write_text("the-good-key\n")
    bad.write_text("a-strangers-key\n")
    bad.chmod(0o644)
    real = os.open

    def swapped(path: Path, *arguments: int) -> int:
        descriptor = real(path, *arguments)
        bad.replace(good)
        return descriptor

    monkeypatch.setattr(os, "open", swapped)
    assert read_key_file(good, {}).reveal() == "the-good-key"
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="is accessible to other users"):
        read_key_file(good, {})


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_special_file_as_key_file_is_refused_immediately(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "key")
    with pytest.raises(ConfigError, match="is not a file"):
        read_key_file(tmp_path / "key", {})


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o777])
def test_world_writable_config_is_refused(tmp_path: Path, mode: int) -> None:
    """The config names commands that closte-bridge starts."""
    path = tmp_path / "config.yaml"
    path.write_text("on_problem: [/bin/sh, -c, id]\n")
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"HOME": str(tmp_path)})
    assert caught.value.code == "config-file"
    assert "world-writable" in caught.value.message
    assert str(path) in caught.value.hint
    path.chmod(0o644)
    assert load_config(path, {"HOME": str(tmp_path)}).networks


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_folder_or_ledger_of_another_user_is_refused(folder: Path) -> None:
    with opened(folder):
        pass
    ledger = folder / "ledger.sqlite3"
    os.chown(ledger, 65534, 65534)
    with pytest.raises(BridgeError) as caught:
        Ledger.create(folder)
    assert caught.value.code == "other-user"
    os.chown(folder, 65534, 65534)
    with pytest.raises(BridgeError) as caught:
        Ledger.create(folder)
    assert caught.value.code == "other-user"
    with pytest.raises(BridgeError) as caught, lock.held(folder, "sync"):
        pass
    assert caught.value.code == "other-user"


def test_one_of_many_concurrent_runs_gets_the_lock(folder: Path) -> None:
    many = 20
    start = threading.Barrier(many)
    # The first thread keeps the lock until all others have been refused.
    others = threading.Semaphore(0)
    inside: list[bool] = []
    refused: list[str] = []

    def work() -> None:
        start.wait(LIMIT_SECONDS)
        try:
            with lock.held(folder, "sync"):
                inside.append(all(others.acquire(timeout=LIMIT_SECONDS) for _ in range(many - 1)))
        except BridgeError as error:
            refused.append(error.code)
            others.release()

    threads = [threading.Thread(target=work) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == [True]
    assert refused == ["locked"] * (many - 1)


@pytest.mark.parametrize("text", ["{", "[" * 5000, '{"pid": "x"}', '{"since": 1e999}', "\x1b[2J" * 500, "\0" * 9000])
def test_lock_file_content_is_not_trusted(folder: Path, text: str) -> None:
    with lock.held(folder, "sync"):
        Path(folder / "lock").write_text(text)
        with pytest.raises(BridgeError) as caught, lock.held(folder, "plan"):
            pass
    assert caught.value.code == "locked"
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"action": "remove", "name": "../../etc/passwd"},
        {"action": "remove", "name": "--exec=x"},
        {"action": "rm -rf", "name": "a.com"},
        {"action": "remove", "name": "A.com"},
        {"action": "remove", "name": ["a.com"]},
    ],
)
def test_tampered_plan_is_refused(tmp_path: Path, change: object) -> None:
    document = {
        "kind": planfile.KIND,
        "version": 1,
        "network": "n",
        "database": "d",
        "created": "",
        "changes": [change],
    }
    (tmp_path / "plan").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="not a valid closte-bridge plan"):
        planfile.read(tmp_path / "plan")
