"""Tests of one `watch --all --listen` for several networks, as a process with real signals."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.load import load_config
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.loop import HEARTBEAT_FILE
from closte_bridge.engine.web import keep_secret
from closte_bridge.secret import Secret
from tests.support.fake_world import HastyEngine
from tests.support.fake_wp import CannedWordPress
from tests.support.ports import accepts, free_port
from tests.support.running import wait_until
from tests.support.waking import get, post, wake_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fake_world import World

pytestmark = pytest.mark.real

SECRETS = {"one": "1a" * 32, "two": "2b" * 32, "slow": "3c" * 32}
# The slow network's `wp` takes longer than the test waits.
SLOW = 300.0


def configure(folder: Path, worlds: dict[str, World], port: int) -> Path:
    """Write the config of all networks, and adopt them."""
    keys = ("api_url", "api_key_file", "state_dir", "wp", "web_urls")
    document = {
        "checks": False,
        "rate_limit": 1000,
        "listen": f"127.0.0.1:{port}",
        "wake_url": f"http://127.0.0.1:{port}",
        "listen_health": True,
        "networks": {name: {key: world.settings[key] for key in keys} for name, world in worlds.items()},
    }
    config = folder / "fleet.yaml"
    config.write_text(json.dumps(document))
    for name, settings in load_config(config, {}).networks.items():
        adopt(HastyEngine(settings, {}), take_over=False, agree=lambda _: True, command="test")
        keep_secret(settings.state_dir, Secret(SECRETS[name]))
    return config


def wake(port: int, name: str) -> int:
    """Wake a network and return the status."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        return post(connection, wake_up(SECRETS[name], f"http://127.0.0.1:{port}")).status


def test_one_process_watches_all_networks_and_stops_promptly(
    make_world: Callable[..., World], quick_folder: Path
) -> None:
    worlds = {name: make_world(name, mapped=[f"old.{name}-shop.com"]) for name in SECRETS}
    port = free_port()
    config = configure(quick_folder, worlds, port)
    slow = worlds["slow"].wordpress
    assert isinstance(slow, CannedWordPress)
    slow.trouble = {"sleep": SLOW}
    log = quick_folder / "watch.log"
    world = worlds["one"]
    with log.open("w") as output:
        argv = world.argv("watch", "--all", "--interval=3600", "--debug", f"--config={config}")
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=world.environ)
        try:
            wait_until(lambda: accepts(port) or process.poll() is not None)
            for name in ("one", "two"):
                worlds[name].wordpress.change(add=[f"new.{name}-shop.com"])
                assert wake(port, name) == 202
            wait_until(lambda: all(f"new.{name}-shop.com" in worlds[name].sandbox.aliases for name in ("one", "two")))
            assert json.loads(get(port, "/healthz").body)["networks"] == 3
            assert wake(port, "slow") == 202
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
    said = log.read_text()
    assert "Traceback" not in said
    assert "one: Added 1 of 1 domain." in said
    assert not any(secret[:12] in said for secret in SECRETS.values())
    assert not [*quick_folder.rglob(HEARTBEAT_FILE)]
