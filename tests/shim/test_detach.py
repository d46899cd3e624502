"""Starting a program in the background, also with a `setsid` that only appears to do so."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from closte_bridge.shim.detach import find_way, same_way, ways, works
from tests.support.running import wait_until, write_script

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# BusyBox's `setsid` has no such option, and its program stays in the foreground.
BUSYBOX = 'case $1 in -*) echo "setsid: unrecognized option" >&2; exit 1;; esac; exec "$@"'


def with_setsid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    program = write_script(tmp_path / "setsid", text)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return str(program)


def test_usual_setsid_is_used_with_fork() -> None:
    assert find_way() == [shutil.which("setsid"), "--fork"]


def test_busybox_setsid_is_run_through_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setsid = with_setsid(tmp_path, monkeypatch, BUSYBOX)
    assert not works([setsid, "--fork"])
    assert not works([setsid], patience=0.3), "it waits for what it starts"
    way = find_way()
    assert way
    assert (way[0], way[-1]) == ("/bin/sh", setsid)


def test_broken_setsid_is_replaced_by_another_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_setsid(tmp_path, monkeypatch, "exit 0")
    assert not works(ways()[0], patience=0.3)
    assert works(ways()[-1])


def test_program_may_have_several_paths(tmp_path: Path) -> None:
    link = tmp_path / "setsid"
    way = ways()[0]
    link.symlink_to(way[0])
    assert same_way(way, [str(link), "--fork"])
    assert not any(same_way(way, other) for other in ([], [str(link)], ["/tmp/setsid", "--fork"]))


def test_missing_program_starts_nothing() -> None:
    assert not works(["/no/such/program"])


def test_arguments_are_not_interpreted_by_a_shell(tmp_path: Path) -> None:
    """Every method passes the arguments on unchanged, even through a shell."""
    sign = tmp_path / 'it\'s "quoted" $(touch executed) `touch executed` ;\n &'
    program = write_script(tmp_path / "program", 'sleep 0.1; echo "$2" >"$1"')
    for way in ways():
        subprocess.run([*way, str(program), str(sign), "$HOME"], check=True, cwd=tmp_path)
        wait_until(lambda: sign.exists() and bool(sign.read_text()))
        assert sign.read_text() == "$HOME\n"
        sign.unlink()
    assert not (tmp_path / "executed").exists()
