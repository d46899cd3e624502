from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli.console import EVERYTHING, Console
from closte_bridge.errors import BridgeError, ConfigError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class Stream(io.StringIO):
    def __init__(self, text: str = "", *, terminal: bool = False) -> None:
        super().__init__(text)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class Broken(Stream):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.tries = 0

    def write(self, _text: str) -> int:
        self.tries += 1
        raise self.error


def console(
    answer: str = "", *, out: bool = False, err: bool = False, inp: bool = False, environ: dict[str, str] | None = None
) -> Console:
    times = iter([10.0, 10.1234, 11.0])
    return Console(
        Stream(answer, terminal=inp),
        Stream(terminal=out),
        Stream(terminal=err),
        environ=environ or {},
        clock=lambda: next(times),
    )


def written(one: Console) -> tuple[str, str]:
    assert isinstance(one.stdout, Stream)
    assert isinstance(one.stderr, Stream)
    return one.stdout.getvalue(), one.stderr.getvalue()


def say_all(one: Console) -> None:
    one.line("data")
    one.log("A remark.")
    one.success("Done.")
    one.warning("Careful.")
    one.error("Wrong.", "Do this.")
    one.debug("wp", "Called.")


def test_each_message_kind_has_its_stream_and_prefix() -> None:
    one = console()
    say_all(one)
    assert written(one) == (
        "data\nA remark.\nSuccess: Done.\n",
        "Warning: Careful.\nError: Wrong.\nDo this.\n",
    )


def test_quiet_keeps_data_and_errors() -> None:
    one = console()
    one.quiet = True
    say_all(one)
    assert written(one) == ("data\n", "Error: Wrong.\nDo this.\n")


def test_data_only_moves_messages_to_stderr() -> None:
    one = console()
    one.data_only = True
    one.line("data")
    one.log("A remark.")
    one.success("Done.")
    assert written(one) == ("data\n", "A remark.\nSuccess: Done.\n")


@pytest.mark.parametrize(("group", "shown"), [(EVERYTHING, True), ("wp", True), ("api", False), (None, False)])
def test_debug_shows_the_requested_group(group: str | None, shown: bool) -> None:
    one = console()
    one.debug_group = group
    one.debug("wp", "Called.")
    assert written(one)[1] == ("Debug (wp): Called. (0.123s)\n" if shown else "")


def test_colours_are_used_on_a_terminal() -> None:
    one = console(out=True, err=True)
    one.debug_group = EVERYTHING
    say_all(one)
    assert written(one) == (
        "data\nA remark.\n\033[32;1mSuccess:\033[0m Done.\n",
        "\033[33;1mWarning:\033[0m Careful.\n\033[31;1mError:\033[0m Wrong.\nDo this.\n"
        "\033[34;1mDebug (wp):\033[0m Called. (0.123s)\n",
    )


@pytest.mark.parametrize(
    ("terminal", "option", "environ", "coloured"),
    [
        (True, None, {}, True),
        (False, None, {}, False),
        (True, False, {}, False),
        (False, True, {"NO_COLOR": "1"}, True),
        (True, None, {"NO_COLOR": "1"}, False),
        (True, None, {"NO_COLOR": ""}, True),
        (True, None, {"TERM": "dumb"}, False),
        (False, None, {"SHELL_PIPE": "0"}, True),
        (True, None, {"SHELL_PIPE": "1"}, False),
    ],
)
def test_colour_depends_on_terminal_option_and_environment(
    terminal: bool, option: bool | None, environ: dict[str, str], coloured: bool
) -> None:
    one = console(out=terminal, environ=environ)
    one.colour = option
    one.success("Done.")
    assert ("\033" in written(one)[0]) is coloured


def test_control_characters_are_escaped() -> None:
    one = console()
    one.line("a\x1b]0;title\x07b\tc\nd\u202ee\x9bf\x7fg\rh\udc80i")
    one.error("x\x1b[2J\nSuccess: not true")
    assert written(one) == (
        "a\\x1b]0;title\\x07b\tc\nd\\u202ee\\x9bf\\x7fg\\x0dh\\x80i\n",
        "Error: x\\x1b[2J\nError: Success: not true\n",
    )


@pytest.mark.parametrize("answer", ["y\n", "Yes\n", " y \n", "y"])
def test_confirmation_accepts_yes(answer: str) -> None:
    one = console(answer, inp=True)
    one.confirm("Remove \x1b it?")
    out, err = written(one)
    assert (out, err.rstrip("\n")) == ("", "Remove \\x1b it? [y/n] ")


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\n", "yes please\n"])
def test_confirmation_aborts_on_any_other_answer(answer: str) -> None:
    one = console(answer, inp=True)
    with pytest.raises(BridgeError, match=r"^Aborted\.$") as caught:
        one.confirm("Really?")
    assert caught.value.exit_code is ExitCode.FAILURE


