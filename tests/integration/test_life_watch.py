"""Tests of `closte-bridge watch` as a service manager runs it: a real process, real signals, a real socket."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from closte_bridge.engine.lock import held, holder_since
from closte_bridge.engine.loop import HEARTBEAT_FILE, TRIGGER_FILE, touch
from closte_bridge.errors import BridgeError
from tests.support.bridge import Bridge, bridge_for
from tests.support.processes import ended
from tests.support.rows import delete_mappings, switch_on
from tests.support.running import wait_until, write_script
from tests.support.sandbox.server import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

pytestmark = pytest.mark.real

# The interval is longer than each wait in these tests, so that no regular run can make a test pass.
INTERVAL = "--interval=3600"
# The duration of slow operations in seconds. A stop must not wait for them.
SLOW = 300.0
PROMPTLY = 30.0
# The documented limit for a stop, in seconds. A busy machine may be slow, so the fastest of a few tries counts.
PROMISED, TRIES = 2.0, 3


@pytest.fixture
def bridge(multisite: Multisite, tmp_path: Path) -> Iterator[Bridge]:
    """Provide the owner of a synced network."""
    switch_on(multisite)
    with bridge_for(multisite, tmp_path / "bridge", removal_delay="3s") as bridge:
        bridge.adopt()
        yield bridge


@dataclass
class Watching:
    """A running `watch`, and the messages that it sent to its service manager."""

    process: subprocess.Popen[str]
    listener: socket.socket
    log: Path
    told: list[str] = field(default_factory=list)

    def listen(self) -> list[str]:
        """Return all messages received so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told += self.listener.recv(10_000).decode().splitlines()
        return self.told

    def ready(self) -> None:
        """Wait for the end of the first run."""
        wait_until(lambda: "READY=1" in self.listen() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        """The text of the log."""
        return self.log.read_text()

    def end(self) -> float:
        """Send SIGTERM, check for a clean end, and return the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PROMPTLY) == 0, self.said
        took = time.monotonic() - began
        assert "STOPPING=1" in self.listen()
        assert "Traceback" not in self.said
        return took


@contextmanager
def watching(bridge: Bridge, *prefix: str) -> Iterator[Watching]:
    """Run `watch` during the body, with a command prefix if given."""
    address = str(bridge.folder / "notify")
    (bridge.folder / "notify").unlink(missing_ok=True)
    log = bridge.folder / "watch.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, log.open("w") as output:
        listener.bind(address)
        listener.setblocking(False)
        process = subprocess.Popen(
            [*prefix, *bridge.argv("watch", INTERVAL)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            cwd=bridge.folder,
            env=bridge.environment(NOTIFY_SOCKET=address, WATCHDOG_USEC="20000000"),
        )
        try:
            yield Watching(process, listener, log)
        finally:
            process.kill()
            process.wait()


@contextmanager
def taken(bridge: Bridge) -> Iterator[None]:
    """Hold the lock of closte-bridge during the body, after the end of a current run."""
    with contextlib.ExitStack() as stack:

        def got() -> bool:
            with contextlib.suppress(BridgeError):
                stack.enter_context(held(bridge.state, "test"))
                return True
            return False

        wait_until(got)
        yield


def wake(bridge: Bridge) -> None:
    """Touch the trigger file, as the shim does."""
    touch(bridge.state / TRIGGER_FILE)


def configs_are_read_again(bridge: Bridge, watch: Watching) -> None:
    """Check that SIGHUP reloads the config, and that closte-bridge reports and ignores a broken config."""
    bridge.write_config(wildcards=["*.example.org"])
    watch.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "*.example.org" in bridge.aliases)
    assert watch.listen().count("RELOADING=1") == 1
    assert any(line.startswith("MONOTONIC_USEC=") for line in watch.listen())
    bridge.config.write_text("wildcards: 7\n")
    watch.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "Could not reload the config, so closte-bridge keeps the old one" in watch.said)
    bridge.multisite.add_mappings_sql([("new.example.com", 1)])
    wake(bridge)
    wait_until(lambda: "new.example.com" in bridge.aliases)


def another_run_is_waited_for(bridge: Bridge, watch: Watching) -> None:
    """Check that `watch` waits for another run and then makes the remaining changes."""
    bridge.write_config()
    with taken(bridge):
        bridge.multisite.add_mappings_sql([("late.example.com", 1)])
        wake(bridge)
        wait_until(lambda: "STATUS=Waiting: another run is in progress." in watch.listen())
    wait_until(lambda: "late.example.com" in bridge.aliases)


def test_watch_handles_events_locks_and_reloads(bridge: Bridge) -> None:
    bridge.create_events_table()
    with watching(bridge) as watch:
        watch.ready()
        assert (bridge.state / HEARTBEAT_FILE).exists()
        assert any(line.startswith("STATUS=") for line in watch.listen())

        # `watch` reacts to an event immediately.
        bridge.multisite.add_mappings_sql([("shop.example.org", 1), ("old.example.org", 1)])
        wake(bridge)
        wait_until(lambda: bridge.aliases == {"shop.example.org", "old.example.org"})

        # `watch` holds no lock while it waits.
        with taken(bridge):
            pass

        # `watch` makes a delayed removal when it is due, without another event.
        delete_mappings(bridge.multisite, ["old.example.org"])
        bridge.add_event("mapping_removed", "old.example.org")
        wake(bridge)
        wait_until(lambda: bridge.aliases == {"shop.example.org"})

        configs_are_read_again(bridge, watch)
        another_run_is_waited_for(bridge, watch)
        wait_until(lambda: watch.listen().count("WATCHDOG=1") > 3)
        watch.end()
    assert not (bridge.state / HEARTBEAT_FILE).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a sandbox")
def test_service_sandbox_without_database_access_is_reported(bridge: Bridge) -> None:
    """The sandbox imitates that of systemd with SQLite: the service fails while manual runs succeed."""
    site = str(bridge.multisite.path)
    closed = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    with watching(bridge, "unshare", "--mount", "--propagation=private", "sh", "-c", closed, site) as watch:
        watch.ready()
        assert "`write_paths`" in watch.said
        assert bridge.run("sync").code == 0
        findings = {row["check"]: row for row in bridge.run("doctor", "--format=json").envelope["data"]}
        runner = findings["runner"]
        assert runner["status"] == "error"
        assert runner["message"].startswith("The last run of `closte-bridge watch` failed 0 minutes ago: ")
        assert '"<site>"' in runner["hint"]
        assert "`write_paths`" in runner["hint"]
        watch.end()
    # A `watch` with write access clears the error.
    with watching(bridge) as watch:
        watch.ready()
        (row,) = bridge.run("health", "--format=json").envelope["data"]
        assert row["last_error"] == ""
        watch.end()


def test_watch_stops_during_a_slow_answer_without_loss(bridge: Bridge) -> None:
    bridge.sandbox.behaviour = SandboxOptions(slow=SLOW)
    bridge.sandbox.set_faults("slow:1:1@shop.example.org", "slow:1:1@more.example.org")
    bridge.multisite.add_mappings_sql([("shop.example.org", 1)])

    def asked(name: str) -> bool:
        # The fault is active: Closte has received the request, but has not answered.
        return any(fault.domain == name and fault.times == 0 for fault in bridge.sandbox.faults)

    with watching(bridge) as watch:
        wait_until(lambda: asked("shop.example.org"))
        # `watch` reports progress to systemd during the first run, however long it takes.
        wait_until(lambda: watch.listen().count("WATCHDOG=1") >= 2)
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in watch.listen())
        assert "READY=1" not in watch.listen()
        watch.end()
    assert holder_since(bridge.state) is None
    # The lock is also free after a kill.
    bridge.multisite.add_mappings_sql([("more.example.org", 1)])
    with watching(bridge) as watch:
        wait_until(lambda: asked("more.example.org"))
        watch.process.kill()
        watch.process.wait()
    assert holder_since(bridge.state) is None
    with watching(bridge) as watch:
        watch.ready()
        assert bridge.aliases == {"shop.example.org", "more.example.org"}
        watch.end()
    listed = bridge.run("domain", "list", "--fields=domain,state,managed", "--format=csv").out.splitlines()[1:]
    assert listed == ["example.net,own,false", "more.example.org,in-sync,true", "shop.example.org,in-sync,true"]


def test_watch_stops_during_a_slow_wp_and_ends_it(bridge: Bridge) -> None:
    pid_file = bridge.folder / "pid"
    slow = write_script(bridge.folder / "slow-wp", f"echo $$ > {pid_file}\nexec sleep {SLOW:.0f}")
    bridge.settings["wp"]["command"] = [str(slow)]
    bridge.write_config()
    with watching(bridge) as watch:
        wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        watch.end()
    pid = int(pid_file.read_text())
    # Without the stop the program would run longer than the test waits.
    wait_until(lambda: ended(pid))


def test_watch_stops_during_slow_dns(bridge: Bridge) -> None:
    bridge.multisite.add_mappings_sql([("shop.example.org", 1)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(120)
        bridge.write_config(checks=True, dns={"resolvers": [f"127.0.0.1:{silent.getsockname()[1]}"], "timeout": 60})
        with watching(bridge) as watch:
            assert silent.recv(1000)
            watch.end()
    # The stop during the check keeps the earlier addition.
    assert bridge.aliases == {"shop.example.org"}
    assert holder_since(bridge.state) is None


def _waits(_: Bridge, watch: Watching, __: socket.socket) -> None:
    watch.ready()


def _asks_wp(bridge: Bridge, _: Watching, __: socket.socket) -> None:
    asked = bridge.folder / "asked"
    wait_until(asked.exists)
    asked.unlink()


def _asks_dns(_: Bridge, __: Watching, silent: socket.socket) -> None:
    assert silent.recv(1000)


@pytest.mark.parametrize("busy", [_waits, _asks_wp, _asks_dns])
def test_watch_stops_within_two_seconds(
    bridge: Bridge, busy: Callable[[Bridge, Watching, socket.socket], None]
) -> None:
    if busy is _asks_wp:
        script = f"touch {bridge.folder / 'asked'}\nexec sleep {SLOW:.0f}"
        bridge.settings["wp"]["command"] = [str(write_script(bridge.folder / "slow-wp", script))]
        bridge.write_config()
    took = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(120)
        if busy is _asks_dns:
            bridge.multisite.add_mappings_sql([("shop.example.org", 1)])
            bridge.write_config(checks=True, dns={"resolvers": [f"127.0.0.1:{silent.getsockname()[1]}"], "timeout": 60})
        for _ in range(TRIES):
            with watching(bridge) as watch:
                busy(bridge, watch, silent)
                took.append(watch.end())
            if took[-1] < PROMISED:
                break
    assert min(took) < PROMISED, took
