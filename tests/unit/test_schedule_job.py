"""The text of units and of crontab lines: programs, options and variables with special characters arrive unchanged."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from closte_bridge.schedule.job import Job, crontab_line, unit
from tests.support.parts import find_program

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '/srv/a b/100%/$HOME/it\'s "here"\\n;`id`'
JOB = Job(
    network="shop",
    program=("/opt/my bridge/closte-bridge",),
    options=(f"--config={HOSTILE}", "--network=shop"),
    environment={"HOME": "/home/me", "PATH": "/usr/bin:/bin", "XDG_STATE_HOME": HOSTILE},
    user="www-data",
)


def run_as_cron_does(line: str, cwd: Path) -> str:
    """Run a line as cron: the command ends at the first percent sign without a backslash."""
    command = line.split(" ", 5)[5].rstrip("\n")
    plain = command.replace("\\%", "\0")
    assert "%" not in plain
    done = subprocess.run(
        ["/bin/sh", "-c", plain.replace("\0", "%")], capture_output=True, text=True, check=True, cwd=cwd, env={}
    )
    return done.stdout + done.stderr


def test_crontab_line_runs_the_program_with_its_words(tmp_path: Path) -> None:
    program = tmp_path / "my 100% bridge"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$XDG_STATE_HOME" >{shlex.quote(str(tmp_path / "said"))}\n')
    program.chmod(0o755)
    line = crontab_line(JOB._replace(program=(str(program),)))
    assert line.startswith("*/5 * * * * PATH=/usr/bin:/bin XDG_STATE_HOME=")
    assert line.count("\n") == 1
    assert run_as_cron_does(line, tmp_path) == ""
    words = ["sync", f"--config={HOSTILE}", "--network=shop", "--quiet", HOSTILE]
    assert (tmp_path / "said").read_text().splitlines() == words


def test_unit_is_hardened_as_its_manager_allows() -> None:
    system, user = unit(JOB, system=True), unit(JOB, system=False)
    assert "\nUser=www-data\n" in system
    assert "\nCapabilityBoundingSet=\n" in system
    assert "WantedBy=multi-user.target" in system
    # Without capabilities, root could not read the site's files.
    assert "CapabilityBoundingSet" not in unit(JOB._replace(user="root"), system=True)
    # A namespace would give root's files to another user, and `ssh` refuses its configuration then.
    assert [line for line in user.splitlines() if line.startswith(("Protect", "Private", "Capab", "User="))] == []
    assert "NoNewPrivileges=yes\n" in user
    assert "WantedBy=default.target" in user
    for text in (system, user):
        assert "@" not in text


@pytest.mark.parametrize("system", [True, False])
def test_systemd_reads_the_unit_as_meant(tmp_path: Path, system: bool) -> None:
    file = tmp_path / "closte-bridge-shop.service"
    file.write_text(unit(JOB._replace(program=("/bin/true",), user="root"), system=system))
    argv = [find_program("systemd-analyze"), *([] if system else ["--user"]), "verify", "--man=no", str(file)]
    env = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert "closte-bridge-shop.service" not in done.stderr, done.stderr
    command = next(line for line in file.read_text().splitlines() if line.startswith("ExecStart="))
    assert (
        command
        == r'ExecStart=/bin/true watch "--config=/srv/a b/100%%/$$HOME/it' + "'" + r's \"here\"\\n;`id`" --network=shop'
    )
