"""Tests of the behaviour that all commands share: prompts, errors, crashes, signals, closed and full outputs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Answer, Run, runner

if TYPE_CHECKING:
    from collections.abc import Mapping

# Probe commands in the command table of the real program; they cause the events that real commands must survive.
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
    root.COMMANDS[function.__name__] = root.CommandEntry("Probe", "Probe.", "__main__", function.__name__)
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
    # In slices, as everything in the program waits: CPython can miss a signal between its last check and a system call.
    for _ in range(600):
        time.sleep(0.1)

@add
def wait_in_made_code(app):
    # As while a dataclass is made, which every import may do.
    exec("app.console.line('ready'); [time.sleep(0.1) for _ in range(600)]", globals(), {"app": app})

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


@pytest.fixture
def probe(tmp_path: Path, environ: Mapping[str, str]) -> Run:
    return runner(tmp_path, environ, "-c", PROBE)


def test_confirmation_needs_a_terminal(probe: Run) -> None:
    assert probe("ask") == Answer(
        2,
        "",
        "Error: Confirmation required, but stdin is not a terminal.\nPass `--yes` to skip the prompt.\n",
    )
    assert probe("ask", "--yes") == Answer(0, "Success: Done.\n", "")
    assert probe("--yes", "ask", "--format=json") == Answer(0, "", "Success: Done.\n")


def test_refusal_has_its_exit_code(probe: Run) -> None:
    assert probe("refuse") == Answer(75, "", "Error: It is locked.\nWait.\n")
    document = json.loads(probe("refuse", "--format=json").out)
    assert document["errors"] == [
        {"code": "locked", "message": "It is locked.", "domain": "a.example", "hint": "Wait."}
    ]
    assert (document["command"], document["status"], document["exit_code"]) == ("refuse", "locked", 75)


def test_crash_is_reported_in_one_sentence_without_its_text(probe: Run) -> None:
    message = "Internal error (ValueError)."
    hint = "This is a bug in closte-bridge. Run the command again with `--debug` and report the output."
    assert probe("crash") == Answer(1, "", f"Error: {message}\n{hint}\n")
    answer = probe("crash", "--format=json")
    assert (answer.code, answer.err) == (1, "")
    assert json.loads(answer.out)["errors"] == [
        {"code": "internal-error", "message": message, "domain": None, "hint": hint}
    ]
    debugged = probe("crash", "--debug")
    assert debugged.code == 1
    assert "Debug (traceback): <string>:" in debugged.err
    assert "SECRET" not in debugged.err
    assert "raise ValueError" not in debugged.err


def test_crash_in_a_thread_or_logger_hides_its_text(probe: Run) -> None:
    assert probe("hidden") == Answer(0, "", "Error: Internal error in a thread (ValueError).\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", ["wait", "wait_in_made_code"])
def test_interruption_is_reported_with_exit_code_130(
    tmp_path: Path, environ: Mapping[str, str], number: signal.Signals, as_json: bool, command: str
) -> None:
    # Run it as a module: CPython then ends with the signal if the interruption was unhandled for a moment.
    (tmp_path / "probe.py").write_text(PROBE)
    argv = [sys.executable, "-m", "probe", command, *(["--format=json"] if as_json else [])]
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
        assert (out, err) == ("", "Error: Interrupted.\nNothing is lost. Run the command again to continue.\n")


def test_broken_pipe_is_no_error(tmp_path: Path, environ: Mapping[str, str]) -> None:
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
def test_lost_output_is_an_error(tmp_path: Path, environ: Mapping[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        argv = [sys.executable, "-m", "closte_bridge", "--help"]
        done = subprocess.run(argv, cwd=tmp_path, env=environ, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == b"Error: Could not write the output: No space left on device.\n"


def test_terminal_gets_prompts_and_boxed_tables(tmp_path: Path, environ: Mapping[str, str]) -> None:
    env = {name: value for name, value in environ.items() if name != "COLUMNS"}

    def on_terminal(*argv: str, typed: bytes = b"") -> tuple[int, bytes]:
        managed, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", PROBE, *argv], cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            termios.tcsetwinsize(theirs, (24, 60))
            os.close(theirs)
            os.write(managed, typed)
            seen = b""
            while select.select([managed], [], [], 30)[0]:
                try:
                    seen += os.read(managed, 65536)
                except OSError:  # Linux reports a closed other side this way
                    break
        os.close(managed)
        return process.returncode, seen.replace(b"\r\n", b"\n")

    code, seen = on_terminal("ask", typed=b"y\n")
    assert code == 0
    assert seen.endswith(b"Really? [y/n] \033[32;1mSuccess:\033[0m Done.\n") or b"Really? [y/n] y\n" in seen
    code, seen = on_terminal("ask", "--no-color", typed=b"n\n")
    assert (code, b"Error: Aborted.\n" in seen) == (1, True)
    code, seen = on_terminal("config", "show", "--fields=key", "--format=table")
    assert (code, seen.split(b"\n")[0][:6]) == (0, b"+-----")
    code, seen = on_terminal("config", "show", "--format=table")
    assert (code, max(map(len, seen.split(b"\n")))) in {(0, 59), (0, 60)}


@pytest.mark.parametrize("argv", [("--help",), ("config", "show", "--help"), ("integration", "status", "--help")])
def test_help_is_complete_in_an_ascii_locale(argv: tuple[str, ...], tmp_path: Path, environ: Mapping[str, str]) -> None:
    plain = {**environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    argv = ("-m", "closte_bridge", *argv)
    done = subprocess.run([sys.executable, *argv], cwd=tmp_path, env=plain, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout
