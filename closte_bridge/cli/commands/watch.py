"""`closte-bridge watch`: run as a service, syncing continuously."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.watch_network import WatchedNetwork
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.interruption import end_on
from closte_bridge.cli.options import Number, global_options
from closte_bridge.engine.loop import Signals
from closte_bridge.engine.pulse import Pulses
from closte_bridge.engine.sd_notify import Notifier
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from pathlib import Path

_EXAMPLES = """
$ closte-bridge watch --interval=60
Watching "default": full sync every 60 s, events immediately.
Added 1 of 1 domain.

$ closte-bridge watch --network=shop --quiet
"""

# Seconds by which each heartbeat of the first run extends systemd's start timeout.
_FIRST_RUN_EXTENSION = 300


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
        self._ready = False
        settings = app.network()
        _handle_signals(self._signals)
        app.console.log(f'Watching "{settings.name}": full sync every {interval:g} s, events immediately.')
        self._network = WatchedNetwork(
            app, settings, interval, signals=self._signals, sign=self._heartbeat, reload=self._reload
        )
        self._pulses = Pulses([self._network.pulse])

    def run(self) -> None:
        """Sync until a signal ends the loop."""
        self._pulses.start()
        self._network.loop.run()
        self._pulses.stop()
        self._notifier.send(STOPPING="1")

    def _reload(self) -> Path:
        self._notifier.reloading()
        try:
            self._app.forget_config()
            self._network.use(self._app.network())
            self._pulses.stop()
            self._pulses = Pulses([self._network.pulse])
            self._pulses.start()
            self._app.console.log("Reloaded the config.")
        except BridgeError as error:
            self._app.console.error(
                f"Could not reload the config, so closte-bridge keeps the old one: {error.message}", error.hint
            )
        self._notifier.send(READY="1")
        return self._network.settings.state_dir

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
