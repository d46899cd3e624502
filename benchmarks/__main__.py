"""`script/bench [--quick] [--json] [--write] [--only PART]`: run benchmarks and print the figures."""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import checks, fleet, growth, measures, plots, rival, shim, ssh, states, wake
from benchmarks.report import as_data, machine, page, table
from benchmarks.world import template
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.figure import Figure
    from tests.support.wordpress import Multisite

PARTS = ("version", "sync", "growth", "profile", "rival", "adds", "checks", "shim", "states", "ssh", "wake", "fleet")


def main() -> int:
    """Run the selected benchmarks. The exit code does not depend on the figures."""
    options = _options()
    about = machine()
    with tempfile.TemporaryDirectory(prefix="closte-bench-") as name:
        figures = _measure(Path(name), options.only or PARTS, quick=options.quick)
    if options.write:
        target = REPOSITORY / "docs" / "performance.md"
        plots.draw(figures, target.parent)
        target.write_text(page(figures, about, quick=options.quick), encoding="utf-8")
    if options.json:
        print(json.dumps(as_data(figures, about, quick=options.quick), indent=2))
    else:
        print(table(figures))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description="Measure closte-bridge and its lower bounds.")
    parser.add_argument("--quick", action="store_true", help="short run: fewer repetitions, no 100,000 mappings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--write", action="store_true", help="also write docs/performance.md")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure only this part; repeatable")
    return parser.parse_args()


def _measure(folder: Path, parts: tuple[str, ...], *, quick: bool) -> list[Figure]:
    folders = measures.numbered(folder)
    network = functools.cache(lambda: template(next(folders)))
    jobs: dict[str, Callable[[], list[Figure]]] = {
        "version": lambda: measures.version(10 if quick else 40),
        "sync": lambda: _syncs(network(), folders, quick=quick),
        "growth": lambda: [
            *growth.by_mappings(network(), folders, quick=quick),
            *growth.by_networks(network(), next(folders), quick=quick),
        ],
        "profile": lambda: _profiles(network(), folders, quick=quick),
        "rival": lambda: rival.figures(quick=quick),
        "adds": lambda: _additions(network(), folders, quick=quick),
        "checks": lambda: checks.figures(quick=quick),
        "shim": lambda: shim.figures(network(), next(folders), quick=quick),
        "states": lambda: states.figures(quick=quick),
        "ssh": lambda: ssh.figures(network(), next(folders), quick=quick),
        "wake": lambda: wake.figures(network(), next(folders), quick=quick),
        "fleet": lambda: fleet.figures(network(), next(folders), quick=quick),
    }
    figures: list[Figure] = []
    for part in PARTS:
        if part in parts:
            _say(part)
            figures += jobs[part]()
    return figures


def _syncs(network: Multisite, folders: Iterator[Path], *, quick: bool) -> list[Figure]:
    figures: list[Figure] = []
    for count, www, key_file in (
        (10_000, False, False),
        (10_000, True, False),
        (10_000, False, True),
        (100_000, False, False),
        (100_000, True, False),
    ):
        if quick and (count > 10_000 or www or key_file):
            continue
        _say(f"sync, {count:,} mappings")
        rounds = 3 if quick else 11 if count < 100_000 else 5
        figures += measures.no_op(network, next(folders), count, rounds, www=www, key_file=key_file)
    return figures


def _profiles(network: Multisite, folders: Iterator[Path], *, quick: bool) -> list[Figure]:
    counts = (10_000,) if quick else (10_000, 100_000)
    return [figure for n in counts for figure in growth.profile(network, next(folders), n, 3 if quick else 7)]


def _additions(network: Multisite, folders: Iterator[Path], *, quick: bool) -> list[Figure]:
    count = 200 if quick else 1000
    figures = []
    for concurrency, rate in ((4, 1000), (16, 100), (4, 10)):
        if quick and rate == 10:
            continue
        _say(f"additions, {concurrency} in flight")
        target = next(folders)
        target.mkdir()
        figures.append(measures.additions(network, target, count, concurrency, rate))
    return figures


def _say(what: str) -> None:
    print(f"== {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