def test_confirmation_needs_a_terminal_or_yes_option() -> None:
    one = console("y\n")
    with pytest.raises(ConfigError) as caught:
        one.confirm("Really?")
    assert "`--yes`" in caught.value.hint
    assert written(one) == ("", "")
    one.assume_yes = True
    one.confirm("Really?")
    assert written(one) == ("", "")


def test_progress_is_shown_on_a_terminal_only() -> None:
    for one in (console(), console(err=True)):
        one.quiet = one.stderr.isatty()
        with one.progress(3, "Adding") as bar:
            bar.update(3)
        assert written(one) == ("", "")
    one = console(err=True)
    with one.progress(3, "Adding\x1b") as bar:
        bar.update(1)
        bar.update(2)
    out, err = written(one)
    assert out == ""
    assert "Adding\\x1b" in err
    assert "100%" in err


def test_work_continues_after_a_broken_pipe() -> None:
    out = Broken(BrokenPipeError())
    one = Console(Stream(), out, Stream(), environ={})
    one.line("a")
    one.line("b")
    assert out.tries == 1
    assert one.finish(0) == 0
    assert written(Console(Stream(), Stream(), one.stderr, environ={}))[1] == ""


def test_lost_output_is_an_error() -> None:
    one = Console(Stream(), Broken(OSError(28, "No space left on device")), Stream(), environ={})
    one.line("a")
    assert one.finish(0) == 1
    assert one.finish(4) == 4
    assert isinstance(one.stderr, Stream)
    assert one.stderr.getvalue().startswith("Error: Could not write the output: No space left on device.\n")


def test_unencodable_character_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as out:
        Console(Stream(), out, Stream(), environ={}).line("bücher")
    assert (tmp_path / "out").read_bytes() == b"b\\xfccher\n"


def test_closed_streams_are_tolerated() -> None:
    stream = Stream()
    stream.close()
    assert Console(stream, stream, stream, environ={}).stdout_is_terminal is False


def test_wait_message_names_what_is_awaited() -> None:
    """The console shows it on a terminal only, and only while the program waits for something."""
    asked = threading.Event()
    waits = iter(["WordPress", "", "Closte's list"])

    def waiting_for() -> str:
        what = next(waits, None)
        if what is None:
            asked.set()
        return what or ""

    one = Console(Stream(), Stream(), Stream(terminal=True), environ={}, clock=lambda: 7.0)
    with one.report_waiting(waiting_for, pause=0.001):
        assert asked.wait(10)
    assert written(one) == ("", "Still waiting for WordPress (0 s) …\nStill waiting for Closte's list (0 s) …\n")


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, True)])
def test_wait_message_needs_a_terminal_without_quiet(terminal: bool, quiet: bool) -> None:
    asked = threading.Event()

    def waiting_for() -> str:
        asked.set()
        return "WordPress"

    one = console(err=terminal)
    one.quiet = quiet
    with one.report_waiting(waiting_for, pause=0.001):
        assert asked.wait(10 if terminal else 0.05) is terminal
    assert written(one) == ("", "")


@pytest.mark.parametrize(
    ("environ", "columns"), [({"COLUMNS": "72"}, 72), ({"COLUMNS": "0"}, None), ({"COLUMNS": "wide"}, None), ({}, None)]
)
def test_width_comes_from_the_environment_or_is_unknown(environ: dict[str, str], columns: int) -> None:
    assert Console(io.StringIO(), io.StringIO(), io.StringIO(), environ=environ).columns == columns


def test_typographic_characters_have_ascii_forms() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(io.StringIO(), out, io.StringIO(), environ={}).line("a … b → c — “d” é")
    assert out.buffer.getvalue() == b'a ... b -> c - "d" \\xe9\n'


def test_table_has_coloured_cells_where_messages_have_colours() -> None:
    rows = "| a.example | live    |\n| live.example | on-hold |"
    one = console(out=True)
    one.table(rows, {"live": "32", "on-hold": "33"})
    shown, _ = written(one)
    assert shown == "| a.example | \033[32mlive\033[0m    |\n| live.example | \033[33mon-hold\033[0m |\n"
    one = console(out=True)
    one.colour = False
    one.table(rows, {"live": "32"})
    assert written(one)[0] == f"{rows}\n"
