"""The figures as data, as a table, and as the page `docs/performance.md`."""

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


HEAD = ("Benchmark", "Result", "Target", "Lower bound in the same run")


def machine() -> dict[str, str]:
    """Return the machine and the versions."""
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a pseudo file
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        pass
    php = subprocess.run(["php", "-r", "echo PHP_VERSION;"], capture_output=True, text=True, check=False).stdout  # noqa: S607 - the one of the tests
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
    """Return the data for `--json`."""
    return {"machine": about, "quick": quick, "figures": [{**asdict(one), "kept": one.kept} for one in figures]}


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text in columns."""
    rows = [HEAD, *(one.cells() for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )


_PAGE = """# Performance

These are benchmarks of closte-bridge, measured by `script/bench` with real parts: a WordPress multisite on SQLite,
WP-CLI, and the sandbox instead of Closte, in a process of its own. `script/bench --write` measures again and writes
this page.

{table}

Measured {date} with version {version} on {processor}; {system}, Python {python}, PHP {php}; load at the start
{load}.{quick}
{plots}
## How to read it

- *Sync without changes* is `closte-bridge sync` when both sides agree. It is compared with `wp eval-file` of a
  script that prints the same rows (`benchmarks/rows.php`), so the start of WordPress and the database are in both.
  The result is the median of the differences between paired runs, without the wait for the API. The ledger is
  adopted, and no check is due.
- The network has four sites for five mappings. 95 of 100 domains have a registered domain of their own. The `www.`
  form of each domain is on hold, as with the default setting, unless the line says otherwise.
- *Memory* is the highest resident set of the closte-bridge process (`VmHWM`), without PHP.
- *Planning* is the time that such a run reports. Its lower bound is the set differences between both sides, which
  every planner needs.
- *Additions* are counted by the sandbox, from the first request to the last. Their bound is the number of requests
  in flight divided by the time of one, and the rate limit. *A plain loop* adds one domain after another over one
  connection.
- *A pass of checks* asks for the DNS and the certificate of 1,000 domains. Its own servers take 20 ms for each
  answer. *One domain at a time* still asks the questions of a domain in parallel; *one question at a time* asks
  nothing in parallel. Both are extrapolated from a small sample. The processor limits the pass.
- *A page view* and *a change of a mapping* are requests to PHP's own web server, alternately with and without the
  shim. Page views show the median of the differences. Changes show the difference of the lower quartiles, because
  other load can only slow requests down.
- *A page of domain states* is what the page *Closte* asks MariaDB for 20 rows, with their total, in the slowest of
  its views, orders and searches: the lower quartile, because other load can only slow it down. *First write* starts
  all `wp` processes that it needs.
- *Growth* repeats the same runs with 100 to 100,000 mappings, and `plan --all` with 1 to 100 networks in one
  config. All networks use one WordPress. The lower bound is the same number of bare reads.
- *Where the time goes* is the run with the median duration, with timers around its parts (`benchmarks/profile.py`).
  Two more runs of `wp` divide its time: one does nothing, one only reads the rows. Python start-up and imports are
  excluded because they run in parallel with `wp`.
- *Planning alone* is compared with octoDNS, which plans DNS records. Both have their two sides in memory and do no
  I/O. The work is similar, not the same: octoDNS also compares record values and copies the zone; closte-bridge
  also decides on holds, wildcards, limits and evidence.
- *From a request to WordPress to the alias on Closte* has WordPress behind PHP's own web server, and closte-bridge
  reaches it over SSH on loopback. The time begins with the request that creates a site, and ends when the sandbox has
  its domain.
- *`watch --all --listen`* has a fake `wp`, a sandbox and a fake shim behind HTTPS for each network, all outside the
  measured process. *While nothing happens* there are only pulses: a full sync of each network, by default every 5
  minutes, needs more.
- Benchmarks report and never fail. A slow or busy machine shows in the lower bounds.
"""


def page(figures: Sequence[Figure], about: dict[str, str], *, quick: bool) -> str:
    """Return the text of `docs/performance.md`."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (HEAD, *(one.cells() for one in figures))]
    rows.insert(1, "|---|---|---|---|")
    note = " A short run (`--quick`): few repetitions." if quick else ""
    shown = "".join(f"\n![{words}]({name})\n" for name, words in drawn(figures))
    return _PAGE.format(table="\n".join(rows), quick=note, plots=shown, **about)
