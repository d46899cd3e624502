"""Benchmarks of runs and additions, with their lower bounds."""

from __future__ import annotations

import http.client
import itertools
import re
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import yaml

from benchmarks.figure import Figure
from benchmarks.memory import MEGABYTE, of_python_alone
from benchmarks.timing import in_turn, run
from benchmarks.world import SCRIPT, World, domains, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

LATENCY = 0.05
# The cost of a run: the last line of its output, and the line of `--debug=cost` on stderr.
_COST = (
    r"Cost: (?P<wp>\d+) wp calls? \(\S+ s\), (?P<calls>\d+) API calls? \(\S+ s\), planning (?P<planning>\S+) s\."
    r".*?Debug \(cost\): (?P<list_wait>\S+) s of (?P<api>\S+) s "
)
# Number of additions in the sequential loop, which is slow; each takes the same time.
_LOOPED = 50


def version(rounds: int) -> list[Figure]:
    """Compare `closte-bridge --version` with `python -c pass`."""
    jobs = {
        "bare": [sys.executable, "-c", "pass"],
        "script": [str(SCRIPT), "--version"],
        "module": [sys.executable, "-m", "closte_bridge", "--version"],
    }
    samples = in_turn({name: lambda argv=argv: {"wall": run(argv).seconds} for name, argv in jobs.items()}, rounds)  # type: ignore[misc]  # the default binds the loop's value
    bare = samples.median("bare.wall")
    return [
        Figure(
            what=f"`{words} --version`",
            value=samples.median(f"{name}.wall") / bare,
            unit="times `python -c pass`",
            limit=4,
            bound=f"{bare * 1000:.0f} ms, and {samples.median(f'{name}.wall') * 1000:.0f} ms",
            details={"bare_seconds": bare, "seconds": samples.median(f"{name}.wall")},
        )
        for name, words in (("script", "closte-bridge"), ("module", "python -m closte_bridge"))
    ]


def no_op(
    template: Multisite, folder: Path, count: int, rounds: int, *, www: bool = False, key_file: bool = False
) -> list[Figure]:
    """Compare a sync without changes with a script that only reads the same rows."""
    names = domains(count)
    aliases = [*names, *("www." + name for name in names)] if www else names
    kind = ", with their www. forms on Closte" if www else ", key in a file" if key_file else ""
    what = f"{count:,} mappings{kind}"
    with world(template, folder, names, aliases, settings={"key_file": key_file}) as this:
        calls: set[tuple[int, int]] = set()

        def sync() -> dict[str, float]:
            ended = this.bridge("sync", "--debug=cost")
            cost = re.search(_COST, ended.stdout + ended.stderr, re.DOTALL)
            if cost is None:
                raise RuntimeError(f"No cost in: {ended.stdout[-300:]} {ended.stderr[-300:]}")
            calls.add((int(cost["wp"]), int(cost["calls"])))
            return {"wall": ended.seconds} | {name: float(cost[name]) for name in ("api", "list_wait", "planning")}

        samples = in_turn({"bare": lambda: {"wall": this.bare().seconds}, "sync": sync}, rounds)
        taken = this.taken("sync")
    bare, wall, api, wait = (samples.median(name) for name in ("bare.wall", "sync.wall", "sync.api", "sync.list_wait"))
    # Without the wait for the API, because API requests run in parallel with `wp`.
    added = statistics.median(one["sync.wall"] - one["sync.list_wait"] - one["bare.wall"] for one in samples.runs)
    wp_calls, api_calls = max(calls)
    low, high = samples.spread("bare.wall")
    limits = {10_000: 0.2, 100_000: 1.0}
    details = {"bare_seconds": bare, "seconds": wall, "api_seconds": api, "list_wait_seconds": wait}
    details |= {"wp_calls": wp_calls, "api_calls": api_calls}
    details |= {"cpu_seconds": taken["cpu_seconds"], "planning_seconds": samples.median("sync.planning")}
    figures = [
        Figure(
            what=f"Sync without changes, {what}: time added to `wp`",
            value=added,
            unit="s",
            limit=limits.get(count),
            bound=f"`wp` alone {bare:.2f} s ({low:.2f} to {high:.2f}), the run {wall:.2f} s "
            f"with {api:.2f} s of API, {wait:.2f} s of it waiting; "
            f"{wp_calls} `wp` process, {api_calls} API request; "
            f"CPU time of closte-bridge {taken['cpu_seconds']:.2f} s",
            details=details,
            series="" if kind else "mappings",
            at=count,
        ),
        Figure(
            what=f"Memory, {what}",
            value=taken["bytes"] / MEGABYTE,
            unit="MB",
            limit=200,
            bound=of_python_alone(),
        ),
    ]
    return [*figures, _planning(what, names, aliases, samples.median("sync.planning"), count)]


