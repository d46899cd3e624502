"""A trial start of closte-bridge, as the shim starts it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from closte_bridge.shim.probe import probe
from tests.support.running import write_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[ "$*" = --version ] && echo closte-bridge 1', ""),
        ('[ "${HOME-}" = /home/web ] && [ -z "${PYTHONPATH-}" ] && [ "$(pwd)" = / ] && echo closte-bridge', ""),
        ("echo closte-bridge; exit 3", "exited with code 3 without printing its version"),
        ("echo something else", "exited with code 0 without printing its version"),
        ("exec sleep 600", "timed out after 1 s"),
    ],
)
def test_probe_reports_how_the_program_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wrong: str
) -> None:
    program = write_script(tmp_path / "closte-bridge", text)
    monkeypatch.setattr(sys, "argv", [str(program)])
    told = probe({"HOME": "/home/web", "PYTHONPATH": "/elsewhere"}, patience=1.0)
    assert told == (f'"{program}" {wrong}' if wrong else "")


def test_program_that_cannot_be_started_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "closte-bridge"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert probe({}) == f'"{program}" could not be started (No such file or directory)'
