"""`closte-bridge watch`: keep working, for a service manager."""

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
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.engine.loop import Signals
    from closte_bridge.engine.run import RunReport

_EXAMPLES = """
$ closte-bridge watch --interval=60
Watching "default": a full look every 60 s, events at once.
Added 1 of 1 domain.

$ closte-bridge watch --network=shop --quiet
"""


# How much longer systemd shall wait for the first run, each time that it shows that it goes on: seconds.
_FIRST_RUN_GOES_ON = 300


class _ChangeReporter:
    """Says what changed since it last spoke: a state that lasts is told once, not at every run."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._last: tuple[str, ...] = ()

    def run(self, report: RunReport, words: RunMessages) -> None:
        """Tell of a run: what it did, and problems that are new."""
        if report.applied and report.applied.done:
            for remark in words.remarks:
                self._app.console.log(remark.text)
        self.problems(words.errors, words.warnings)

    def failure(self, error: BridgeError) -> None:
        """Tell of what stopped a run, and of what else went wrong with it."""
        self.problems(Problem.of(error), secondary_problems(error))

    def problems(self, errors: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        """Tell of problems unless they are the same as before."""
        spoken = tuple(problem.message for problem in (*errors, *warnings))
        if self._last and not spoken:
            self._app.console.log("All is well again.")
        if spoken != self._last:
            for problem in errors:
                self._app.console.error(problem.message, problem.hint)
            for problem in warnings:
                self._app.console.warning(problem.message, problem.hint)
        self._last = spoken


def _mind_signals(signals: Signals) -> None:
    # Whatever is waited for, `wp` or Closte, is waited for no longer.
    end_on((signal.SIGTERM, signal.SIGINT), signals.stop.set)
    signal.signal(signal.SIGHUP, lambda *_: signals.reload.set())


class _Service:
    """The loop with all that is around it: signals, the service manager, the configuration as it is now."""

    def __init__(self, app: App, interval: float) -> None:
        from closte_bridge.engine.loop import RealWaiter, Signals, WatchLoop  # noqa: PLC0415 - likewise
        from closte_bridge.engine.sd_notify import Notifier  # noqa: PLC0415 - loaded when it is needed

        self._app = app
        self._notifier = Notifier(os.environ)
        self._signals = Signals()
        self._settings = app.network()
        self._teller = _ChangeReporter(app)
        self._ready = False
        _mind_signals(self._signals)
        app.console.log(f'Watching "{self._settings.name}": a full look every {interval:g} s, events at once.')
        self._loop = WatchLoop(
            folder=self._settings.state_dir,
            interval=interval,
            work=self._work,
            tell=self._failed,
            sign=self._sign,
            reload=self._reload,
            waiter=RealWaiter(),
            signals=self._signals,
        )

    def run(self) -> None:
        """Work until a signal says that it is enough."""
        self._loop.run()
        self._notifier.send(STOPPING="1")

    def _work(self) -> RunReport:
        from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - loaded when it is needed

        # A single command leaves its garbage to the end; one that lives for months must not.
        gc.collect()
        engine = engine_of(self._app, self._settings)
        report, words = sync_one(
            engine, RunRequest(), "watch", should_stop=self._stopping, should_yield=self._loop.should_yield
        )
        self._note(None)
        self._teller.run(report, words)
        self._app.console.debug("watch", engine.cost.sentence())
        return report

    def _failed(self, error: BridgeError) -> None:
        self._note(error)
        self._teller.failure(error)

    def _note(self, error: BridgeError | None) -> None:
        from closte_bridge.engine.last_error import note  # noqa: PLC0415 - as with the sync

        note(self._settings.state_dir, error, time.time())

    def _stopping(self) -> bool:
        # Whatever takes long asks for this again and again.
        self._loop.alive()
        return self._signals.stop.is_set()

    def _reload(self) -> Path:
        self._notifier.reloading()
        try:
            self._app.forget_config()
            self._settings = self._app.network()
            self._app.console.log("Configuration read again.")
        except BridgeError as error:
            self._app.console.error(f"The old configuration stays in use: {error.message}", error.hint)
        self._notifier.send(READY="1")
        return self._settings.state_dir

    def _sign(self, status: str) -> None:
        states = {"WATCHDOG": "1"}
        self._ready = self._ready or bool(status)
        if status:
            states |= {"READY": "1", "STATUS": status.replace("\n", " ")}
        elif not self._ready:
            # A first run with thousands of domains takes longer than systemd waits for a service to start.
            states["EXTEND_TIMEOUT_USEC"] = str(_FIRST_RUN_GOES_ON * 1_000_000)
        self._notifier.send(**states)


@click.command(cls=BridgeCommand, short_help="Keep working: events at once, the rest when due.", epilog=_EXAMPLES)
@click.option(
    "--interval",
    type=Number(1, 86_400),
    default=300.0,
    metavar="<seconds>",
    help="A full look at least this often. Default: 300.",
)
@global_options
@pass_app
def watch(app: App, interval: float) -> int:
    """Sync at once when the shim wakes us, when something held is due, and at an interval in any case.

    Made for a service manager: ready and alive by sd_notify, stops on SIGTERM, reads its configuration again on
    SIGHUP. The lock is held while it works and never while it waits.
    """
    # Told to stop before the loop began, or while it ended.
    with contextlib.suppress(KeyboardInterrupt):
        _Service(app, interval).run()
    return 0
