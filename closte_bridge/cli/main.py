"""Run a command, and turn its result into output and an exit code.

Never shows a traceback or the text of an unexpected exception, which might contain a secret.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App
from closte_bridge.cli.formats import Format
from closte_bridge.cli.interruption import end_on, ignore_signals
from closte_bridge.cli.result import Output, Problem, Result, secondary_problems, show
from closte_bridge.cli.root import root
from closte_bridge.cli.usage import usage_error
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from closte_bridge.wordpress.process import Prestart

PROGRAM = "closte-bridge"
COMPLETE = "_CLOSTE_BRIDGE_COMPLETE"


def run(
    argv: Sequence[str],
    *,
    console: Console | None = None,
    environ: Mapping[str, str] | None = None,
    head: Prestart | None = None,
) -> int:
    """Run `argv` (without the program's name) and return the exit code. Raises nothing.

    If `console` is None, use the process's streams and install its handlers. `head` is a pre-started `wp`; the caller
    ends it if it is not used.
    """
    environ = os.environ if environ is None else environ
    if console is not None:
        return _run(argv, console, environ, head)
    console = Console.of_process()
    _install_handlers(console)
    try:
        return _run(argv, console, environ, head)
    finally:
        ignore_signals()


def _run(argv: Sequence[str], console: Console, environ: Mapping[str, str], head: Prestart | None) -> int:
    app = App(console, environ, head=head)
    try:
        _set_error_output(app, list(argv))
        exit_code = _run_command(app, list(argv))
        return console.finish(exit_code)
    except KeyboardInterrupt:
        return console.finish(ExitCode.INTERRUPTED)
    except Exception as error:  # reporting an error failed, too
        console.error(f"Internal error ({type(error).__name__}).")
        return console.finish(ExitCode.FAILURE)


def _run_command(app: App, argv: list[str]) -> int:
    result = _result(app, argv)
    if isinstance(result, int):
        return result
    if app.command == "sync" and app.console.quiet:
        # Do not let cron send mail about harmless overlapping runs.
        result = replace(result, errors=tuple(error for error in result.errors if error.code != "locked"))
    try:
        show(result, app.console, app.output, app.command)
    except Exception as error:
        # Last resort: the result could not be rendered.
        app.output = Output(format=app.output.format)
        result = _failure(app, error)
        show(result, app.console, app.output, app.command)
    return int(result.exit_code)


def _result(app: App, argv: list[str]) -> Result | int:
    try:
        return _invoke(app, argv)
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.ClickException as error:
        return Result.of_error(usage_error(error))
    except (KeyboardInterrupt, click.Abort, EOFError) as stop:
        hint = "Nothing is lost. Run the command again to continue."
        interrupted = Problem(code="interrupted", message="Interrupted.", hint=hint)
        return Result(exit_code=ExitCode.INTERRUPTED, errors=(interrupted,), warnings=secondary_problems(stop))
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except Exception as error:  # never show a traceback
        return _failure(app, error)


def _invoke(app: App, argv: list[str]) -> Result | int:
    if app.environ.get(COMPLETE):
        from click.shell_completion import shell_complete  # noqa: PLC0415 - 10 ms, only for completion

        return shell_complete(root, {"obj": app}, PROGRAM, COMPLETE, app.environ[COMPLETE])
    with app.console.report_waiting(app.waiting_for), root.make_context(PROGRAM, argv or _default(app), obj=app) as ctx:
        value = root.invoke(ctx)
    if value is None:
        return int(ExitCode.OK)
    assert isinstance(value, Result | int)  # noqa: S101 - true for every command
    return value


def _default(app: App) -> list[str]:
    """Return the arguments of a call without any: at a terminal, the status of an adopted network; else the help."""
    from closte_bridge.ledger.store import Ledger  # noqa: PLC0415 - rarely needed

    if app.console.stdout_is_terminal:
        with suppress(BridgeError):
            for settings in app.settings(every=True):
                ledger = Ledger.open(settings.state_dir)
                with ledger or nullcontext():
                    if ledger and ledger.engine_id():
                        return ["status"]
    return ["--help"]


def _failure(app: App, error: Exception) -> Result:
    if isinstance(error, BridgeError):
        return Result.of_error(error)
    app.console.debug_origin(error)
    if damaged := _ledger_damage(app):
        return Result.of_error(damaged)
    hint = "This is a bug in closte-bridge. Run the command again with `--debug` and report the output."
    message = f"Internal error ({type(error).__name__})."
    problem = Problem(code="internal-error", message=message, hint=hint)
    return Result(exit_code=ExitCode.FAILURE, errors=(problem,), warnings=secondary_problems(error))


def _ledger_damage(app: App) -> BridgeError | None:
    """Return the error of a damaged ledger, if any: its data can cause an error long after it was read."""
    from closte_bridge.ledger.store import Ledger  # noqa: PLC0415 - 20 ms, only after an internal error

    try:
        for settings in app.settings(every=True):
            if ledger := Ledger.open(settings.state_dir):
                with ledger:
                    ledger.check()
    except BridgeError as error:
        return error if error.code == "ledger-damaged" else None
    except Exception:  # the original error is reported
        return None
    return None


def _set_error_output(app: App, argv: list[str]) -> None:
    """Read from `argv` how to report errors, before click parses it."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    wanted = ""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--format":
            wanted = value if equals else "".join(words[index + 1 : index + 2])
        elif name == "--debug":
            app.console.debug_group = value
        elif word in {"--color", "--no-color"}:
            app.console.colour = word == "--color"
    if wanted == Format.JSON:
        app.output.format = Format.JSON
        app.console.data_only = True


def _install_handlers(console: Console) -> None:
    """Install signal, thread and logging handlers that never print a traceback."""

    def thread_failed(failed: threading.ExceptHookArgs) -> None:
        console.error(f"Internal error in a thread ({failed.exc_type.__name__}).")

    def ignored(failed: sys.UnraisableHookArgs) -> None:
        console.debug("ignored", f"{failed.exc_type.__name__} while cleaning up.")

    # Keep SIGINT ignored if the parent process ignored it.
    ctrl_c = {signal.SIGINT} if signal.getsignal(signal.SIGINT) is signal.default_int_handler else set()
    end_on({signal.SIGTERM} | ctrl_c)
    threading.excepthook = thread_failed
    sys.unraisablehook = ignored
    # Without a handler, Python prints the warnings of libraries to stderr, and they may contain a URL.
    logging.getLogger().addHandler(logging.NullHandler())
