"""Tests of `log`: the period, one domain, and new entries as they are written."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli.console import Console
from closte_bridge.cli.main import run
from closte_bridge.ledger.log import LogAction, LogEntry, append
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DAY = 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a config and with a ledger in which 0.test is the newest entry, 9.test the oldest."""
    (tmp_path / "config.yaml").write_text("state_dir: state\n")
    now = time.time()
    midnight = now // DAY * DAY
    # Twice a day at noon and in the evening, so that the end of a period is never near an entry.
    moments = [midnight - day * DAY - hours * 3600 for day in range(5) for hours in (6, 12)]
    write(tmp_path, [(at, f"{number}.test") for number, at in reversed([*enumerate(moments)])])
    return tmp_path


def write(folder: Path, entries: Iterable[tuple[float, str]]) -> None:
    with opened(folder / "state") as ledger, ledger.transaction():
        append(ledger, [LogEntry(at, "r", LogAction.ADD, name, "mapped", "done") for at, name in entries])


def log(folder: Path, *argv: str) -> tuple[int, str, str]:
    streams = io.StringIO(), io.StringIO(), io.StringIO()
    code = run(["log", f"--config={folder}/config.yaml", *argv], console=Console(*streams, environ={}), environ={})
    return code, streams[1].getvalue(), streams[2].getvalue()


@pytest.mark.parametrize(
    ("period", "names"),
    [
        (("--since=yesterday",), "1.test 0.test"),
        (("--since=today",), ""),
        (("--until=yesterday", "--limit=2"), "3.test 2.test"),
        (("--since=10d", "--until=yesterday"), "9.test 8.test 7.test 6.test 5.test 4.test 3.test 2.test"),
        (("--until=2001-01-01",), ""),
        (("--domain=4.test",), "4.test"),
    ],
)
def test_period_and_domain_choose_the_entries(folder: Path, period: tuple[str, ...], names: str) -> None:
    code, out, _ = log(folder, *period, "--field=domain")
    assert (code, out.split()) == (0, names.split())


def test_limit_says_that_older_entries_exist(folder: Path) -> None:
    assert log(folder, "--limit=4", "--until=yesterday")[2] == (
        "Warning: 4 older entries are not shown.\nShow all with `--limit=8`.\n"
    )


@pytest.mark.parametrize(
    "options", [("--until=someday",), ("--follow", "--until=today"), ("--follow", "--format=yaml")], ids="".join
)
def test_invalid_options_are_usage_errors(folder: Path, options: tuple[str, ...]) -> None:
    code, out, err = log(folder, *options)
    assert (code, out, err.startswith("Error: ")) == (2, "", True)


def test_new_entries_are_printed_until_the_interruption(folder: Path) -> None:
    argv = [sys.executable, "-m", "closte_bridge", "log", f"--config={folder}/config.yaml"]
    options = ["--follow", "--since=yesterday", "--fields=action,domain", "--format=csv"]
    with subprocess.Popen([*argv, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines == ["action,domain\n", "add,1.test\n", "add,0.test\n"]
        for name in ("new.test", "other.test"):
            write(folder, [(time.time(), name)])
            assert process.stdout.readline() == f"add,{name}\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
