"""Stdin, stdout and stderr, with the message forms of WP-CLI."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from closte_bridge.cli.text import clean
from closte_bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_COLOURS = {"Success": "32;1", "Warning": "33;1", "Error": "31;1", "Debug": "34;1"}
EVERYTHING = ""
"""The debug group that means all groups."""


class Progress(Protocol):
    """Progress callback."""

    def update(self, n_steps: int) -> None:
        """Add `n_steps` finished steps."""


class _NoProgress:
    def update(self, n_steps: int) -> None:
        """Do nothing."""


class Console:
    """The three streams of a command.

    `quiet`, `colour` (None: depends on the stream), `debug_group` (None: off), `assume_yes` and `data_only` (stdout is
    for a program: `log` and `success` go to stderr) may change at any time. If an output pipe is closed, the output is
    discarded and the work continues. All output is cleaned of control characters.
    """

    def __init__(
        self,
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.environ = os.environ if environ is None else environ
        self.quiet = False
        self.colour: bool | None = None
        self.debug_group: str | None = None
        self.assume_yes = False
        self.data_only = False
        self.write_error: OSError | None = None
        self._clock = clock
        self._started = clock()
        self._gone: list[TextIO] = []

    @classmethod
    def of_process(cls) -> Console:
        """Return the console of this process; a closed stream acts like `/dev/null`."""
        return cls(_opened(sys.stdin, "r"), _opened(sys.stdout, "w"), _opened(sys.stderr, "w"))

    @property
    def stdout_is_terminal(self) -> bool:
        """Return whether stdout is a terminal. `SHELL_PIPE` (0: yes, else: no) overrides, as in WP-CLI."""
        if pipe := self.environ.get("SHELL_PIPE"):
            return pipe == "0"
        return _is_terminal(self.stdout)

    @property
    def columns(self) -> int | None:
        """Return the width of stdout in characters, or None if unknown. `COLUMNS` overrides."""
        if (given := self.environ.get("COLUMNS", "")).isdecimal() and int(given) > 0:
            return int(given)
        try:
            return os.get_terminal_size(self.stdout.fileno()).columns or None
        except (OSError, ValueError):
            return None

    @property
    def stderr_is_terminal(self) -> bool:
        """Return whether stderr is a terminal."""
        return _is_terminal(self.stderr)

    @property
    def is_attended(self) -> bool:
        """Return whether a person may have started this process: one of its streams is a terminal."""
        return any(map(_is_terminal, (self.stdin, self.stdout, self.stderr)))

    def line(self, text: str = "") -> None:
        """Write data to stdout, also with `quiet`."""
        self._write(self.stdout, clean(text))

    def table(self, text: str, colours: Mapping[str, str]) -> None:
        """Write a table with boxes to stdout, also with `quiet`.

        `colours` has the codes of the cells with a colour, by their text; they are used as for messages.
        """
        text = clean(text)
        if colours and self._is_coloured(self.stdout):
            words = "|".join(map(re.escape, colours))
            cell = re.compile(rf"(?<=\| )({words})(?= +\|)")
            text = cell.sub(lambda found: f"\033[{colours[found[1]]}m{found[1]}\033[0m", text)
        self._write(self.stdout, text)

    def log(self, text: str) -> None:
        """Write an informational message."""
        if not self.quiet:
            self._write(self._stream_for_people(), clean(text))

    def note(self, text: str) -> None:
        """Write an informational message to stderr."""
        if not self.quiet:
            self._write(self.stderr, clean(text))

    def success(self, text: str) -> None:
        """Write a success message."""
        if not self.quiet:
            self._message(self._stream_for_people(), "Success", text)

    def warning(self, text: str, hint: str = "", *, loud: bool = False) -> None:
        """Write a warning to stderr, followed by its hint; with `quiet` only if `loud`."""
        if loud or not self.quiet:
            self._message(self.stderr, "Warning", text)
            if hint:
                self._write(self.stderr, clean(hint))

    def error(self, text: str, hint: str = "") -> None:
        """Write an error to stderr, followed by its hint, also with `quiet`."""
        self._message(self.stderr, "Error", text)
        if hint:
            self._write(self.stderr, clean(hint))

    def debug(self, group: str, text: str) -> None:
        """Write to stderr with `--debug` or `--debug=group`."""
        if self.debug_group in {EVERYTHING, group}:
            seconds = self._clock() - self._started
            self._message(self.stderr, "Debug", f"{text} ({seconds:.3f}s)", group)

    def debug_origin(self, error: BaseException) -> None:
        """Show with `--debug` where an error was raised, without its text, which might contain a secret."""
        import traceback  # noqa: PLC0415 - 9 ms, only for errors

        for frame in traceback.extract_tb(error.__traceback__):
            self.debug("traceback", f"{frame.filename}:{frame.lineno} in {frame.name}")

    @property
    def can_ask(self) -> bool:
        """Return whether a person can answer a question."""
        return _is_terminal(self.stdin)

    def confirm(self, question: str, *, always: bool = False) -> None:
        """Ask `question`, and return if the answer is `y` or `yes`. With `--yes`, return without asking.

        A question asked `always` needs a person's answer even then. Raises ConfigError (`no-terminal`) without a
        terminal, and BridgeError (`aborted`) for any other answer.
        """
        if self.assume_yes and not always:
            return
        if not self.can_ask:
            raise ConfigError(
                "Confirmation required, but stdin is not a terminal.",
                code="no-terminal",
                hint="Run the command at a terminal." if always else "Pass `--yes` to skip the prompt.",
            )
        if self._answer(f"{question} [y/n]").strip().lower() not in {"y", "yes"}:
            raise BridgeError(
                "Aborted.",
                code="aborted",
                hint="closte-bridge made no further changes. Run the command again to continue.",
            )

    def agrees(self, question: str) -> bool:
        """Return whether the answer to `question` is yes. Raises ConfigError (`no-terminal`) as `confirm`."""
        try:
            self.confirm(question)
        except BridgeError as error:
            if error.code != "aborted":
                raise
            return False
        return True

    def ask_secret(self, question: str) -> str:
        """Ask at the terminal for a secret, which is not shown, and return it without its line feed.

        Raises ConfigError (`no-terminal`) without a terminal.
        """
        import termios  # noqa: PLC0415 - 1 ms, only for a password

        try:
            before = termios.tcgetattr(self.stdin)
        except (termios.error, OSError, ValueError):
            raise ConfigError("stdin is not a terminal.", code="no-terminal", hint="Run it at a terminal.") from None
        hidden = [*before]
        hidden[3] &= ~termios.ECHO
        try:
            termios.tcsetattr(self.stdin, termios.TCSADRAIN, hidden)
            return self._answer(question).rstrip("\r\n")
        finally:
            termios.tcsetattr(self.stdin, termios.TCSADRAIN, before)
            self._write(self.stderr, "")

    def _answer(self, question: str) -> str:
        self._write(self.stderr, f"{clean(question)} ", end="")
        try:
            answer = self.stdin.readline()
        except (OSError, UnicodeDecodeError):
            answer = ""
        if not answer.endswith("\n"):
            self._write(self.stderr, "")
        return answer

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Progress]:
        """Show on stderr how many of `total` steps are done, if it is a terminal and not `quiet`."""
        if self.quiet or not _is_terminal(self.stderr):
            yield _NoProgress()
            return
        bar = click.progressbar(length=total, label=clean(label), file=self.stderr)
        with bar:
            yield bar

    @contextmanager
    def report_waiting(self, waiting_for: Callable[[], str], pause: float = 10.0) -> Iterator[None]:
        """Report on a terminal, every `pause` seconds, what the command waits for; an empty string is nothing."""
        if not _is_terminal(self.stderr):
            yield
            return
        began, ended = self._clock(), threading.Event()

        def report() -> None:
            while not ended.wait(pause):
                what = waiting_for()
                if what and not self.quiet:
                    self._write(self.stderr, clean(f"Still waiting for {what} ({self._clock() - began:.0f} s) …"))

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield
        finally:
            ended.set()
            reporter.join()

    def finish(self, exit_code: int) -> int:
        """Flush, and return `exit_code`, or 1 instead of 0 if output could not be written."""
        for stream in (self.stdout, self.stderr):
            self._write(stream, "", end="")
        for stream in self._gone:
            # Otherwise the interpreter flushes its buffer at exit, and prints an error.
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
        if self.write_error is not None:
            self.error(f"Could not write the output: {self.write_error.strerror}.")
            return exit_code or 1
        return exit_code

    def _stream_for_people(self) -> TextIO:
        return self.stderr if self.data_only else self.stdout

    def _message(self, stream: TextIO, kind: str, text: str, group: str = "") -> None:
        prefix = f"{kind}:" if not group else f"{kind} ({clean(group)}):"
        if self._is_coloured(stream):
            prefix = f"\033[{_COLOURS[kind]}m{prefix}\033[0m"
        # Prefix every line, so that untrusted text cannot fake another message type.
        self._write(stream, "\n".join(f"{prefix} {part}" for part in clean(text).split("\n")))

    def _is_coloured(self, stream: TextIO) -> bool:
        if self.colour is not None:
            return self.colour
        if self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb":
            return False
        return self.stdout_is_terminal if stream is self.stdout else _is_terminal(stream)

    def _write(self, stream: TextIO, text: str, end: str = "\n") -> None:
        if stream in self._gone:
            return
        try:
            stream.write(fit_encoding(text + end, stream))
            stream.flush()
        except BrokenPipeError:
            self._gone.append(stream)
        except OSError as error:
            self._gone.append(stream)
            if stream is self.stdout:
                self.write_error = error


# Replacements for closte-bridge's own characters if the stream cannot encode them, as in the locale "C".
_PLAIN = str.maketrans({"…": "...", "—": "-", "→": "->", "“": '"', "”": '"'})


def fit_encoding(text: str, stream: TextIO) -> str:
    """Return `text` with plain forms or escapes for the characters that the stream cannot encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _opened(stream: TextIO | None, mode: str) -> TextIO:
    if stream is not None:
        return stream
    file = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    assert isinstance(file, TextIOWrapper)  # noqa: S101 - the type of a text file
    return file


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
