"""`closte-bridge watch`: run as a service, syncing continuously."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.watch_listen import Listening, endpoint_of
from closte_bridge.cli.commands.watch_network import WatchedNetwork
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.interruption import end_on
from closte_bridge.cli.options import Number, global_options
from closte_bridge.counts import counted
from closte_bridge.engine.fleet import FleetLoop
from closte_bridge.engine.loop import Signals, Waiter
from closte_bridge.engine.pulse import Pulses
from closte_bridge.engine.sd_notify import Notifier
from closte_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.loop import WatchLoop

_EXAMPLES = """
$ closte-bridge watch --interval=60
Watching "default": full sync every 60 s, events immediately.
Added 1 of 1 domain.

$ closte-bridge watch --network=shop --quiet

$ closte-bridge watch --all --listen=127.0.0.1:8377
Watching 2 networks: full sync every 300 s, events immediately.
Listening for wake-ups on 127.0.0.1:8377.
"""

# Seconds by which each heartbeat of the first run extends systemd's start timeout.
_FIRST_RUN_EXTENSION = 300
# Seconds without progress after which `/healthz` is red. A call of `wp` may take two minutes.
_STALLED = 180.0
# Seconds between messages to the service manager.
_HEARTBEAT = 5.0


def _handle_signals(signals: Signals) -> None:
    # A signal also ends the wait for `wp` or Closte.
    end_on((signal.SIGTERM, signal.SIGINT), signals.stop.set)
    signal.signal(signal.SIGHUP, lambda *_: signals.reload.set())


class _Service:
    """The loops of the networks with the signals, the service manager, the listener and the current config."""

    def __init__(self, app: App, interval: float, listen: str | None) -> None:
        self._app = app
        self._interval = interval
        self._notifier = Notifier(os.environ)
        self._signals = Signals()
        self._ready = False
        self._last_alive = time.monotonic()
        settings = app.settings()
        self._several = len(settings) > 1
        _handle_signals(self._signals)
        self._networks = {one.name: self._watched(one) for one in settings}
        self._pulses = self._new_pulses()
        endpoint = endpoint_of(settings, listen)
        self._listening = (
            Listening(settings, endpoint, lambda: self._networks, self._is_alive) if endpoint is not None else None
        )

    def run(self) -> None:
        """Sync until a signal ends the loop."""
        watched = counted(len(self._networks), "network") if self._several else f'"{next(iter(self._networks))}"'
        self._app.console.log(f"Watching {watched}: full sync every {self._interval:g} s, events immediately.")
        if self._listening:
            self._app.console.log(f"Listening for wake-ups on {self._listening.start()}.")
        self._pulses.start()
        if self._several:
            self._fleet().run()
        else:
            next(iter(self._networks.values())).loop.run()
        self._pulses.stop()
        self._notifier.send(STOPPING="1")

    def _fleet(self) -> FleetLoop:
        return FleetLoop(self._loops(), Waiter(), self._signals, self._reload_several, lambda: self._heartbeat(""))

    def _loops(self) -> list[WatchLoop]:
        return [network.loop for network in self._networks.values()]

    def _new_pulses(self) -> Pulses:
        return Pulses(network.pulse for network in self._networks.values())

    def _watched(self, settings: Settings) -> WatchedNetwork:
        return WatchedNetwork(
            self._app,
            settings,
            self._interval,
            signals=self._signals,
            sign=self._status_of_one if self._several else self._heartbeat,
            reload=self._reload_one,
            prefix=f"{settings.name}: " if self._several else "",
        )

    def _reload_one(self) -> Path:
        self._reload(lambda: [self._app.network()])
        return next(iter(self._networks.values())).settings.state_dir

    def _reload_several(self) -> list[WatchLoop]:
        self._reload(self._app.settings)
        return self._loops()

    def _reload(self, read: Callable[[], Sequence[Settings]]) -> None:
        self._notifier.reloading()
        try:
            self._app.forget_config()
            settings = read()
            self._use(settings)
            self._app.console.log("Reloaded the config.")
        except BridgeError as error:
            self._app.console.error(
                f"Could not reload the config, so closte-bridge keeps the old one: {error.message}", error.hint
            )
        self._notifier.send(READY="1")

    def _use(self, settings: Sequence[Settings]) -> None:
        if self._listening:
            self._listening.use(settings)
        known = {**self._networks} if self._several else {settings[0].name: next(iter(self._networks.values()))}
        networks = {}
        for one in settings:
            networks[one.name] = known.get(one.name) or self._watched(one)
            networks[one.name].use(one)
        self._networks = networks
        self._pulses.stop()
        self._pulses = self._new_pulses()
        self._pulses.start()

    def _is_alive(self) -> bool:
        return time.monotonic() - self._last_alive < _STALLED

    def _status_of_one(self, status: str) -> None:
        """Report the end of a run of one of several networks."""
        if status:
            failing = sum(1 for network in self._networks.values() if network.failing)
            self._heartbeat(f"{counted(len(self._networks), 'network')}, {failing} failing.")

    def _heartbeat(self, status: str) -> None:
        now, before = time.monotonic(), self._last_alive
        self._last_alive = now
        if not status and self._several and int(now / _HEARTBEAT) == int(before / _HEARTBEAT):
            return
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
@click.option(
    "--listen",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="<address:port>",
    help="Accept wake-ups of the shim over HTTP. Default: `listen` of the config, else 127.0.0.1:8377.",
)
@global_options
@pass_app
def watch(app: App, interval: float, listen: str | None) -> int:
    """Run continuously: sync when the shim reports a change, when a change on hold is due, and at a fixed interval.

    Designed for systemd: supports sd_notify and the watchdog, stops on SIGTERM and reloads its config on SIGHUP. Holds
    the lock only during a run. With --all, one process watches all networks of the config.

    With --listen, shims on other machines wake it through `wake_url`. Without, it asks them every few seconds
    (`pulse`).
    """
    # A signal can arrive before the loop begins or while it ends.
    with contextlib.suppress(KeyboardInterrupt):
        _Service(app, interval, listen).run()
    return 0
