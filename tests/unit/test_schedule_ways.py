"""Writing and removing a schedule: what a person wrote or changed stays, and a step that fails is undone."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import BridgeError
from closte_bridge.schedule.cron import Crontab
from closte_bridge.schedule.job import Job
from closte_bridge.schedule.marks import Condition
from closte_bridge.schedule.systemd import SystemdUnit
from tests.support.running import write_script
from tests.support.schedulers import write_schedulers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JOB = Job("shop", ("/opt/closte-bridge",), ("--config=/etc/one.yaml", "--network=shop"), {}, "root")
NEWER = JOB._replace(program=("/opt/new/closte-bridge",))
ELSEWHERE = JOB._replace(options=("--config=/etc/two.yaml", "--network=shop"))
USER = pwd.getpwuid(os.geteuid()).pw_name
MINE = "MAILTO=me\n0 1 * * * backup\n"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """Provide the fake programs; `systemctl` notes its calls, and fails for those in the file `refused`."""
    folder = write_schedulers(tmp_path / "bin")
    script = f'echo "$*" >>{folder}/calls; [ ! -e {folder}/refused ] || ! grep -qxF "$2" {folder}/refused'
    write_script(folder / "systemctl", script)
    write_script(folder / "loginctl", f'echo "loginctl $*" >>{folder}/calls')
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(tmp_path)}


def calls(folder: Path) -> list[str]:
    return (folder / "bin" / "calls").read_text().splitlines()


def test_lines_of_a_person_stay_in_the_crontab(environ: Mapping[str, str], tmp_path: Path) -> None:
    table = tmp_path / "bin" / "table"
    table.write_text(MINE.rstrip("\n"))
    way = Crontab(environ)
    assert (way.is_available(), way.condition(JOB)) == (True, Condition.MISSING)
    way.install(JOB)
    way.install(JOB._replace(network="other"))
    assert table.read_text().startswith(MINE)
    assert (way.condition(JOB), way.condition(NEWER), way.condition(ELSEWHERE)) == (
        Condition.CURRENT,
        Condition.OUTDATED,
        Condition.OTHER,
    )
    way.install(NEWER)
    assert table.read_text().count("sync") == 2
    table.write_text(table.read_text().replace("*/5", "*/9", 1))
    assert (way.condition(NEWER), way.removable("shop"), way.removable("other")) == (Condition.CHANGED, False, True)
    way.uninstall("other")
    way.uninstall("shop")
    assert table.read_text() == MINE


def test_crontab_with_only_our_line_is_removed(environ: Mapping[str, str], tmp_path: Path) -> None:
    way = Crontab(environ)
    way.install(JOB)
    way.uninstall("shop")
    assert not (tmp_path / "bin" / "table").exists()
    assert way.present("shop") == ""


def test_unreadable_crontab_is_not_replaced(environ: Mapping[str, str], tmp_path: Path) -> None:
    write_script(tmp_path / "bin" / "crontab", 'echo "you are not allowed" >&2; exit 1')
    way = Crontab(environ)
    assert not way.is_available()
    with pytest.raises(BridgeError, match="`crontab -l` failed: you are not allowed"):
        way.install(JOB)


def test_unit_of_a_user_is_written_enabled_and_removed(environ: Mapping[str, str], tmp_path: Path) -> None:
    way = SystemdUnit(environ, system=False)
    path = tmp_path / ".config/systemd/user/closte-bridge-shop.service"
    assert (way.is_available(), way.condition(JOB)) == (True, Condition.MISSING)
    (tmp_path / "bin" / "calls").unlink()
    assert way.install(JOB) == []
    name = path.name
    (show,) = [call for call in calls(tmp_path) if call.startswith("loginctl show")]
    assert [call for call in calls(tmp_path) if call != show] == [
        "--user daemon-reload", f"--user enable {name}", f"--user restart {name}", f"loginctl enable-linger {USER}",
    ]  # fmt: skip
    assert (way.condition(JOB), way.condition(NEWER), way.condition(ELSEWHERE)) == (
        Condition.CURRENT,
        Condition.OUTDATED,
        Condition.OTHER,
    )
    path.write_text(path.read_text().replace("RestartSec=30", "RestartSec=5"))
    assert (way.condition(NEWER), way.removable("shop")) == (Condition.CHANGED, False)
    path.write_text("[Service]\nExecStart=/mine\n")
    assert (way.condition(JOB), way.removable("shop")) == (Condition.OTHER, None)
    way.uninstall("shop")
    assert not path.exists()
    assert calls(tmp_path)[-2:] == [f"--user disable --now {name}", "--user daemon-reload"]


def test_unit_that_does_not_start_is_undone(environ: Mapping[str, str], tmp_path: Path) -> None:
    way = SystemdUnit(environ, system=False)
    path = tmp_path / ".config/systemd/user/closte-bridge-shop.service"
    (tmp_path / "bin" / "refused").write_text("restart\n")
    with pytest.raises(BridgeError, match="`systemctl --user restart closte-bridge-shop"):
        way.install(JOB)
    assert not path.exists()
    (tmp_path / "bin" / "refused").unlink()
    way.install(JOB)
    before = path.read_text()
    (tmp_path / "bin" / "refused").write_text("restart\n")
    with pytest.raises(BridgeError):
        way.install(NEWER)
    assert path.read_text() == before


def test_stopped_unit_is_offered_again(environ: Mapping[str, str], tmp_path: Path) -> None:
    way = SystemdUnit(environ, system=False)
    way.install(JOB)
    (tmp_path / "bin" / "refused").write_text("is-active\n")
    assert way.condition(JOB) is Condition.OUTDATED


def test_missing_linger_is_a_warning(environ: Mapping[str, str], tmp_path: Path) -> None:
    write_script(tmp_path / "bin" / "loginctl", "exit 1")
    (trouble,) = SystemdUnit(environ, system=False).install(JOB)
    assert (trouble.code, trouble.hint) == ("schedule-linger", f"Run `sudo loginctl enable-linger {USER}`.")
