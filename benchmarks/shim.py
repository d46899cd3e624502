"""Measure the time that the shim adds to a WordPress request, and the time until a domain is added on Closte.

Requests go to PHP's own web server, alternately to networks that only differ in the shim.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure
from benchmarks.timing import Samples, in_turn
from benchmarks.world import world
from closte_bridge.shim.files import texts
from closte_bridge.wordpress.wp import script
from tests.support.ports import free_port
from tests.support.wordpress import MAIN_DOMAIN, Multisite, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = Path(__file__).with_suffix(".php")
PAGE_LIMIT_MS = 0.2
CHANGE_LIMIT_MS = 5.0
ADDITION_LIMIT_S = 3.0
# Faulty programs for the shim to start.
ENGINES = {"missing": "", "broken": "exit 1", "hanging": "exec sleep 3"}


@dataclass
class Site:
    """A network with a web server; `asked` counts the mapped domains."""

    name: str
    port: int
    asked: int = field(default=0)

    def get(self, path: str) -> dict[str, float]:
        """Request a page. Raises RuntimeError if this fails."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Host": MAIN_DOMAIN, "Connection": "close"})
        document: dict[str, Any] = json.loads(connection.getresponse().read().rpartition(b"\x1e")[2])
        seconds = time.perf_counter() - began
        connection.close()
        as_meant = document["shim"] is (self.name != "without")
        if not as_meant or document["status"] != 200 or document["made"] is False:
            raise RuntimeError(f"{self.name}: {path} returned {document}")
        return {"seconds": seconds, "load": document["load"] / 1e6, "queries": float(document["queries"]),
                "opcache": float(document["opcache"])}  # fmt: skip

    def view(self) -> dict[str, float]:
        """Request the front page."""
        return self.get("/")

    def change(self) -> dict[str, float]:
        """Map a new domain."""
        self.asked += 1
        return self.get(f"/?map=n{self.asked}.example.org")


def install(multisite: Multisite, told: dict[str, Any]) -> None:
    """Install the shim in a network with an owner but without a heartbeat, so that the built-in provider is active."""
    request = {"do": "install", "nonce": "n", "engine": None, "version": "bench", "files": texts(), "config": told}
    answer = multisite.wp("eval-file", "-", stdin=script("shim", request).decode()).stdout
    if '"result":"done"' not in answer:
        raise RuntimeError(f"The shim was not installed: {answer}")


@contextmanager
def _served(template: Multisite, folder: Path, name: str, program: str | None) -> Iterator[Site]:
    """Serve a copy of the network. `program` is the script that the shim starts; None for no shim."""
    multisite = copy_multisite(template, folder / name, sqlite_database(folder / name))
    multisite.enable_closte()
    if program is not None:
        engine = folder / f"{name}.sh"
        if program:
            engine.write_text(f"#!/bin/sh\n{program}\n", encoding="ascii")
            engine.chmod(0o755)
        (folder / f"{name}-state").mkdir()
        trigger = str(folder / f"{name}-state" / "trigger")
        install(multisite, {"engine": [str(engine)], "setsid": "/usr/bin/setsid", "environment": {}, "wake": "auto",
                             "trigger_file": trigger})  # fmt: skip
    multisite.set_network_option("closte_bridge_owner", {"engine": "e", "host": "h", "since": ""})
    for part in ("0", "z"):
        (multisite.path / f"wp-content/mu-plugins/closte-bridge-{part}.php").write_bytes(PROBE.read_bytes())
    port = free_port()
    server = subprocess.Popen(
        [multisite.parts.php, "-d", "opcache.enable_cli=1", "-S", f"127.0.0.1:{port}", "-t", str(multisite.path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=multisite.env,
    )  # fmt: skip
    try:
        _until_there(port)
        yield Site(name, port)
    finally:
        server.kill()
        server.wait()


def _until_there(port: int) -> None:
    for _ in range(200):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PHP's server did not start.")


def requests(template: Multisite, folder: Path, rounds: int) -> list[Figure]:
    """Measure page views and changes of a mapping, with and without the shim."""
    folder.mkdir()
    with ExitStack() as stack:
        without = stack.enter_context(_served(template, folder, "without", None))
        sites = {name: stack.enter_context(_served(template, folder, name, text)) for name, text in ENGINES.items()}
        views = in_turn({"without": without.view, "with": sites["missing"].view}, rounds)
        changes = in_turn({"without": without.change, **{n: s.change for n, s in sites.items()}}, rounds)
    page = views.median("without.seconds") * 1000
    more = [one["with.load"] - one["without.load"] for one in views.runs]
    queries = views.median("with.queries") - views.median("without.queries")
    cached = "with" if views.median("with.opcache") else "without"
    figures = [
        Figure(
            what=f"A page view with the shim, {cached} opcache: added time",
            value=statistics.median(more),
            unit="ms",
            limit=PAGE_LIMIT_MS,
            bound=f"0; the page takes {page:.0f} ms",
            details={"page_ms": page, "most_ms": max(more), "least_ms": min(more)},
        ),
        Figure(
            what="A page view with the shim: added queries",
            value=queries,
            unit="queries",
            limit=0,
            bound=f"0; the page makes {views.median('without.queries'):.0f}",
        ),
    ]
    # Lower quartiles, because other load can only slow requests down.
    bare = _quartile(changes, "without.seconds") * 1000
    for name in sites:
        more_ms = _quartile(changes, f"{name}.seconds") * 1000 - bare
        figures.append(
            Figure(
                what=f"A change of a mapping while closte-bridge is {name}: added time",
                value=more_ms,
                unit="ms",
                limit=CHANGE_LIMIT_MS,
                bound=f"0; {1 + more_ms / bare:.3f} times a request of {bare:.0f} ms",
                details={"ratio": 1 + more_ms / bare, "request_ms": bare},
            )
        )
    return figures


def _quartile(samples: Samples, name: str) -> float:
    return statistics.quantiles([one[name] for one in samples.runs], n=4)[0]


def addition(template: Multisite, folder: Path, rounds: int) -> list[Figure]:
    """Measure the time from the end of `wp site create` to the request that adds the domain on Closte."""
    with world(template, folder, [], [], settings={"checks": False}) as this:
        multisite = this.multisite
        this.bridge("shim", "install", "--wake=process")
        this.bridge("sync")
        waits, runs = [], []
        for number in range(rounds):
            began = time.perf_counter()
            this.bridge("sync")
            runs.append(time.perf_counter() - began)
            multisite.create_site(f"bench{number}")
            over = time.time()
            while len(this.requests("add")) <= number:
                if time.time() > over + 120:
                    raise RuntimeError("The name was never added.")
                time.sleep(0.005)
            waits.append(max(0.0, this.requests("add")[-1] - over))
            time.sleep(1.0)
        this.bridge("shim", "uninstall", "--yes")
    run = statistics.median(runs)
    return [
        Figure(
            what="Time until the domain of a new site is requested from Closte",
            value=statistics.median(waits),
            unit="s",
            limit=ADDITION_LIMIT_S,
            bound=f"{run:.2f} s, the time of one `closte-bridge sync`",
            details={"most": max(waits), "least": min(waits)},
        )
    ]


def figures(template: Multisite, folder: Path, *, quick: bool) -> list[Figure]:
    """Return all figures of the shim."""
    folder.mkdir()
    found = requests(template, folder / "requests", 15 if quick else 60)
    return found + addition(template, folder / "addition", 3 if quick else 10)
