"""Run the program as users do, and compare all that comes out."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from closte_bridge import __version__

# Commands that do what the real ones must be safe against, put into the table of the real program.
PROBE = """
import sys, threading, time
import click
from closte_bridge.cli import main, root
from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import pass_app
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Result
from closte_bridge.errors import BridgeError, ExitCode

def add(function):
    made = click.command(cls=BridgeCommand)(format_options(fields=("n",))(global_options(pass_app(function))))
    root.COMMANDS[function.__name__] = root.Entry("Probe", "Probe.", "__main__", function.__name__)
    return made

@add
def ask(app):
    app.console.confirm("Really?")
    app.console.success("Done.")

@add
def crash(app):
    try:
        raise KeyError("MYSECRET")
    except KeyError:
        raise ValueError("apikey=MYSECRET")

@add
def refuse(app):
    raise BridgeError("It is locked.", code="locked", hint="Wait.", exit_code=ExitCode.LOCKED, domain="a.example")

@add
def wait(app):
    app.console.line("ready")
    time.sleep(60)

@add
def rows(app):
    return Result(data=[{"n": n} for n in range(50_000)], fields=("n",))

@add
def hidden(app):
    import logging
    logging.getLogger("library").warning("MYSECRET")
    def fail():
        raise ValueError("MYSECRET")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

