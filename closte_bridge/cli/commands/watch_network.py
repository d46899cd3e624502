"""One network of `watch`: its runs, what it reports, and its pulse."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.result import Problem, secondary_problems
from closte_bridge.cli.syncing import sync_one
from closte_bridge.engine.alerts import RunOrigin
from closte_bridge.engine.last_error import note
from closte_bridge.engine.loop import Signals, Waiter, WatchLoop
from closte_bridge.engine.pulse import NetworkPulse
from closte_bridge.engine.run import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prometheus_client import Metric

    from closte_bridge.cli.context import App
    from closte_bridge.cli.syncing import RunMessages
    from closte_bridge.config.model import Settings
    from closte_bridge.engine.run import RunReport
    from closte_bridge.errors import BridgeError
    from closte_bridge.wordpress.web import WebError


class ChangeReporter:
    """Reports each change once: a lasting problem is not repeated at every run. `prefix` precedes every message."""

    def __init__(self, app: App, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix
        self._last: tuple[str, ...] = ()

    def run(self, report: RunReport, words: RunMessages) -> None:
        """Report what a run did, and new problems."""
        if report.applied and report.applied.done:
            for remark in words.remarks:
                self._app.console.log(self._prefix + remark.text)
        self.problems(words.errors, words.warnings)

    def failure(self, error: BridgeError) -> None:
        """Report the error that stopped a run, and secondary errors."""
        self.problems(Problem.of(error), secondary_problems(error))

    def pulse(self, error: WebError | None) -> None:
        """Report that the pulse fails, or that it works again."""
        if error is None:
            self._app.console.log(f"{self._prefix}The web server answers again.")
            return
        text = f"{self._prefix}Could not ask the web server for events: {error.message}"
        self._app.console.warning(text, f"Changes wait for the next full sync. {error.hint}")

    def problems(self, errors: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        """Report problems, unless they are the same as before."""
        reported = tuple(problem.message for problem in (*errors, *warnings))
        if self._last and not reported:
            self._app.console.log(f"{self._prefix}All problems resolved.")
        if reported != self._last:
            for problem in errors:
                self._app.console.error(self._prefix + problem.message, problem.hint)
            for problem in warnings:
                self._app.console.warning(self._prefix + problem.message, problem.hint)
        self._last = reported


class WatchedNetwork:
    """A network with its loop. `sign` is called with a sentence after each run, and as a heartbeat with "".

    `failing` is whether its last run failed, and `metrics` are those of its last run, if the listener shows them.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        interval: float,
        *,
        signals: Signals,
        sign: Callable[[str], None],
        reload: Callable[[], Path],
        prefix: str = "",
    ) -> None:
        self._app = app
        self._signals = signals
        self.settings = settings
        self.failing = False
        self.metrics: tuple[Metric, ...] = ()
        self._reporter = ChangeReporter(app, prefix)
        self.pulse = NetworkPulse(settings, self._reporter.pulse)
        self.loop = WatchLoop(
            folder=settings.state_dir,
            interval=interval,
            work=self._work,
            tell=self._failed,
            sign=sign,
            reload=reload,
            waiter=Waiter(),
            signals=signals,
        )

    def use(self, settings: Settings) -> None:
        """Use other settings from the next run on."""
        self.settings = settings
        if self.loop.folder != settings.state_dir:
            self.loop.leave()
            self.loop.folder = settings.state_dir
        self.pulse = NetworkPulse(settings, self._reporter.pulse)

    def _work(self) -> RunReport:
        # A service runs for months: free memory before each run.
        gc.collect()
        engine = engine_of(self._app, self.settings)
        engine.keeps_metrics = self.settings.listen_metrics
        self.failing = True
        try:
            report, words = sync_one(
                engine,
                RunRequest(),
                "watch",
                should_stop=self._stopping,
                should_yield=self.loop.should_yield,
                origin=RunOrigin("watch", self.loop.interval),
            )
        finally:
            self.metrics = engine.metrics or self.metrics
        self.failing = False
        self._note(None)
        self._reporter.run(report, words)
        self._app.console.debug("watch", engine.cost.sentence())
        self.pulse.after_run(engine, report, self.loop.seen)
        return report

    def _failed(self, error: BridgeError) -> None:
        self._note(error)
        self._reporter.failure(error)

    def _note(self, error: BridgeError | None) -> None:
        note(self.settings.state_dir, error, time.time())

    def _stopping(self) -> bool:
        # Long tasks call this regularly, so it also serves as the heartbeat.
        self.loop.alive()
        return self._signals.stop.is_set()
