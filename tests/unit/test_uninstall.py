"""`uninstall --purge` removes every file that closte-bridge keeps in the state folder, and no other."""

from __future__ import annotations

import io
import re
from fnmatch import fnmatch
from pathlib import Path

import closte_bridge
from closte_bridge.cli.commands.uninstall_purge import STATE_FILES, Purge
from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App


def test_each_file_of_the_state_folder_is_known() -> None:
    package = Path(closte_bridge.__file__).parent
    declared = re.compile(r'^[A-Z_]*FILE(?:_NAME)? = "([^"/]+)"', re.MULTILINE)
    names = {name for path in package.rglob("*.py") for name in declared.findall(path.read_text(encoding="utf-8"))}
    assert {"ledger.sqlite3", "lock", "heartbeat"} <= names, "The search itself is broken."
    assert [name for name in sorted(names) if not any(fnmatch(name, pattern) for pattern in STATE_FILES)] == []


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    """A person may have chosen a folder that contains other files."""
    other = [".ssh/id_rsa.12345678", "notes", "second/ledger.sqlite3", "ssh.conf"]
    for name in (*other, "ledger.sqlite3", "ledger.sqlite3-wal", ".shim-secret.0a1b2c3d", "ssh/lock", "heartbeat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    tmp_path.chmod(0o700)
    (tmp_path / "config.yaml").write_text(f"state_dir: {tmp_path}\n")
    console = Console(io.StringIO(), io.StringIO(), io.StringIO(), environ={})
    console.assume_yes = True
    environ = {"HOME": str(tmp_path), "CLOSTE_BRIDGE_CONFIG": str(tmp_path / "config.yaml")}
    app = App(console, environ, command="uninstall")
    done: list[str] = []
    ((problem, code),) = Purge(app, app.network()).remove(done)
    assert (problem.code, code, done) == ("not-purged", 1, [])
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*other, "config.yaml"}
