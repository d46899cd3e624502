"""A real network for benchmarks: a multisite on SQLite with many mappings, a sandbox and an adopted ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.timing import Ended, run
from closte_bridge.checks.domain_state import CheckState
from closte_bridge.ledger import check_state as check_states
from closte_bridge.ledger.state import DAY
from closte_bridge.ledger.store import Ledger
from tests.support.parts import REPOSITORY, find_parts
from tests.support.wordpress import MAIN_DOMAIN, Multisite, build_template, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCRIPT = Path(sys.executable).with_name("closte-bridge")
ROWS = Path(__file__).with_name("rows.php")
# Percentage of mappings that are the first of their site; the others are the second or third.
_FIRST_OF_HUNDRED = 80
# Percentage of domains with a registered domain of their own.
_DISTINCT_OF_HUNDRED = 95


def domains(count: int) -> list[str]:
    """Return `count` domains: most with a registered domain of their own, others share one with at most 29 more."""
    shared = count * (100 - _DISTINCT_OF_HUNDRED) // 100
    names = [f"shop{number}.group-{number // 30}.org" for number in range(shared)]
    endings = ("com", "net", "co.uk", "de", "com.br", "io")
    return names + [f"customer-{number}.{endings[number % len(endings)]}" for number in range(count - shared)]


@dataclass(frozen=True)
class World:
    """A network with its sandbox; `config` points to both."""

    multisite: Multisite
    config: Path

    @property
    def folder(self) -> Path:
        """The folder of this network."""
        return self.config.parent

    @property
    def env(self) -> dict[str, str]:
        """The environment of all commands."""
        return {**self.multisite.env, "PATH": os.environ["PATH"]}

    def bridge(self, *arguments: str) -> Ended:
        """Run the installed `closte-bridge`."""
        return run([str(SCRIPT), *arguments, f"--config={self.config}"], self.env)

    def taken(self, *arguments: str) -> dict[str, float]:
        """Run `closte-bridge` and return its peak memory (`bytes`) and CPU time (`cpu_seconds`)."""
        target = self.folder / "peak"
        argv = [sys.executable, "-m", "benchmarks.peak", str(target), *arguments, f"--config={self.config}"]
        run(argv, {**self.env, "PYTHONPATH": str(REPOSITORY)})
        return dict(json.loads(target.read_text(encoding="ascii")))

    def requests(self, call: str) -> list[float]:
        """Return the times of the sandbox's requests for `call`, in seconds since the epoch."""
        lines = (self.folder / "closte.json.requests.jsonl").read_text(encoding="utf-8").splitlines()
        return [one["at"] for one in map(json.loads, lines) if one["call"] == call]

    def look_later(self, names: Iterable[str]) -> None:
        """Save correct DNS and certificates of these domains in the ledger, with the next check in a week."""
        ledger = Ledger.open(self.folder / "state")
        assert ledger is not None  # noqa: S101 - adopted before
        now = time.time()
        with ledger, ledger.transaction():
            later = CheckState(
                first_seen=now - DAY, next_check=now + 7 * DAY, checked_at=now, dns="ok", tls="ok", serves=True
            )
            check_states.save(ledger, dict.fromkeys(names, later))

    def bare(self) -> Ended:
        """Run the lower bound: `wp eval-file` with a script that prints the same rows."""
        argv = [*self.multisite.wp_command, "eval-file", str(ROWS), f"--path={self.multisite.path}"]
        return run(
            [*argv, "--skip-plugins", "--skip-themes", "--skip-packages", "--no-color", "--allow-root"], self.env
        )


def template(folder: Path) -> Multisite:
    """Build the network that every world copies."""
    path = folder / "template"
    return build_template(path, find_parts(), sqlite_database(path))


@contextmanager
def world(
    original: Multisite, folder: Path, names: list[str], aliases: Iterable[str], *, settings: Mapping[str, object]
) -> Iterator[World]:
    """Map `names`, run a sandbox with `aliases` during the body, and adopt the network.

    No DNS check is due, because its time is not part of the benchmark.

    `settings` are keys of the config. Among them, `latency` is that of the sandbox, in seconds, and `key_file` stores
    the key in a file instead of `wp-config.php`.
    """
    folder.mkdir()
    multisite = copy_multisite(original, folder / "site", sqlite_database(folder / "site"))
    options = dict(settings or {})
    latency, key_file = options.pop("latency", 0), options.pop("key_file", False)
    multisite.enable_closte(api_key=None if key_file else "benchmark-key")
    _fill(multisite, names)
    with _closte(folder / "closte.json", aliases, str(latency)) as url:
        config = folder / "config.yaml"
        document: dict[str, object] = {
            "api_url": url,
            "state_dir": str(folder / "state"),
            "wp": {"command": multisite.wp_command, "path": str(multisite.path), "allow_root": True},
            **options,
        }
        if key_file:
            document["api_key_file"] = str(folder / "key")
            (folder / "key").touch(0o600)
            (folder / "key").write_text("benchmark-key\n", encoding="ascii")
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        this = World(multisite, config)
        this.bridge("adopt", "--yes")
        this.look_later([*names, *("www." + name for name in names)])
        yield this


def _fill(multisite: Multisite, names: list[str]) -> None:
    sites = max(1, len(names) * _FIRST_OF_HUNDRED // 100)
    rows = [
        f"({number}, 1, 'site{number}.{MAIN_DOMAIN}', '/', '2024-01-01 00:00:00', '2024-01-01 00:00:00')"
        for number in range(2, sites + 2)
    ]
    columns = "blog_id, site_id, domain, path, registered, last_updated"
    chunks = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    inserts = [f"INSERT INTO wp_blogs ({columns}) VALUES {','.join(chunk)}" for chunk in chunks]  # noqa: S608 - constants and numbers
    multisite.sql(";\n".join(["BEGIN", *inserts, "COMMIT"]) + ";\n")
    multisite.add_mappings_sql((name, 2 + number % sites) for number, name in enumerate(names))
    # In a real network, no two rows have the same dates.
    multisite.sql(
        "UPDATE wp_wu_domain_mappings SET date_created = datetime(date_created, '+' || id || ' minutes'),"
        " date_modified = datetime(date_modified, '+' || (id * 60 + 3607) || ' seconds');\n"
    )


@contextmanager
def _closte(state: Path, aliases: Iterable[str], latency: str) -> Iterator[str]:
    state.write_text(json.dumps({"app_domain": MAIN_DOMAIN, "aliases": list(aliases)}), encoding="utf-8")
    argv = [sys.executable, "-m", "tests.support.sandbox", f"--state={state}", f"--app-domain={MAIN_DOMAIN}"]
    process = subprocess.Popen([*argv, f"--latency={latency}"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe, see above
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
