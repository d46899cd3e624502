"""Tests of the complete output: run the program as users do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from closte_bridge import __version__
from closte_bridge.cli.commands.domain_list import STATES
from closte_bridge.cli.root import COMMANDS
from tests.support.program import Answer, Run

if TYPE_CHECKING:
    from pathlib import Path


def test_version_is_printed(run: Run) -> None:
    expected = Answer(0, f"closte-bridge {__version__}\n", "")
    assert run("--version") == expected
    assert run("--quiet", "--version") == expected


def test_version_imports_nothing_else(tmp_path: Path) -> None:
    program = (
        "import sys\nbefore = set(sys.modules)\nsys.argv = ['closte-bridge', '--version']\n"
        "from closte_bridge.__main__ import main\ncode = main()\n"
        "new = set(sys.modules) - before\n"
        "sys.exit(code or not new <= {'__future__', 'gc', 'os', 'closte_bridge', 'closte_bridge.__main__'})"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0


def test_help_imports_no_command_and_no_library_but_click(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom closte_bridge.cli.main import run\ncode = run(['--help'])\n"
        "bad = {'yaml', 'voluptuous', 'requests', 'dns', 'tabulate', 'idna', 'closte_bridge.cli.commands.config'}\n"
        "sys.exit(code or len(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == 0


def test_help_lists_commands_and_options(run: Run) -> None:
    answer = run("--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Usage: closte-bridge [OPTIONS] <command>\n\n  Sync the mapped domains of")
    assert "\nWork:\n  plan         Preview changes (dry run).\n" in answer.out
    assert "  --skip-plugins[=<plugins>]   Ignored; accepted for WP-CLI" in answer.out
    assert run() == answer
    assert run("help") == answer
    assert run("help", "config", "show") == run("config", "show", "--help")


def test_command_help_is_complete(run: Run) -> None:
    assert run("config", "validate", "--help") == Answer(
        0,
        """\
Usage: closte-bridge config validate [OPTIONS] [<file>]

  Validate a config file. Default: the one in use.

  Reports all errors at once, with line numbers. Exits with code 2 if there
  are any.

Options:
  --format <table|json>  Output format. Default: table.
  --help                 Show this help.

For global options (--path, --quiet, …), run "closte-bridge --help".

Examples:
  $ closte-bridge config validate
  Success: No config file found; using defaults.

  $ closte-bridge config validate config.yaml
  Error: config.yaml:2: Unknown key "remvoal_delay"; did you mean "removal_delay"?
  Fix the file, then run `closte-bridge config validate config.yaml`.
""",
        "",
    )


MEANT = "Did you mean `closte-bridge {}`?"
SEE = "See `closte-bridge {} --help`."
NO_FILE = "Check `--config` and CLOSTE_BRIDGE_CONFIG. If neither is set, the config file is optional."


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["pln"], '"pln" is not a closte-bridge command.', MEANT.format("plan")),
        (["zzz"], '"zzz" is not a closte-bridge command.', f"Commands: {', '.join(COMMANDS)}."),
        (["stop"], '"stop" is not a closte-bridge command.', f"Commands: {', '.join(COMMANDS)}."),
        (["config", "zzz"], '"config zzz" is not a closte-bridge command.', "Commands: show, validate."),
        (["domain", "lst"], '"domain lst" is not a closte-bridge command.', MEANT.format("domain list")),
        (["config"], "Missing command.", "Commands: show, validate."),
        (["config", "show", "--fromat=x"], 'Unknown option "--fromat".', 'Did you mean "--format"?'),
        (["config", "show", "--api-key=MYSECRET"], 'Unknown option "--api-key".', SEE.format("config show")),
        (["config", "show", "--path"], '"--path" needs a value.', SEE.format("config show")),
        (["config", "show", "--yes=1"], '"--yes" accepts no value.', SEE.format("config show")),
        (["--all=1", "config", "show"], '"--all" accepts no value.', "See `closte-bridge --help`."),
        (["config", "validate", "a", "b", "c"], "Too many arguments: b c.", SEE.format("config validate")),
        (
            ["domain", "list", "--state=helt"],
            '"--state" does not accept "helt".',
            f"Use one of: {', '.join(STATES)}.",
        ),
        (["completion"], 'Missing "<bash|zsh|fish>".', SEE.format("completion")),
        (["completion", "tcsh"], '"<bash|zsh|fish>" does not accept "tcsh".', "Use one of: bash, zsh, fish."),
        (["config", "validate", "--format=jsn"], '"--format" does not accept "jsn".', "Use one of: table, json."),
        (["log", "--limit=0"], 'Invalid value for "--limit": 0 is not in the range 1<=x<=1000000.', SEE.format("log")),
        (["config", "show", "--field=x"], 'Unknown field: "x".', "Available fields: network, key, value, origin."),
        *(
            (["config", "show", option], f'"{option.partition("=")[0]}" needs a field.', hint)
            for hint in ["Available fields: network, key, value, origin."]
            for option in ("--field", "--field=", "--fields", "--fields=", "--fields=,", "--fields=key,,value")
        ),
        (["config", "show", "--network=x"], 'Unknown network "x".', "Networks: default."),
        (["@all", "config", "show"], '"@all" is not supported: the alias must point to a single network.',
         "Use --all to run for every network in the config."),
        (["config", "show", "--config=none.yaml"], 'The config file "none.yaml" does not exist.', NO_FILE),
    ],
)  # fmt: skip
def test_argument_errors_have_hints(run: Run, argv: list[str], error: str, hint: str | None) -> None:
    text = f"Error: {error}\n" + (f"{hint}\n" if hint else "")
    assert run(*argv) == Answer(2, "", text)
    # Repeat it as JSON unless `--format` is already there, would become the value of `--path`, or follows a bare group.
    if not any(word.startswith("--format") for word in argv) and argv[-1] != "--path" and argv != ["config"]:
        answer = run("--quiet", *argv, "--format=json")
        document = json.loads(answer.out)
        assert (answer.code, answer.err) == (2, "")
        assert (document["status"], document["exit_code"], document["data"]) == ("invalid", 2, None)
        assert [one["message"] for one in document["errors"]] == [error]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed_for_each_shell(run: Run, shell: str) -> None:
    answer = run("completion", shell)
    assert (answer.code, answer.err) == (0, "")
    assert "_CLOSTE_BRIDGE_COMPLETE=" in answer.out


def test_completion_proposes_commands_and_options(run: Run) -> None:
    def complete(words: str, at: int) -> str:
        return run(_CLOSTE_BRIDGE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at)).out

    assert complete("closte-bridge p", 1) == "plain,plan\n"
    assert complete("closte-bridge config ", 2) == "plain,show\nplain,validate\n"
    assert "--quiet" in complete("closte-bridge config show --qu", 3)


def test_hostile_arguments_are_escaped(run: Run) -> None:
    assert run("config", "validate", b"\x80\x1b[31m") == Answer(
        2, "", f'Error: The config file "\\x80\\x1b[31m" does not exist.\n{NO_FILE}\n'
    )
    answer = run("config", "validate", b"\x80", "--format=json")
    assert json.loads(answer.out)["errors"][0]["message"] == 'The config file "\ufffd" does not exist.'
    assert run(b"\xff\xfe").code == 2
    assert run("config", "show", b"--n\xff=x").code == 2
    assert run("config", "validate", "--", "--format=json").err.startswith("Error: The config file")
