"""`closte-bridge watch`: run as a service, syncing continuously."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.interruption import end_on
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import Number, global_options
from closte_bridge.cli.result import Problem, secondary_problems
from closte_bridge.cli.syncing import sync_one
from closte_bridge.engine.alerts import RunOrigin
from closte_bridge.engine.last_error import note
from closte_bridge.engine.loop import Signals, Waiter, WatchLoop
from closte_bridge.engine.run import RunRequest
from closte_bridge.engine.sd_notify import Notifier
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.engine.run import RunReport

_EXAMPLES = """
$ closte-bridge watch --interval=60
Watching "default": full sync every 60 s, events immediately.
Added 1 of 1 domain.

$ closte-bridge watch --network=shop --quiet
"""


# Seconds by which each heartbeat of the first run extends systemd's start timeout.
_FIRST_RUN_EXTENSION = 300


class _ChangeReporter:
    """Reports each change once: a lasting problem is not repeated at every run."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._last: tuple[str, ...] = ()

    def run(self, report: RunReport, words: RunMessages) -> None:
        """Report what a run did, and new problems."""
        if report.applied and report.applied.done:
            for remark in words.remarks:
                self._app.console.log(remark.text)
        self.problems(words.errors, words.warnings)

    def failure(self, error: BridgeError) -> None:
        """Report the error that stopped a run, and secondary errors."""
        self.problems(Problem.of(error), secondary_problems(error))

    def problems(self, errors: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        """Report problems, unless they are the same as before."""
        reported = tuple(problem.message for problem in (*errors, *warnings))
        if self._last and not reported:
            self._app.console.log("All problems resolved.")
        if reported != self._last:
            for problem in errors:
                self._app.console.error(problem.message, problem.hint)
            for problem in warnings:
                self._app.console.warning(problem.message, problem.hint)
        self._last = reported


def _handle_signals(signals: Signals) -> None:
    # A signal also ends the wait for `wp` or Closte.
    end_on((signal.SIGTERM, signal.SIGINT), signals.stop.set)
    signal.signal(signal.SIGHUP, lambda *_: signals.reload.set())


class _Service:
    """The loop with its signals, the service manager and the current config."""

    def __init__(self, app: App, interval: float) -> None:
        self._app = app
        self._notifier = Notifier(os.environ)
        self._signals = Signals()
        self._settings = app.network()
        self._reporter = _ChangeReporter(app)
        self._ready = False
        _handle_signals(self._signals)
        app.console.log(f'Watching "{self._settings.name}": full sync every {interval:g} s, events immediately.')
        self._loop = WatchLoop(
            folder=self._settings.state_dir,
            interval=interval,
            work=self._work,
            tell=self._failed,
            sign=self._heartbeat,
            reload=self._reload,
            waiter=Waiter(),
            signals=self._signals,
        )

    def run(self) -> None:
        """Sync until a signal ends the loop."""
        self._loop.run()
        self._notifier.send(STOPPING="1")

    def _work(self) -> RunReport:
        # A service runs for months: free memory before each run.
        gc.collect()
        engine = engine_of(self._app, self._settings)
        report, words = sync_one(
            engine,
            RunRequest(),
            "watch",
            should_stop=self._stopping,
            should_yield=self._loop.should_yield,
            origin=RunOrigin("watch", self._loop.interval),
        )
        self._note(None)
        self._reporter.run(report, words)
        self._app.console.debug("watch", engine.cost.sentence())
        return report

    def _failed(self, error: BridgeError) -> None:
        self._note(error)
        self._reporter.failure(error)

    def _note(self, error: BridgeError | None) -> None:
        note(self._settings.state_dir, error, time.time())

    def _stopping(self) -> bool:
        # Long tasks call this regularly, so it also serves as the heartbeat.
        self._loop.alive()
        return self._signals.stop.is_set()

    def _reload(self) -> Path:
        self._notifier.reloading()
        try:
            self._app.forget_config()
            self._settings = self._app.network()
            self._app.console.log("Reloaded the config.")
        except BridgeError as error:
            self._app.console.error(
                f"Could not reload the config, so closte-bridge keeps the old one: {error.message}", error.hint
            )
        self._notifier.send(READY="1")
        return self._settings.state_dir

    def _heartbeat(self, status: str) -> None:
        states = {"WATCHDOG": "1"}
        self._ready = self._ready or bool(status)
        if status:
            states |= {"READY": "1", "STATUS": status.replace("\n", " ")}
        elif not self._ready:
            # A first run with thousands of domains takes longer than systemd's start timeout.
            states["EXTEND_TIMEOUT_USEC"] = str(_FIRST_RUN_EXTENSION * 1_000_000)
        self._notifier.send(**states)


@click.command(cls=BridgeCommand, short_help="Run as a service, syncing continuously.", epilog=_EXAMPLES)
@click.option(
    "--interval",
    type=Number(1, 86_400),
    default=300.0,
    metavar="<seconds>",
    help="Maximum seconds between full syncs. Default: 300.",
)
@global_options
@pass_app
def watch(app: App, interval: float) -> int:
    """Run continuously: sync when the shim reports a change, when a change on hold is due, and at a fixed interval.

    Designed for systemd: supports sd_notify and the watchdog, stops on SIGTERM and reloads its config on SIGHUP. Holds
    the lock only during a run.
    """
    # A signal can arrive before the loop begins or while it ends.
    with contextlib.suppress(KeyboardInterrupt):
        _Service(app, interval).run()
    return 0
