"""Benchmarks of the domain states in WordPress, on MariaDB: the first write of all, and pages of them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure
from benchmarks.shim import install
from benchmarks.world import domains
from closte_bridge.config.model import WpSettings
from closte_bridge.wordpress.states import Batch, StatesWrite
from closte_bridge.wordpress.wp import WpCost
from closte_bridge.wordpress.writer import write_report
from tests.support.folders import short_folder
from tests.support.mariadb import mariadb_server
from tests.support.parts import find_parts
from tests.support.wordpress import Multisite, build_template

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = Path(__file__).with_suffix(".php")
COUNT = 10_000
PAGE_LIMIT_MS = 5.0
# As the engine sends them.
_AT_ONCE = 2000


def _rows() -> list[list[Any]]:
    """Return a row for each domain: nine of ten are live, and the others wait for DNS."""
    record = {"type": "A", "host": "x", "value": ["192.0.2.10"], "current": ["203.0.113.9"]}
    rows: list[list[Any]] = []
    for number, name in enumerate(domains(COUNT)):
        live = number % 10 != 0
        step = {"code": "" if live else "a-elsewhere", "args": {}, "records": [] if live else [record]}
        args = json.dumps({"at_closte": True, "managed": True, "dns": "ok", "live": live, "step": step, "plan_step": "",
                           "evidence": {"issuer": "An authority", "addresses": ["192.0.2.10"]},
                           "history": [[1_700_000_000 + n, "live", ""] for n in range(3)]})  # fmt: skip
        states = ["live", "in-sync", "", ""] if live else ["blocked", "in-sync", "points-elsewhere", "customer"]
        rows.append([name, 2 + number, *states, args, 1_700_000_000 + number, 1_800_000_000 - number])
    return rows


def _batches(rows: list[list[Any]]) -> Iterator[StatesWrite]:
    for number, start in enumerate(range(0, len(rows), _AT_ONCE), 1):
        yield StatesWrite(number - 1 or None, number, Batch(rows[start : start + _AT_ONCE], []))


def figures(*, quick: bool) -> list[Figure]:
    """Return all figures of the domain states."""
    with short_folder() as folder, mariadb_server(folder / "m") as server:
        multisite = build_template(folder / "site", find_parts(), server.create_database("states"))
        multisite.enable_closte()
        install(multisite, {"engine": None, "wake": "none", "trigger_file": None})
        multisite.set_network_option("closte_bridge_owner", {"engine": "e", "host": "h", "since": ""})
        seconds, calls = _write(multisite)
        found = json.loads(multisite.wp("eval-file", str(PAGES), "20" if quick else "100").stdout)
    slowest = max(found, key=lambda name: float(found[name]))
    return [
        Figure(
            what=f"A page of 20 of {COUNT:,} domain states, the slowest view, order or search",
            value=found[slowest],
            unit="ms",
            limit=PAGE_LIMIT_MS,
            bound=f"{found['bare']:.2f} ms to read 20 named rows; the first page {found['view=all']:.2f} ms; "
            f"the slowest is `{slowest}`",
            details=found,
        ),
        Figure(
            what=f"First write of {COUNT:,} domain states",
            value=seconds,
            unit="s",
            bound=f"{calls} `wp` processes; later runs write only what changed",
        ),
    ]


def _write(multisite: Multisite) -> tuple[float, int]:
    settings = WpSettings(command=tuple(multisite.wp_command), path=str(multisite.path), allow_root=True)
    os.environ |= {name: value for name, value in multisite.env.items() if name != "PATH"}
    cost, rows = WpCost(), _rows()
    began = time.perf_counter()
    for batch in _batches(rows):
        if write_report(settings, cost, engine="e", states=batch) != "done":
            raise RuntimeError("WordPress did not take the states.")
    return time.perf_counter() - began, cost.calls