def _planning(what: str, names: list[str], aliases: list[str], seconds: float, count: int) -> Figure:
    least = min(_differences(names, aliases) for _ in range(5))
    return Figure(
        what=f"Planning, {what}",
        value=seconds * 1000,
        unit="ms",
        limit=100 if count == 10_000 else None,
        bound=f"set differences alone {least * 1000:.1f} ms",
    )


def _differences(names: list[str], aliases: list[str]) -> float:
    listed, managed = set(aliases), dict.fromkeys(aliases)
    began = time.perf_counter()
    wanted = dict.fromkeys(names)
    assert not wanted.keys() - listed  # noqa: S101 - in sync, or the figure means nothing
    assert len(listed - managed.keys()) == 0  # noqa: S101 - the same
    assert len(managed.keys() - wanted.keys()) == len(aliases) - len(names)  # noqa: S101 - the same
    return time.perf_counter() - began


def additions(template: Multisite, folder: Path, count: int, concurrency: int, rate: float) -> Figure:
    """Compare many parallel additions with plain threads that send the same requests without a rate limit."""
    names = domains(count)
    bound = min(concurrency / LATENCY, rate)
    settings = {"concurrency": concurrency, "rate_limit": rate, "latency": LATENCY, "checks": False}
    with world(template, folder / "engine", names, [], settings=settings) as this:
        wall = this.bridge("sync", "--quiet").seconds
        reached = _rate(this)
    with world(template, folder / "bare", [], [], settings={"latency": LATENCY}) as this:
        _post(this, names, concurrency)
        bare = _rate(this)
    with world(template, folder / "loop", [], [], settings={"latency": LATENCY}) as this:
        _post(this, names[:_LOOPED], 1)
        loop = _rate(this)
    return Figure(
        what=f"{count:,} additions, {concurrency} in flight, at most {rate:g} a second",
        value=100 * reached / bound,
        unit="% of the bound",
        limit=80,
        over=True,
        bound=f"{reached:.1f} of {bound:.1f} a second; bare threads without a limit {bare:.1f} a second, "
        f"a plain loop {loop:.1f} a second",
        details={
            "loop_per_second": loop,
            "per_second": reached,
            "bound_per_second": bound,
            "bare_per_second": bare,
            "seconds": wall,
        },
    )


def _rate(this: World) -> float:
    times = sorted(this.requests("add"))
    return (len(times) - 1) / (times[-1] - times[0])


def _post(this: World, names: list[str], concurrency: int) -> None:
    url = urlsplit(str(yaml.safe_load(this.config.read_text(encoding="utf-8"))["api_url"]))
    left, lock = iter(names), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection(str(url.hostname), url.port)
        for name in _taken(left, lock):
            form = urlencode({"apikey": "benchmark-key", "domain": name, "wildcard": "0"})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"{url.path}/adddomainalias", form, headers)
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _taken(left: Iterator[str], lock: threading.Lock) -> Iterator[str]:
    while True:
        with lock:
            name = next(left, None)
        if name is None:
            return
        yield name


def numbered(folder: Path) -> Iterator[Path]:
    """Return new, numbered folders."""
    return (folder / str(number) for number in itertools.count())
