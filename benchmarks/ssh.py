"""Benchmark of a `wp` call over SSH: the same read of a network, here and through a server on loopback."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.timing import in_turn
from closte_bridge.config.model import WpSettings
from closte_bridge.wordpress.reader import SnapshotCall
from closte_bridge.wordpress.wp import WpCost
from tests.support.parts import find_parts
from tests.support.ssh import ssh_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wordpress import Multisite

_LIMIT = 1.2


def figures(multisite: Multisite, folder: Path, *, quick: bool) -> list[Figure]:
    """Compare calls over an open connection with local ones. The round trip on loopback takes no time."""
    here = WpSettings(command=tuple(multisite.wp_command), path=str(multisite.path), allow_root=True)
    os.environ |= {name: value for name, value in multisite.env.items() if name != "PATH"}
    with ssh_server(folder, find_parts()) as server:
        os.environ["PATH"] = server.env(dict(os.environ))["PATH"]
        there = replace(here, command=("wp",), path=None, ssh=server.target(multisite.path), state_dir=folder / "state")
        first = _read(there)
        samples = in_turn(
            {"here": lambda: {"wall": _read(here)}, "there": lambda: {"wall": _read(there)}}, 5 if quick else 20
        )
    local, remote = samples.median("here.wall"), samples.median("there.wall")
    return [
        Figure(
            what="A `wp` call over an open SSH connection",
            value=remote / local,
            unit="times a local call",
            limit=_LIMIT,
            bound=f"a local call {local:.2f} s, over SSH {remote:.2f} s; {first:.2f} s with the connection",
            details={"local_seconds": local, "ssh_seconds": remote, "first_seconds": first},
        )
    ]


def _read(settings: WpSettings) -> float:
    began = time.perf_counter()
    SnapshotCall(settings, WpCost(), ask_key=False).snapshot()
    return time.perf_counter() - began
