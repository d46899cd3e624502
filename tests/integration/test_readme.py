"""Tests that the demo runs, shows the promised output, and leaves no files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.parts import REPOSITORY, is_mock_plugin

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def run_demo(folder: Path, *options: str, typed: str = "") -> str:
    """Run the demo and return its output. Assert that it succeeds and leaves no files in `folder`."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "script" / "lib" / "demo.py"), *options],
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stdout
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the demo and return its output."""
    return run_demo(tmp_path_factory.mktemp("demo"))


def steps(output: str) -> list[str]:
    """Return each command with its output, without durations."""
    parts = re.split(r"^(?=\$ )", re.sub(r"\d+\.\d+ s", "… s", output), flags=re.MULTILINE)
    return [part.split("\n\n")[0].strip() for part in parts if part.startswith("$ ")]


def step(output: str, command: str, number: int = 0) -> str:
    """Return the step with the given call of `command`, counted from 0."""
    return [part for part in steps(output) if part.split("\n")[0] == f"$ {command}"][number]


def test_demo_ends_with_its_result(demo: str) -> None:
    result, following = demo.rstrip("\n").split("\n\n")[-2:]
    assert re.fullmatch(r"Demo passed: all \d+ commands ended with the expected exit code\.", result.split("\n")[-1])
    assert "closte-bridge setup" in following


def test_demo_names_its_mocks(demo: str) -> None:
    assert ("a mock of Ultimate Multisite as the plugin" in demo) is is_mock_plugin()
    assert "Closte's side is the sandbox on this machine" in demo


def test_nothing_changes_before_adoption(demo: str) -> None:
    refused = step(demo, "closte-bridge sync --format=count")
    assert "Error: " in refused
    assert refused.endswith("(exit code 7)")


def test_the_second_sync_does_nothing(demo: str) -> None:
    first, second = step(demo, "closte-bridge sync", 0), step(demo, "closte-bridge sync", 1)
    assert re.search(r"^Success: .*\b6 of 6 domains", first, re.MULTILINE)
    assert "0 to add, 0 to remove, 10 " in second
    assert "1 API call (" in second


def test_failure_is_reported_and_retried(demo: str) -> None:
    failed = step(demo, "closte-bridge sync", 2)
    assert re.search(r"^Error: .*\b0 of 1 domain\b", failed, re.MULTILINE)
    assert failed.endswith("(exit code 4)")
    assert re.search(r"^Success: .*\b1 of 1 domain\b", step(demo, "closte-bridge sync --retry"), re.MULTILINE)


def test_removed_mapping_waits_and_is_then_removed(demo: str) -> None:
    assert re.search(r"^ +~- garden\.example\.org ", step(demo, "closte-bridge sync", 3), re.MULTILINE)
    assert re.search(r"^Success: .*\b1 of 1 domain\b", step(demo, "closte-bridge sync", 4), re.MULTILINE)


def test_mass_removal_waits_for_approval(demo: str) -> None:
    waiting = step(demo, "closte-bridge sync", 5)
    assert len(re.findall(r"^ +! +fair-202\d\.example\.org ", waiting, re.MULTILINE)) == 4
    assert "Success" not in waiting
    assert waiting.endswith("(exit code 3)")
    (applied,) = [part for part in steps(demo) if part.startswith("$ closte-bridge apply ")]
    assert re.search(r"^Success: .*\b4 of 4 domains", applied, re.MULTILINE)
    assert "0 to add, 0 to remove, 6 " in step(demo, "closte-bridge plan", -1)


def test_the_shell_of_the_demo_begins_as_in_the_tutorial(tmp_path: Path) -> None:
    tutorial = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
    shown = tutorial.partition("$ script/demo --shell\n")[2].partition("```")[0]
    printed = run_demo(tmp_path, "--shell", typed="closte-bridge integration test --format=json\n")
    assert printed.startswith(shown)
    assert json.loads(printed.removeprefix(shown))["status"] == "ok"
