"""Growth of time with mappings and networks, and the time of each part of a run."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import yaml

from benchmarks.figure import Figure
from benchmarks.measures import no_op
from benchmarks.timing import run
from benchmarks.world import World, domains, world
from closte_bridge.cli.networks import _CONCURRENT
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite


def by_mappings(template: Multisite, folders: Iterator[Path], *, quick: bool) -> list[Figure]:
    """Measure runs without changes on small networks; other benchmarks measure large ones."""
    return [
        figure
        for count in ((100,) if quick else (100, 1_000))
        for figure in no_op(template, next(folders), count, 3 if quick else 9)
    ]


def by_networks(template: Multisite, folder: Path, *, quick: bool) -> list[Figure]:
    """Measure `plan --all` with many networks in one config, and the same number of bare reads in parallel.

    All networks use one WordPress with 1,000 mappings, because the time per network does not depend on its location.
    """
    names = domains(1_000)
    found = []
    with world(template, folder, names, names, settings={}) as this:
        for count in (1, 4) if quick else (1, 10, 100):
            config = _of_many(this, count)
            argv = [sys.executable, "-m", "closte_bridge", "plan", "--all", "--quiet", f"--config={config}"]
            seconds = run(argv, this.env).seconds
            bare = _bare(this, count)
            found.append(
                Figure(
                    what=f"`plan --all`, {count} networks, 1,000 mappings each, {_CONCURRENT} at a time: per network",
                    value=seconds / count,
                    unit="s",
                    bound=f"`wp` alone, {_CONCURRENT} at a time, {bare / count:.2f} s per network; "
                    f"in total {seconds:.1f} s and {bare:.1f} s",
                    series="networks",
                    at=count,
                    details={"seconds": seconds, "bare_seconds": bare},
                )
            )
    return found


def _of_many(this: World, count: int) -> Path:
    document = yaml.safe_load(this.config.read_text(encoding="utf-8"))
    document["networks"] = {f"network{number}": {} for number in range(count)}
    config = this.folder / f"config-{count}.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return config


def _bare(this: World, count: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        list(pool.map(lambda _: this.bare(), range(count)))
    return time.perf_counter() - began


def profile(template: Multisite, folder: Path, count: int, rounds: int) -> list[Figure]:
    """Measure the parts of a run without changes."""
    names = domains(count)
    runs: list[dict[str, float]] = []
    with world(template, folder, names, names, settings={}) as this:
        started = min(_idle_wp(this) for _ in range(rounds))
        read = min(this.bare().seconds for _ in range(rounds))
        target = this.folder / "profile"
        for number in range(rounds + 1):
            argv = [sys.executable, "-m", "benchmarks.profile", str(target), "sync", f"--config={this.config}"]
            run(argv, {**this.env, "PYTHONPATH": str(REPOSITORY)})
            if number:
                runs.append(json.loads(target.read_text(encoding="utf-8")))
    # Use the run with the median total: the parts of one run add up, medians of parts do not.
    parts = sorted(runs, key=lambda one: sum(one.values()))[len(runs) // 2]
    waited = parts.pop("waiting for wp")
    start = min(started, waited)
    rows = max(0.0, min(read - started, waited - start))
    parts = {
        "wp starts WordPress": start,
        "SQL, JSON and transfer": rows,
        "the rest of wp": waited - start - rows,
        **parts,
    }
    total = sum(parts.values())
    shares = ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in parts.items())
    return [
        Figure(
            what=f"Where the time goes, {count:,} mappings, without the start of Python",
            value=total,
            unit="s",
            bound=shares,
            series="profile",
            at=count,
            details=parts,
        )
    ]


def _idle_wp(this: World) -> float:
    """Return the time of a `wp` call that does nothing, in seconds."""
    argv = [*this.multisite.wp_command, "eval", ";", f"--path={this.multisite.path}"]
    options = ["--skip-plugins", "--skip-themes", "--skip-packages", "--no-color", "--allow-root"]
    return run([*argv, *options], this.env).seconds
