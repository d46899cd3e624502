"""Tests of the rules for every command in the command table."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from closte_bridge import __version__
from closte_bridge.cli import root as table
from closte_bridge.cli.command import BridgeCommand, BridgeGroup
from closte_bridge.cli.console import Console
from closte_bridge.cli.main import run
from closte_bridge.cli.options import GlobalOption
from closte_bridge.config import load

if TYPE_CHECKING:
    from collections.abc import Iterator


OURS = ("config", "completion", "man")

# The Ultimate Multisite release that the examples name.
PLUGIN = "2.14.2"

every_command = pytest.mark.parametrize("name", table.COMMANDS)


def with_verbs(name: str) -> Iterator[tuple[str, click.Command]]:
    command = table.root.get_command(click.Context(table.root), name)
    assert command is not None
    yield name, command
    if isinstance(command, click.Group):
        yield from ((f"{name} {verb}", inner) for verb, inner in command.commands.items())


def output(argv: list[str], environ: dict[str, str]) -> tuple[int, str]:
    both = io.StringIO()
    code = run(argv, console=Console(io.StringIO(), both, both, environ=environ), environ=environ)
    return code, both.getvalue()


@pytest.mark.parametrize(
    "argv",
    [
        *(("watch", f"--interval={value}") for value in ("nan", "inf", "-inf", "-5", "0", "1e400", "")),
        *(("sandbox", f"--port={value}") for value in ("-1", "65536", "x")),
        *(("health", f"--max-age={value}") for value in ("nan", "inf", "-5", "")),
        *(("plan", f"--out={value}") for value in ("", ".", "/", "//")),
    ],
    ids="".join,
)
def test_invalid_option_value_is_a_usage_error(argv: tuple[str, ...], tmp_path: Path) -> None:
    code, said = output([*argv, f"--config={tmp_path}/none.yaml"], {"HOME": str(tmp_path)})
    assert code == 2, said
    assert argv[1].partition("=")[0] in said or "duration" in said


def test_short_helps_fit_on_a_line() -> None:
    for entry in table.COMMANDS.values():
        assert len(entry.short_help) <= 45
        assert re.fullmatch(r"[A-Z].*\.", entry.short_help)


@every_command
def test_command_has_all_common_options(name: str) -> None:
    for full_name, command in with_verbs(name):
        assert isinstance(command, BridgeCommand | BridgeGroup), full_name
        assert sum(isinstance(param, GlobalOption) for param in command.params) == 12, full_name
        is_group = isinstance(command, click.Group)
        # `watch` returns no result: it runs until it is stopped.
        answers = not is_group and name != "watch"
        assert not answers or any("--format" in param.opts for param in command.params), full_name
        assert command.short_help, full_name
        assert len(command.short_help) <= 50, full_name
        assert (command.epilog or "").count("$ closte-bridge ") >= 2, full_name
        if full_name == name:
            assert command.short_help == table.COMMANDS[name].short_help


@every_command
def test_command_examples_name_the_command_and_this_version(name: str) -> None:
    for full_name, command in with_verbs(name):
        epilog = command.epilog or ""
        lines = [line for line in epilog.split("\n") if line.startswith("$ ")]
        assert any(full_name in line for line in lines), full_name
        versions = set(re.findall(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])", epilog))
        assert versions <= {__version__, PLUGIN}, full_name


def examples() -> Iterator[tuple[str, str]]:
    managed = [table.root.epilog or ""]
    managed += [command.epilog or "" for name in OURS for _full_name, command in with_verbs(name)]
    for epilog in managed:
        for example in epilog.strip().split("\n\n"):
            command, _, expected = example.partition("\n")
            yield command.removeprefix("$ closte-bridge "), expected


@pytest.mark.parametrize(("line", "expected"), sorted(set(examples())))
def test_example_output_is_real(line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "load_config", partial(load.load_config, system_path=tmp_path / "none"))
    Path("config.yaml").write_text("wildcard: true\nremvoal_delay: 5m\n")
    command, _, filtering = line.partition(" | ")
    command, _, _file = command.partition(" > ")
    _code, text = output(command.split(), {"HOME": str(tmp_path), "STATE_DIRECTORY": "/state"})
    lines = text.splitlines()
    if filtering.startswith("head -n "):
        lines = lines[: int(filtering.removeprefix("head -n "))]
    elif filtering:
        lines = [one for one in lines if filtering.removeprefix("grep ") in one]
    if expected:
        assert lines == expected.split("\n")
    else:
        assert text


def test_global_options_may_stand_anywhere_and_the_last_wins(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "STATE_DIRECTORY": "/s"}
    (tmp_path / "c.yaml").write_text("")

    def value(key: str, *argv: str) -> str:
        words = [f"--config={tmp_path}/c.yaml", *argv, "--fields=key,value", "--format=csv"]
        code, text = output(words, environ)
        assert code == 0, text
        return next(line for line in text.splitlines() if line.startswith(f"{key},")).partition(",")[2]

    assert value("wp.path", "--path=/a", "config", "--path=/b", "show") == "/b"
    assert value("wp.path", "--path=/a", "config", "show", "--path", "/c") == "/c"
    assert value("wp.path", "--path=/a", "config", "show") == "/a"
    # Accepted for WP-CLI compatibility, before and after the command.
    assert value("wp.path", "--skip-plugins", "config", "show", "--skip-plugins=a,b") == ""
    assert value("wp.alias", "--quiet", "@prod", "config", "show") == "'@prod"
    assert value("wp.allow_root", "config", "--allow-root", "show") == "true"


def test_debug_option_does_not_consume_the_next_word(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("")
    argv = ["--debug", "config", "validate", f"{tmp_path}/c.yaml"]
    code, text = output(argv, {"HOME": str(tmp_path)})
    assert code == 0
    assert re.match(r"Debug \(config\): Config file: .*c\.yaml\. \(\d+\.\d{3}s\)\nSuccess: ", text)
    assert output(["--debug=other", *argv[1:]], {"HOME": str(tmp_path)})[1].startswith("Success: ")
