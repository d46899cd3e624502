"""Tests of the pulse: when it asks, what it triggers, and how it backs off."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from closte_bridge.config.model import Settings, WpSettings
from closte_bridge.engine import pulse as module
from closte_bridge.engine.loop import TRIGGER_FILE, stamp, touch
from closte_bridge.engine.pulse import NetworkPulse, Pulses
from closte_bridge.wordpress.web import Pulse, WebError

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport

REFUSED = WebError("The shim does not accept the signature.", code="web-refused")


@dataclass
class Web:
    """The web server of a network: the ID of its newest event, or an error."""

    newest: int = 0
    error: WebError | None = None
    etags: list[str] = field(default_factory=list)

    def pulse(self, etag: str) -> Pulse | None:
        """Answer as the shim does."""
        self.etags.append(etag)
        if self.error:
            raise self.error
        return None if etag == f'"{self.newest}"' else Pulse(self.newest, f'"{self.newest}"')


@dataclass
class Network:
    """A network with its pulse and its trigger file."""

    folder: Path
    web: Web
    pulse: NetworkPulse
    told: list[str | None]

    @property
    def stamp(self) -> int:
        """The stamp of the trigger file."""
        return stamp(self.folder / TRIGGER_FILE)

    def run(self, *, events: int = 0) -> None:
        """Make a run that finds new events."""
        view = SimpleNamespace(snapshot=SimpleNamespace(network=None), events=SimpleNamespace(events=[None] * events))
        self.pulse.after_run(
            cast("Engine", None), cast("RunReport", SimpleNamespace(view=view)), stamp(self.folder / TRIGGER_FILE)
        )

    def needs(self) -> bool:
        """Return whether the pulse is needed."""
        return self.pulse.is_needed

    def asks(self) -> bool:
        """Ask if that is needed; return whether it triggered a run."""
        before = self.stamp
        if self.pulse.is_needed:
            self.pulse.ask()
        return self.stamp != before


def network(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, ssh: str | None = "web@host.example.com/srv", pulse: float = 15.0
) -> Network:
    web, told = Web(), list[str | None]()
    monkeypatch.setattr(module, "web_client", lambda *_, **__: web)
    settings = Settings(state_dir=folder, wp=WpSettings(ssh=ssh), pulse=pulse)
    return Network(folder, web, NetworkPulse(settings, lambda e: told.append(e.code if e else None)), told)


def test_each_new_event_triggers_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = network(tmp_path, monkeypatch)
    assert not this.needs(), "before the first run, the web server is unknown"
    this.run()
    assert this.asks() is False
    this.web.newest = 7
    assert this.asks() is True
    assert this.asks() is False, "nothing new"
    this.run(events=1)
    assert not this.asks()
    this.web.newest = 0
    assert not this.asks(), "the events were acknowledged"
    # A restarted database may count from a lower number.
    this.web.newest = 3
    assert this.asks()
    assert this.web.etags == ["", '"0"', '"7"', '"7"', '"7"', '"0"']


def test_pulse_stops_while_something_else_announces_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = network(tmp_path, monkeypatch)
    this.run(events=3)
    assert this.needs()
    touch(tmp_path / TRIGGER_FILE)
    this.run(events=1)
    assert not this.needs()
    this.run()
    assert not this.needs()
    # A full sync finds an event that nothing announced.
    this.run(events=1)
    assert this.needs()


def test_trigger_file_on_the_same_machine_needs_no_pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = network(tmp_path, monkeypatch, ssh=None)
    # The first run finds the events from before the start.
    this.run(events=2)
    assert not this.needs()
    this.run(events=1)
    assert this.needs()


def test_pulse_can_be_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = network(tmp_path, monkeypatch, pulse=0.0)
    this.run(events=1)
    assert not this.needs()


def test_trigger_of_the_pulse_during_a_run_does_not_count_as_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = network(tmp_path, monkeypatch)
    this.run()
    seen = this.stamp
    this.web.newest = 4
    assert this.asks()
    view = SimpleNamespace(snapshot=SimpleNamespace(network=None), events=SimpleNamespace(events=[None]))
    this.pulse.after_run(cast("Engine", None), cast("RunReport", SimpleNamespace(view=view)), seen)
    assert this.needs()
    this.run(events=1)
    assert this.needs()


def test_failing_pulse_is_reported_once_and_backs_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = network(tmp_path, monkeypatch)
    this.run()
    this.web.error = REFUSED
    waits = []
    for _ in range(60):
        assert not this.asks()
        waits.append(this.pulse.wait)
    assert waits[:4] == [30.0, 60.0, 120.0, 240.0]
    assert waits[-1] == 900.0
    assert this.told == ["web-refused"]
    this.web.error = None
    this.web.newest = 5
    assert this.asks()
    assert (this.pulse.wait, this.told) == (15.0, ["web-refused", None])


def test_slow_network_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven of ten networks never answer; the other three are asked again and again."""
    networks = []
    blocked, answered = threading.Event(), threading.Semaphore(0)

    class Slow(Web):
        def pulse(self, etag: str) -> Pulse | None:
            blocked.wait(60)
            return super().pulse(etag)

    class Quick(Web):
        def pulse(self, etag: str) -> Pulse | None:
            answered.release()
            return super().pulse(etag)

    for number in range(10):
        this = network(tmp_path / str(number), monkeypatch, pulse=0.01)
        web = Slow() if number < 7 else Quick()
        monkeypatch.setattr(module, "web_client", lambda *_, web=web, **__: web)
        object.__setattr__(this.pulse.settings, "pulse", 0.01)
        this.run()
        networks.append(this.pulse)
    pulses = Pulses(networks)
    pulses.start()
    try:
        assert all(answered.acquire(timeout=60) for _ in range(30))
    finally:
        pulses.stop()
        blocked.set()
