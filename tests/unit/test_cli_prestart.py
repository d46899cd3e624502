"""Tests of the pre-start of `wp`: closte-bridge uses it only if the guessed command line is correct."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from closte_bridge.__main__ import EARLY
from closte_bridge.cli.prestart import begin, guess
from closte_bridge.cli.root import COMMANDS
from closte_bridge.config.load import load_config
from closte_bridge.wordpress.process import Prestart
from closte_bridge.wordpress.wp import command_line
from tests.support.processes import ended
from tests.support.running import wait_until, write_script

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "wp: {command: [php, ~/wp.phar], path: site, allow_root: true}"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose home folder, and so whose default config location, is `tmp_path`."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def configure(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["", "wildcard: true", "wp: {command: [~/wp, --x]}", "wp: {path: ~/site}", PLAIN])
def test_guessed_command_line_matches_the_settings(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    path = configure(tmp_path, text)
    (settings,) = load_config(path, environ).networks.values()
    given = [f"--config={path}", "--quiet", "--format=json", "example.org"]
    assert guess(given, environ) == command_line(settings.wp)
    assert guess(["--config=~/config.yaml"], environ) == command_line(settings.wp)


def test_guess_considers_options_and_the_default_config(tmp_path: Path, environ: dict[str, str]) -> None:
    assert guess([], environ) == command_line(load_config(None, environ).networks["default"].wp)
    config = configure(tmp_path, PLAIN)
    environ["CLOSTE_BRIDGE_CONFIG"] = str(config)
    guessed = guess(["--path=/elsewhere", "--allow-root"], environ)
    assert guessed is not None
    assert guessed[:2] == ["php", "~/wp.phar"]
    assert guessed[-2:] == ["--path=/elsewhere", "--allow-root"]


@pytest.mark.parametrize(
    "option",
    [
        "--wait",
        "--triggered",
        "--help",
        "--config",
        "--ssh=user@host",
        "--url=x",
        "--network=a",
        "--all",
        "--skip-plugins",
    ],
)
def test_unusual_option_prevents_a_prestart(environ: dict[str, str], option: str) -> None:
    assert guess([option, "x"], environ) is None


@pytest.mark.parametrize(
    "text",
    [
        "networks: {a: {}}",
        "wp: {ssh: user@host}",
        'wp: {alias: "@prod"}',
        "wp: {url: example.org}",
        "wp: []",
        "wp: {command: wp}",
        "wp: {command: []}",
        "wp: {command: [1]}",
        "wp: {path: 7}",
        'wp: {path: "a\\nb"}',
        "wp: {path: a, path: b}",
        ": :",
        "wp: &a [*a]",
    ],
)
def test_unusual_configuration_prevents_a_prestart(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    assert begin([f"--config={configure(tmp_path, text)}"], environ) is None


def test_missing_configuration_or_wp_prevents_a_prestart(tmp_path: Path, environ: dict[str, str]) -> None:
    assert begin([f"--config={tmp_path / 'none'}"], environ) is None
    config = configure(tmp_path, f"wp: {{command: [{tmp_path / 'none'}]}}")
    assert begin([f"--config={config}"], environ) is None


def test_every_prestarted_command_exists() -> None:
    assert set(EARLY) < set(COMMANDS)


def test_prestart_is_used_for_the_identical_command_line_only(tmp_path: Path) -> None:
    wp = str(write_script(tmp_path / "wp", "exec sleep 600"))
    head = Prestart([wp, "a"])
    process = head.take([wp, "a"])
    assert process is not None
    head.drop()
    assert process.poll() is None
    process.kill()
    with process:
        pass
    assert head.take([wp, "a"]) is None
    other = Prestart([wp, "a"])
    started = other._process
    assert started is not None
    assert other.take([wp, "b"]) is None
    assert ended(started.pid)


@pytest.mark.parametrize("argv", [["sync", "--no-such-option=1"], ["sync", "--quiet", "-x"], ["plan", "*"]])
def test_failed_command_leaves_no_prestarted_wp(tmp_path: Path, argv: list[str]) -> None:
    """The first two commands pre-start no `wp`; the third fails on its argument while its `wp` runs."""
    wp = write_script(tmp_path / "wp", f"echo $$ >{tmp_path}/pid; exec sleep 600")
    config = configure(tmp_path, f"wp: {{command: [{wp}]}}\nstate_dir: {tmp_path}/state\nunknown: 1")
    done = subprocess.run(
        [sys.executable, "-m", "closte_bridge", *argv, f"--config={config}"], capture_output=True, check=False
    )
    assert done.returncode == 2, done
    assert b"Traceback" not in done.stderr
    if (tmp_path / "pid").exists():
        wait_until(lambda: ended(int((tmp_path / "pid").read_text())))


def test_run_starts_wp_once(tmp_path: Path) -> None:
    wp = write_script(tmp_path / "wp", f"echo started >>{tmp_path}/calls; cat >{tmp_path}/script; exit 3")
    config = configure(tmp_path, f"wp: {{command: [{wp}]}}\nstate_dir: {tmp_path}/state")
    done = subprocess.run(
        [sys.executable, "-m", "closte_bridge", "plan", f"--config={config}"], capture_output=True, check=False
    )
    assert done.returncode == 5, done
    assert (tmp_path / "calls").read_text() == "started\n"
    assert b"closte_bridge_snapshot" in (tmp_path / "script").read_bytes()
