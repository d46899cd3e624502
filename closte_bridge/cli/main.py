"""Run a command, and turn whatever comes out of it into streams and an exit code.

No traceback ever reaches the user, and no text of an unexpected exception: it might hold a secret.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.console import Console
from closte_bridge.cli.context import App
from closte_bridge.cli.formats import Format
from closte_bridge.cli.interruption import end_on, ended
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
    """Run `argv` (without the program's name) and return the exit code; nothing is raised.

    Without a `console` it is the process's own, and signals, threads and loggers are made to keep our manners. `head`
    is a `wp` that was started already; whoever started it ends it if nobody takes it.
    """
    environ = os.environ if environ is None else environ
    if console is not None:
        return _run(argv, console, environ, head)
    console = Console.of_process()
    _mind_the_process(console)
    try:
        return _run(argv, console, environ, head)
    finally:
        ended()


def _run(argv: Sequence[str], console: Console, environ: Mapping[str, str], head: Prestart | None) -> int:
    app = App(console, environ, head=head)
    try:
        _look_ahead(app, list(argv))
        exit_code = _answer(app, list(argv))
        return console.finish(exit_code)
    except KeyboardInterrupt:
        return console.finish(ExitCode.INTERRUPTED)
    except Exception as error:  # what even the report of a failure failed with
        console.error(f"An internal error stopped the command ({type(error).__name__}).")
        return console.finish(ExitCode.FAILURE)


def _answer(app: App, argv: list[str]) -> int:
    result = _result(app, argv)
    if isinstance(result, int):
        return result
    if app.command == "sync" and app.console.quiet:
        # Cron would send a letter about each run that met another one, which is harmless.
        result = replace(result, errors=tuple(error for error in result.errors if error.code != "locked"))
    try:
        show(result, app.console, app.output, app.command)
    except Exception as error:
        # Nothing may get past this. Whatever this is about, the answer could not be shown as wanted.
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
    except (KeyboardInterrupt, click.Abort, EOFError):
        hint = "Run it again to go on: nothing is lost."
        interrupted = Problem(code="interrupted", message="Interrupted.", hint=hint)
        return Result(exit_code=ExitCode.INTERRUPTED, errors=(interrupted,))
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except Exception as error:  # nothing may get past this
        return _failure(app, error)


def _invoke(app: App, argv: list[str]) -> Result | int:
    if app.environ.get(COMPLETE):
        # Only the shell's completion pays for the import.
        from click.shell_completion import shell_complete  # noqa: PLC0415

        return shell_complete(root, {"obj": app}, PROGRAM, COMPLETE, app.environ[COMPLETE])
    with app.console.patience(app.waiting_for), root.make_context(PROGRAM, argv or ["--help"], obj=app) as ctx:
        value = root.invoke(ctx)
    if value is None:
        return int(ExitCode.OK)
    assert isinstance(value, Result | int)  # noqa: S101 - what commands promise
    return value


def _failure(app: App, error: Exception) -> Result:
    if isinstance(error, BridgeError):
        return Result.of_error(error)
    app.console.debug_origin(error)
    if damage := _damage(app):
        return Result.of_error(damage)
    hint = 'This is a mistake in closte-bridge. Run it again with "--debug" to see where.'
    message = f"An internal error stopped the command ({type(error).__name__})."
    problem = Problem(code="internal-error", message=message, hint=hint)
    return Result(exit_code=ExitCode.FAILURE, errors=(problem,), warnings=secondary_problems(error))


def _damage(app: App) -> BridgeError | None:
    """Return the error of a damaged ledger, if there is one: what was read of it may fail long after it was closed."""
    from closte_bridge.ledger.store import Ledger  # noqa: PLC0415 - hardly ever needed

    try:
        for settings in app.settings(every=True):
            if ledger := Ledger.open(settings.state_dir, create=False):
                with ledger:
                    ledger.check()
    except BridgeError as error:
        return error if error.code == "ledger-damaged" else None
    except Exception:  # it is about another failure
        return None
    return None


def _look_ahead(app: App, argv: list[str]) -> None:
    """Learn from `argv` how to report errors, so that those in parsing itself are reported so too."""
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


def _mind_the_process(console: Console) -> None:
    """Make signals, threads and loggers of this process end as quietly as everything else."""

    def thread_failed(failed: threading.ExceptHookArgs) -> None:
        console.error(f"An internal error stopped a part of the work ({failed.exc_type.__name__}).")

    def ignored(failed: sys.UnraisableHookArgs) -> None:
        console.debug("ignored", f"{failed.exc_type.__name__} while cleaning up.")

    # Whoever had SIGINT ignored, such as `nohup`, keeps that.
    ctrl_c = {signal.SIGINT} if signal.getsignal(signal.SIGINT) is signal.default_int_handler else set()
    end_on({signal.SIGTERM} | ctrl_c)
    threading.excepthook = thread_failed
    sys.unraisablehook = ignored
    # Without any handler Python prints warnings of libraries to stderr, and those may quote a URL.
    logging.getLogger().addHandler(logging.NullHandler())
