"""What was measured, as data, as a table, and as the page `docs/performance.md`."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.plots import drawn
from closte_bridge import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figure import Figure


HEAD = ("Measured", "Figure", "Meant to be", "Beside its lower bound in the same run")


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a pseudo file
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        pass
    php = subprocess.run(["php", "-r", "echo PHP_VERSION;"], capture_output=True, text=True, check=False).stdout  # noqa: S607 - whichever the tests use
    return {
        "version": __version__,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": f"{model or platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "php": php.strip(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def as_data(figures: Sequence[Figure], about: dict[str, str], *, quick: bool) -> dict[str, Any]:
    """Return everything for `--json`."""
    return {"machine": about, "quick": quick, "figures": [{**asdict(one), "kept": one.kept} for one in figures]}


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text in columns."""
    rows = [HEAD, *(one.cells() for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )


_PAGE = """# Performance

What a run costs, measured by `script/bench` on real parts: a WordPress multisite on SQLite read by WP-CLI, and the
project's sandbox in place of Closte, in a process of its own. `script/bench --write` measures again and writes this
page; nothing on it was typed by hand.

{table}

Measured {date} with version {version} on {processor}; {system}, Python {python}, PHP {php}; load at the start
{load}.{quick}
{plots}
## How to read it

- *A run without changes* is `closte-bridge sync` when both sides agree, compared with `wp eval-file` of a script that
  prints the same rows (`benchmarks/rows.php`): WordPress' own start and the database are in both. What is shown is the
  median of the differences of runs in pairs, less the wait for the API as the run's last line tells it. The ledger is
  adopted, and no name is due for a look at its DNS.
- There are four sites for five mappings, and 95 of 100 names have a registered domain of their own. The `www.` form of
  each name is held, as the default setting has it, unless the line says that Closte has it.
- *Memory* is the highest resident set of the engine's process alone (`VmHWM`); PHP's comes on top.
- *Planning* is what the last line of such a run tells. Its lower bound is what no planner can do without: the
  differences between the names on both sides, as sets.
- *Additions* are counted at the Closte's end, from the first request to the last. They cannot be faster than the
  requests in flight divided by the time of one, nor than the rate limit.
- *A pass of checks* looks at the DNS and the certificate of 1,000 names, at servers of its own that take 20 ms for each
  answer. *One domain after another* still asks each domain's own questions side by side; *one question after another*
  does nothing side by side. Both are measured on a few names and reckoned up. The pass is bound by the processor.
- *A page view* and *a mapping is changed* are requests to PHP's own web server, with the shim and without it in turn.
  Of page views the median of the differences is shown, of changes the difference of the lower quartiles: what else the
  machine does only ever makes a request longer.
- *Growth*: the same runs at 100 to 100,000 mappings; and `plan --all` with 1 to 100 networks in one config, which all
  lead to one WordPress, beside as many bare reads with as many at a time.
- *Where the time goes* is one run, the one whose length is the median, with a watch around its parts
  (`benchmarks/profile.py`). What `wp` takes is divided by two more runs of it: one that does nothing, and one that
  reads the rows and nothing else. Python's start and imports are left out: they go on while `wp` runs.
- *Planning alone* is beside octoDNS, which brings DNS records into step: both have their two sides in memory, in their
  own forms, and neither reads or sends anything. The work is alike and not the same. octoDNS compares the values of
  records too, and copies the zone so that processors may change it; ours judges holds, wildcards, limits, evidence.
- *A plain loop* asks for one addition after another over one connection: what a script of a few lines does.
- Benchmarks report; they never fail. A slow or busy machine shows as such in the column of the lower bounds.
"""


def page(figures: Sequence[Figure], about: dict[str, str], *, quick: bool) -> str:
    """Return the text of `docs/performance.md`."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (HEAD, *(one.cells() for one in figures))]
    rows.insert(1, "|---|---|---|---|")
    note = " A short run (`--quick`): few repetitions." if quick else ""
    shown = "".join(f"\n![{words}]({name})\n" for name, words in drawn(figures))
    return _PAGE.format(table="\n".join(rows), quick=note, plots=shown, **about)