if __name__ == "__main__":
    sys.exit(main.run(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"} or name.startswith("COV")
    }
    empty = tmp_path / "empty.yaml"
    empty.touch()
    return kept | {
        "HOME": str(tmp_path),
        "COLUMNS": "80",
        "CLOSTE_BRIDGE_CONFIG": str(empty),
        "STATE_DIRECTORY": "/state",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def run(tmp_path: Path, environ: Mapping[str, str]) -> Run:
    def call(*argv: str | bytes, probe: bool = False, **more: str) -> Answer:
        start = ["-c", PROBE] if probe else ["-m", "closte_bridge"]
        done = subprocess.run(
            [sys.executable, *start, *argv],
            cwd=tmp_path,
            env={**environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


def test_version(run: Run) -> None:
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


def test_help_imports_no_command_and_no_library_but_clicks(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom closte_bridge.cli.main import run\ncode = run(['--help'])\n"
        "bad = {'yaml', 'voluptuous', 'requests', 'dns', 'tabulate', 'idna', 'closte_bridge.cli.commands.config'}\n"
        "sys.exit(code or len(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == 0


def test_help(run: Run) -> None:
    answer = run("--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Usage: closte-bridge [OPTIONS] <command>\n\n  Keep the domains of")
    assert "\nWork:\n  plan         Show what would change, and why.\n" in answer.out
    assert "  --skip-plugins[=<plugins>]   Accepted as WP-CLI has it" in answer.out
    assert run() == answer
    assert run("help") == answer
    assert run("help", "config", "show") == run("config", "show", "--help")


def test_help_of_a_command(run: Run) -> None:
    assert run("config", "validate", "--help") == Answer(
        0,
        """\
Usage: closte-bridge config validate [OPTIONS] [<file>]

  Check a configuration file: the one named, or the one that would be used.

  All mistakes are told at once, each with its line.

Options:
  --format <table|json>  How to print. Default: table.
  --help                 Show this help.

The global parameters (--path, --quiet, …): see "closte-bridge --help".

Examples:
  $ closte-bridge config validate
  Success: No configuration file; the defaults apply.

  $ closte-bridge config validate config.yaml
  Error: config.yaml:2: Unknown key "remvoal_delay"; did you mean "removal_delay"?
  Mend it and check again: `closte-bridge config validate`.
""",
        "",
    )


SEE = 'See "closte-bridge {} --help".'
NO_FILE = "Look at what `--config` or CLOSTE_BRIDGE_CONFIG says; without either, no file is needed."


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["pln"], '"pln" is not a closte-bridge command.', 'Did you mean "plan"?'),
        (["zzz"], '"zzz" is not a closte-bridge command.', 'See "closte-bridge --help".'),
        (["config", "shw"], '"config shw" is not a closte-bridge command.', 'Did you mean "show"?'),
        (["config"], "A command is missing.", "Commands: show, validate."),
        (["config", "show", "--fromat=x"], 'Unknown parameter "--fromat".', 'Did you mean "--format"?'),
        (["config", "show", "--api-key=MYSECRET"], 'Unknown parameter "--api-key".', SEE.format("config show")),
        (["config", "show", "--path"], '"--path" needs a value.', SEE.format("config show")),
        (["config", "show", "--yes=1"], '"--yes" takes no value.', SEE.format("config show")),
        (["--all=1", "config", "show"], '"--all" takes no value.', 'See "closte-bridge --help".'),
        (["config", "validate", "a", "b", "c"], "Too many positional arguments: b c.", SEE.format("config validate")),
        (
            ["domain", "list", "--state=helt"],
            '"--state" must be one of: in step, to add, to remove, held, withheld, foreign, unknown.',
            SEE.format("domain list"),
        ),
        (["completion"], 'Missing "<bash|zsh|fish>".', SEE.format("completion")),
        (["completion", "tcsh"], '"<bash|zsh|fish>" must be one of: bash, zsh, fish.', SEE.format("completion")),
        (["config", "validate", "--format=xml"], '"--format" must be one of: table, json.',
         SEE.format("config validate")),
        (["config", "show", "--field=x"], 'Unknown field: "x".', "Available fields: network, key, value, origin."),
        (["config", "show", "--network=x"], 'There is no network "x".', "Networks: default."),
        (["@all", "config", "show"], '"@all" cannot be used as an alias: it must stand for one network.',
         "For all networks of the configuration there is --all."),
        (["config", "show", "--config=none.yaml"], 'The configuration file "none.yaml" does not exist.', NO_FILE),
    ],
)  # fmt: skip
def test_mistakes_in_the_arguments(run: Run, argv: list[str], error: str, hint: str | None) -> None:
    text = f"Error: {error}\n" + (f"{hint}\n" if hint else "")
    assert run(*argv) == Answer(2, "", text)
    # The same as JSON, where `--format` can be added: not twice, not as a value, not to a noun alone.
    if not any(word.startswith("--format") for word in argv) and argv[-1] != "--path" and argv != ["config"]:
        answer = run("--quiet", *argv, "--format=json")
        document = json.loads(answer.out)
        assert (answer.code, answer.err) == (2, "")
        assert (document["status"], document["exit_code"], document["data"]) == ("invalid", 2, None)
        assert [one["message"] for one in document["errors"]] == [error]


def test_a_good_configuration(run: Run, tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("networks: {a: , b: }\n")
    text = 'Success: "good.yaml" is valid: 2 networks, "a", "b".\n'
    assert run("config", "validate", "good.yaml") == Answer(0, text, "")
    assert run("config", "validate", "--config=good.yaml") == Answer(0, text, "")
    assert run("--config=bad.yaml", "config", "validate", "--config", "good.yaml", "--color", "--no-color") == Answer(
        0, text, ""
    )
    assert run("config", "validate", "good.yaml", "--quiet") == Answer(0, "", "")
    assert run("--quiet", "config", "validate", "good.yaml") == Answer(0, "", "")
    answer = run("config", "validate", "good.yaml", "--format=json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == {
        "version": 1, "command": "config validate", "status": "ok", "exit_code": 0,
        "data": {"file": "good.yaml", "networks": ["a", "b"]}, "errors": [], "warnings": [], "notes": [], "cost": {},
    }  # fmt: skip


def test_a_bad_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("api_key: MYSECRET\nremvoal_delay: 5m\nwp: {timeout: soon}\n")
    lines = [
        'bad.yaml:1: Unknown key "api_key": no secret belongs in this file; write its file\'s name as "api_key_file".',
        'bad.yaml:2: Unknown key "remvoal_delay"; did you mean "removal_delay"?',
        'bad.yaml:3: "wp.timeout" must be a duration such as 300, "5m", "24h" or "1h30m".',
    ]
    text = "".join(f"Error: {line}\n" for line in lines) + "Mend it and check again: `closte-bridge config validate`.\n"
    assert run("config", "validate", "bad.yaml") == Answer(2, "", text)
    assert run("config", "validate", "bad.yaml", "--quiet") == Answer(2, "", text)
    answer = run("config", "validate", "bad.yaml", "--format", "json")
    assert (answer.code, answer.err) == (2, "")
    assert json.loads(answer.out)["errors"] == [
        {"code": "config-invalid", "message": line, "domain": None, "hint": ""} for line in lines
    ]


def test_config_show(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("wp:\n  path: site\nkeep: [a.example]\nrate_limit: 2.5\nremoval_grace: 36h\n")
    argv = ("config", "show", "--config=c.yaml")
    answer = run(*argv, "--allow-root", CLOSTE_BRIDGE_API_KEY_FILE="/run/key")
    assert answer == Answer(
        0,
        f"""\
# From "c.yaml".
api_url: https://app.closte.com/api/client  # default
api_key_file: /run/key  # environment CLOSTE_BRIDGE_API_KEY_FILE
state_dir: /state  # environment STATE_DIRECTORY
wp:
  command: [wp]  # default
  path: {tmp_path}/site  # c.yaml:2
  url: null  # default
  ssh: null  # default
  alias: null  # default
  allow_root: true  # --allow-root
  skip_plugins: false  # default
  timeout: 2m  # default
checks: true  # default
wildcard: false  # default
wildcards: []  # default
keep: [a.example]  # c.yaml:3
removal_delay: 5m  # default
removal_grace: 36h  # c.yaml:5
certificate_budget: 40  # default
concurrency: 4  # default
rate_limit: 2.5  # c.yaml:4
environments: [production]  # default
dns:
  resolvers: ["1.1.1.1", "8.8.8.8"]  # default
  timeout: 3s  # default
  concurrency: 50  # default
  targets: []  # default
tls:
  port: 443  # default
  ca_file: null  # default
  timeout: 10s  # default
  concurrency: 50  # default
metrics_file: null  # default
on_problem: []  # default
""",
        "",
    )
    assert run(*argv, "--format=count").out == "31\n"
    assert run(*argv, "--fields=key,origin", "--format=csv").out.startswith("key,origin\napi_url,default\n")
    assert run(*argv, "--field=key").out.startswith("api_url\napi_key_file\nstate_dir\nwp.command\n")
    assert run("@prod", *argv, "--format=table").out.count("default\twp.alias\t@prod\t@prod\n") == 1
    rows = json.loads(run(*argv, "--format=json").out)["data"]
    assert {"network": "default", "key": "rate_limit", "value": 2.5, "origin": "c.yaml:4"} in rows


def test_what_config_show_prints_is_a_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "wp: {path: 'on', command: [\"a b\", 'x: y', '#z', 'no', '5']}\nnetworks:\n"
        "  one: {wildcards: ['*.a.example'], state_dir: /a}\n  5x: {rate_limit: 0.25, on_problem: ['é\"']}\n"
    )
    first = run("config", "show", "--config=c.yaml")
    assert (first.code, first.err) == (0, "")
    (tmp_path / "again.yaml").write_text(first.out)
    again = run("config", "show", "--config=again.yaml")

    def values(answer: Answer) -> list[str]:
        return [line.partition("  # ")[0] for line in answer.out.splitlines()[1:]]

    assert (again.code, again.err) == (0, "")
    assert values(again) == values(first)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    answer = run("completion", shell)
    assert (answer.code, answer.err) == (0, "")
    assert "_CLOSTE_BRIDGE_COMPLETE=" in answer.out


def test_completing(run: Run) -> None:
    def complete(words: str, at: int) -> str:
        return run(_CLOSTE_BRIDGE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at)).out

    assert complete("closte-bridge p", 1) == "plain,plan\n"
    assert complete("closte-bridge config ", 2) == "plain,show\nplain,validate\n"
    assert "--quiet" in complete("closte-bridge config show --qu", 3)


def test_hostile_arguments(run: Run) -> None:
    assert run("config", "validate", b"\x80\x1b[31m") == Answer(
        2, "", f'Error: The configuration file "\\x80\\x1b[31m" does not exist.\n{NO_FILE}\n'
    )
    answer = run("config", "validate", b"\x80", "--format=json")
    assert json.loads(answer.out)["errors"][0]["message"] == 'The configuration file "\ufffd" does not exist.'
    assert run(b"\xff\xfe").code == 2
    assert run("config", "show", b"--n\xff=x").code == 2
    assert run("config", "validate", "--", "--format=json").err.startswith("Error: The configuration file")


def test_confirming_needs_a_terminal(run: Run) -> None:
    assert run("ask", probe=True) == Answer(
        2,
        "",
        'Error: This needs a confirmation, and there is no terminal to ask at.\nAdd "--yes" to agree beforehand.\n',
    )
    assert run("ask", "--yes", probe=True) == Answer(0, "Success: Done.\n", "")
    assert run("--yes", "ask", "--format=json", probe=True) == Answer(0, "", "Success: Done.\n")


def test_refusals_have_their_exit_code(run: Run) -> None:
    assert run("refuse", probe=True) == Answer(75, "", "Error: It is locked.\nWait.\n")
    document = json.loads(run("refuse", "--format=json", probe=True).out)
    assert document["errors"] == [
        {"code": "locked", "message": "It is locked.", "domain": "a.example", "hint": "Wait."}
    ]
    assert (document["command"], document["status"], document["exit_code"]) == ("refuse", "locked", 75)


def test_a_crash_is_one_sentence_without_its_text(run: Run) -> None:
    message = "An internal error stopped the command (ValueError)."
    hint = 'This is a mistake in closte-bridge. Run it again with "--debug" to see where.'
    assert run("crash", probe=True) == Answer(1, "", f"Error: {message}\n{hint}\n")
    answer = run("crash", "--format=json", probe=True)
    assert (answer.code, answer.err) == (1, "")
    assert json.loads(answer.out)["errors"] == [
        {"code": "internal-error", "message": message, "domain": None, "hint": hint}
    ]
    debugged = run("crash", "--debug", probe=True)
    assert debugged.code == 1
    assert "Debug (traceback): <string>:" in debugged.err
    assert "SECRET" not in debugged.err
    assert "raise ValueError" not in debugged.err


def test_threads_and_loggers_tell_nothing(run: Run) -> None:
    assert run("hidden", probe=True) == Answer(
        0, "", "Error: An internal error stopped a part of the work (ValueError).\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_json", [False, True])
def test_interrupting(tmp_path: Path, environ: Mapping[str, str], number: signal.Signals, as_json: bool) -> None:
    argv = [sys.executable, "-c", PROBE, "wait", *(["--format=json"] if as_json else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=tmp_path, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    if as_json:
        assert json.loads(out)["status"] == "interrupted"
        assert err == ""
    else:
        assert (out, err) == ("", "Error: Interrupted.\n")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path, environ: Mapping[str, str]) -> None:
    for argv in (["-c", PROBE, "rows"], ["-m", "closte_bridge", "--version"], ["-m", "closte_bridge", "--help"]):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            done = subprocess.run(
                [sys.executable, *argv], cwd=tmp_path, env=environ, stdout=pipe, stderr=subprocess.PIPE, check=False
            )
        assert done.stderr == b""
        assert done.returncode == (1 if "--version" in argv else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_is_lost_is_an_error(tmp_path: Path, environ: Mapping[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        argv = [sys.executable, "-m", "closte_bridge", "--help"]
        done = subprocess.run(argv, cwd=tmp_path, env=environ, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == b"Error: The output could not be written (No space left on device).\n"


def test_on_a_terminal(tmp_path: Path, environ: Mapping[str, str]) -> None:
    def on_terminal(*argv: str, typed: bytes = b"") -> tuple[int, bytes]:
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", PROBE, *argv], cwd=tmp_path, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            os.write(ours, typed)
            seen = b""
            while select.select([ours], [], [], 30)[0]:
                try:
                    seen += os.read(ours, 65536)
                except OSError:  # how Linux says that the other side is closed
                    break
        os.close(ours)
        return process.returncode, seen.replace(b"\r\n", b"\n")

    code, seen = on_terminal("ask", typed=b"y\n")
    assert code == 0
    assert seen.endswith(b"Really? [y/n] \033[32;1mSuccess:\033[0m Done.\n") or b"Really? [y/n] y\n" in seen
    code, seen = on_terminal("ask", "--no-color", typed=b"n\n")
    assert (code, b"Error: Aborted.\n" in seen) == (1, True)
    code, seen = on_terminal("config", "show", "--fields=key", "--format=table")
    assert (code, seen.split(b"\n")[0][:6]) == (0, b"+-----")
