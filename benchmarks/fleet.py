"""Measure one `watch --all --listen`: memory and CPU time while nothing happens, and how fast a wake-up is answered.

Each network has a fake `wp` and a sandbox of its own, and all have one fake web server that answers pulses over HTTPS
as the shim does. All of that runs outside the measured process.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
from requests.certs import where

from benchmarks.figure import Figure
from closte_bridge.config.load import load_config
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.web import keep_secret
from closte_bridge.secret import Secret
from tests.support.fake_world import HastyEngine, World, document_of, new_world
from tests.support.parts import REPOSITORY
from tests.support.ports import accepts, free_port
from tests.support.waking import post, wake_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wordpress import Multisite

MEMORY_LIMIT_MB, CPU_LIMIT, WAKE_LIMIT_S = 200, 2.0, 5.0
INTERVAL = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 600.0


def _secret(network: str) -> str:
    return hashlib.sha256(network.encode()).hexdigest()


class _Shim(BaseHTTPRequestHandler):
    """Answers pulses: there is never a new event."""

    asked = 0

    def do_GET(self) -> None:
        """Answer as the shim does."""
        _Shim.asked += 1
        nonce, etag = self.headers["X-Closte-Bridge"].split(" ")[2], '"0"'
        status, body = (304, b"") if self.headers.get("If-None-Match") == etag else (200, b'{"newest":0}')
        lines = ("closte-bridge 1 answer", nonce, str(status), hashlib.sha256(body).hexdigest())
        secret = _secret(self.path.split("/")[1]).encode()
        self.send_response(status)
        self.send_header("X-Closte-Bridge", hmac.new(secret, "\n".join(lines).encode(), hashlib.sha256).hexdigest())
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        del args


@contextmanager
def _web(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address of the web server, and the file with the roots to trust: as many as a system has."""
    ca, cert, roots = trustme.CA(), folder / "cert.pem", folder / "roots.pem"
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)
    roots.write_bytes(Path(where()).read_bytes() + ca.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shim) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}", roots
        server.shutdown()


def _network(folder: Path, document: dict[str, Any], number: int) -> World:
    """Return a network."""
    world = new_world(folder / str(number), document, mapped=[f"old{number}.example.org"])
    world.__enter__()
    keep_secret(world.state_dir, Secret(_secret(f"n{number}")))
    return world


@contextmanager
def _watching(folder: Path, worlds: list[World], url: str, roots: Path, port: int) -> Iterator[int]:
    """Run the service, and yield its process ID after the first run of each network."""
    networks = {
        f"n{number}": {
            **{key: world.settings[key] for key in ("api_url", "api_key_file", "state_dir")},
            "web_urls": [f"{url}/n{number}"],
            "wp": {**world.wordpress.settings, "alias": "@elsewhere"},
        }
        for number, world in enumerate(worlds)
    }
    document = {
        "checks": False, "rate_limit": 1000, "certificate_budget": 1000, "tls": {"ca_file": str(roots)},
        "listen": f"127.0.0.1:{port}", "wake_url": f"http://127.0.0.1:{port}", "pulse": INTERVAL, "networks": networks,
    }  # fmt: skip
    config = folder / "config.json"
    config.write_text(json.dumps(document), encoding="utf-8")
    for settings in load_config(config, worlds[0].environ).networks.values():
        adopt(HastyEngine(settings, worlds[0].environ), take_over=False, agree=lambda _: True, command="benchmark")
    argv = [sys.executable, "-m", "closte_bridge", "watch", "--all", "--interval=86400", f"--config={config}"]
    env = {**worlds[0].environ, "PYTHONPATH": str(REPOSITORY)}
    began = time.monotonic()
    with (folder / "watch.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=env, cwd=folder)
    try:
        while not all((world.state_dir / "heartbeat").exists() and _has_run(world) for world in worlds):
            if process.poll() is not None or time.monotonic() > began + _PATIENCE:
                raise RuntimeError((folder / "watch.log").read_text())
            time.sleep(0.1)
        while not accepts(port):
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _has_run(world: World) -> bool:
    return bool(world.rows("SELECT value FROM meta WHERE key = 'last_success'"))


def _cpu(pid: int) -> float:
    """Return the CPU time of a process without its children, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    """Return the resident set of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6


def _wakes(worlds: list[World], port: int, count: int) -> list[float]:
    """Map a domain in some network, wake the service, and return the seconds until Closte is asked to add it."""
    waits = []
    for number in range(count):
        chosen = random.randrange(len(worlds))
        world, name = worlds[chosen], f"new{number}.example.org"
        world.wordpress.change(add=[name])
        began = time.monotonic()
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            sent = wake_up(_secret(f"n{chosen}"), f"http://127.0.0.1:{port}")
            if post(connection, sent).status != 202:
                raise RuntimeError("The wake-up was refused.")
        while name not in world.sandbox.aliases:
            if time.monotonic() > began + _PATIENCE:
                raise RuntimeError(f"{name} was never added.")
            time.sleep(0.005)
        waits.append(time.monotonic() - began)
    return waits


def measured(folder: Path, document: dict[str, Any], count: int, seconds: float, wakes: int) -> dict[str, float]:
    """Return memory, CPU share, the pulses and the waits with `count` networks."""
    folder.mkdir()
    with ExitStack() as stack:
        url, roots = stack.enter_context(_web(folder))
        worlds = []
        for number in range(count):
            worlds.append(_network(folder, document, number))
            stack.callback(worlds[-1].__exit__)
        pid = stack.enter_context(_watching(folder, worlds, url, roots, free_port()))
        port = int(json.loads((folder / "config.json").read_text())["listen"].rpartition(":")[2])
        time.sleep(2 * INTERVAL)  # until the first pulses are over
        asked, before, began = _Shim.asked, _cpu(pid), time.monotonic()
        time.sleep(seconds)
        spent, over = _cpu(pid) - before, time.monotonic() - began
        found = {"cpu_percent": 100 * spent / over, "pulses_per_second": (_Shim.asked - asked) / over}
        waits = sorted(_wakes(worlds, port, wakes))
        return {
            **found,
            "memory_mb": _memory(pid),
            "wake_median": statistics.median(waits),
            "wake_p95": waits[int(len(waits) * 0.95) - 1],
        }


def figures(template: Multisite, folder: Path, *, quick: bool) -> list[Figure]:
    """Return the figures of 1 to 100 networks."""
    folder.mkdir()
    template.enable_closte()
    document = document_of(template)
    found = []
    for count in (1, 10) if quick else (1, 10, 30, 100):
        result = measured(folder / f"fleet-{count}", document, count, 30 if quick else 60, 10 if quick else 50)
        what = f"`watch --all --listen`, {count} networks, pulse every {INTERVAL:g} s"
        for name, words, unit, limit in (
            ("memory_mb", "memory", "MB", MEMORY_LIMIT_MB),
            ("cpu_percent", "CPU time while nothing happens", "% of a core", CPU_LIMIT),
            ("wake_p95", "from a wake-up to the addition on Closte, 95th percentile", "s", WAKE_LIMIT_S),
        ):
            found.append(
                Figure(
                    what=f"{what}: {words}",
                    value=result[name],
                    unit=unit,
                    limit=limit,
                    bound=f"{result['pulses_per_second']:.1f} pulses a second",
                    series="fleet" if name == "memory_mb" else "",
                    at=count,
                    details=result,
                )
            )
    return found
