"""A small world for fault injection: a fake WordPress, a sandbox of Closte, a state folder and a config.

Tests read the results from the sandbox's own journal, not from the output of closte-bridge.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from closte_bridge.closte.client import ClosteClient
from closte_bridge.config.load import load_config
from closte_bridge.config.model import WpSettings
from closte_bridge.engine.adopt import adopt
from closte_bridge.engine.clock import Clock
from closte_bridge.engine.engine import Engine
from closte_bridge.engine.run import RunRequest, sync
from closte_bridge.ledger.store import FILE_NAME
from closte_bridge.secret import Secret
from closte_bridge.wordpress.wp import WpCall, WpCost
from tests.support import forks
from tests.support.fake_wp import CannedWordPress
from tests.support.folders import in_memory
from tests.support.parts import REPOSITORY
from tests.support.rows import EVENTS, add_event, create_events_table
from tests.support.sandbox.server import Sandbox, SandboxOptions
from tests.support.wordpress import TABLE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from closte_bridge.engine.run import RunReport
    from tests.support.wordpress import Multisite

KEY = "a-key-of-a-test"
OWN = "example.net"
FOREIGN = frozenset({"somebody.example.org", "www.somebody.example.org", "*.else.example.org"})

# Short delays, because there are hundreds of faults; the behaviour of each fault does not change.
HASTY = SandboxOptions(slow=0.01, drip=0.0002, retry_after="0", huge=200_000)


def document_of(multisite: Multisite) -> dict[str, Any]:
    """Return the output of `snapshot.php` for a real network."""
    settings = WpSettings(command=tuple(multisite.wp_command), path=str(multisite.path), allow_root=True)
    return WpCall.start(settings, "snapshot", {"event_limit": 0}, WpCost()).result()


class RealWordPress:
    """The same interface for a real network, which is slower but real. A context manager only for compatibility."""

    def __init__(self, multisite: Multisite) -> None:
        self.multisite = multisite
        multisite.enable_closte(api_key=None)
        create_events_table(multisite)

    def __enter__(self) -> RealWordPress:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: no process runs between two calls."""

    @property
    def settings(self) -> dict[str, object]:
        """The config's section `wp`."""
        return {"command": self.multisite.wp_command, "path": str(self.multisite.path), "allow_root": True}

    @property
    def domains(self) -> set[str]:
        """The mapped domains."""
        return set(self.multisite.domains())

    @property
    def events(self) -> int:
        """The number of events that are not acknowledged yet."""
        return len(self.multisite.sql(f"SELECT uid FROM {EVENTS}"))

    def change(self, *, add: Iterable[str] = (), drop: Iterable[str] = (), events: bool = True) -> None:
        """Add and remove mappings directly in the database; with `events`, also write the shim's events."""
        self.multisite.add_mappings_sql((name, 1) for name in add)
        for name in drop:
            self.multisite.sql(f"DELETE FROM {TABLE} WHERE domain = '{name}'")
            if events:
                add_event(self.multisite, "mapping_removed", name)


class HastyEngine(Engine):
    """An engine in this process whose client does not wait between retries."""

    __slots__ = ()

    def client(self, key: Secret) -> ClosteClient:
        """Return a client with the real number of retries, but without waits."""
        s = self.settings
        return ClosteClient(s.api_url, key, concurrency=s.concurrency, rate_limit=s.rate_limit, sleep=lambda _: None)


# Times, durations and identifiers.
_VARYING = re.compile(
    r"\b(?:\d+\.\d+(?:e[+-]?\d+)?|1\d{9}|[0-9a-f]{8,})\b|\b\d{4}-\d\d-\d\dT[\d:.+]+|(?<=\"pid\": )\d+"
)


@dataclass
class World:
    """All that a test needs. A context manager: its two servers answer inside it."""

    folder: Path
    sandbox: Sandbox
    wordpress: CannedWordPress | RealWordPress
    key: str = KEY
    config: Path = field(init=False)
    settings: dict[str, Any] = field(init=False)
    more_environ: dict[str, str] = field(default_factory=dict, init=False)
    _pictures: dict[str, tuple[dict[str, Any], list[str]]] = field(default_factory=dict, init=False)
    log_start: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "config.yaml"
        self.key_file = self.folder / "api-key"
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(self.key + "\n")
        self.settings = {
            "api_url": self.sandbox.url,
            "api_key_file": str(self.key_file),
            # Other tests check DNS. If a test checks it anyway, it only asks this machine.
            "checks": False,
            "dns": {"resolvers": ["127.0.0.1:9"], "timeout": 0.1},
            "state_dir": str(self.state_dir),
            "wp": self.wordpress.settings,
            "removal_delay": 0.001,
            "rate_limit": 1000,
            "web_urls": ["http://127.0.0.1:9"],
        }
        self.configure()

    def __enter__(self) -> World:
        self.sandbox.__enter__()
        self.wordpress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.wordpress.__exit__()
        self.sandbox.__exit__()

    @property
    def state_dir(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def configure(self, **settings: object) -> None:
        """Change these settings and write the config."""
        self.settings |= settings
        self.config.write_text(json.dumps(self.settings))

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the program, without the developer's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOSTE_", "XDG_"))}
        own = {"HOME": str(self.folder), "CLOSTE_BRIDGE_CONFIG": str(self.config), "NO_COLOR": "1"}
        return kept | own | self.more_environ

    def argv(self, *words: str) -> list[str]:
        """Return the command line of the program."""
        return [sys.executable, "-m", "closte_bridge", *words]

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        return forks.run(*words, env=self.environ, cwd=REPOSITORY)

    def engine(self, later: float = 0.0) -> HastyEngine:
        """Return an engine in this process whose clock is `later` seconds ahead."""
        (settings,) = load_config(self.config, self.environ).networks.values()
        clock = Clock(now=lambda: time.time() + later, steady=lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + later)
        return HastyEngine(settings, self.environ, clock=clock)

    def adopt(self) -> None:
        """Adopt the network."""
        adopt(self.engine(), take_over=False, agree=lambda _: True, command="test")

    def sync(self, *, later: float = 0.0, only: frozenset[str] = frozenset(), retry: bool = True) -> RunReport:
        """Sync once in this process, `later` seconds ahead; `retry` skips the wait before retries."""
        return sync(self.engine(later), RunRequest(retry=retry, only=only), command="test")

    @property
    def wanted(self) -> set[str]:
        """The aliases that Closte should have in the end."""
        return {OWN, *FOREIGN, *self.wordpress.domains}

    # -- the ledger, read without the project's own code ----------------------------------------------------------

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the ledger."""
        with closing(sqlite3.connect(self.state_dir / FILE_NAME)) as connection:
            return connection.execute(sql).fetchall()

    def books(self) -> dict[str, object]:
        """Return the parts of the ledger that must not depend on how often the work was interrupted."""
        return {
            "aliases": sorted(self.rows("SELECT name, origin, phase FROM aliases")),
            "removed": sorted(self.rows("SELECT DISTINCT name, class FROM removals")),
            "added": sorted(self.rows("SELECT DISTINCT name, registered FROM additions")),
            "absent": sorted(self.rows("SELECT name FROM absences")),
            "evidence": sorted(self.rows("SELECT name, kind FROM evidence")),
            "flags": sorted(self.rows("SELECT kind, name FROM flags")),
            "trouble": sorted(self.rows("SELECT name FROM failed_changes")),
        }

    def logged(self) -> set[tuple[str, str, str]]:
        """Return (action, name, outcome) of the log's entries since the last restored state."""
        return set(self.rows(f"SELECT action, name, outcome FROM log WHERE id > {self.log_start}"))

    def left(self) -> str:
        """Return all that the next run depends on, without times and random identifiers.

        It reads a copy of the ledger, because closing the ledger itself would complete what a crash interrupted.
        """
        rows: dict[str, list[Any]] = {}
        texts: dict[str, str] = {}
        with in_memory() as folder:
            if self.state_dir.exists():
                shutil.copytree(self.state_dir, folder, dirs_exist_ok=True)
            texts |= {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(FILE_NAME)}
            with closing(sqlite3.connect(folder / FILE_NAME)) as ledger:
                for (name,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                    rows[name] = ledger.execute(f"SELECT * FROM {name}").fetchall()
        asked = [(one.call, one.domain, one.fault, one.status) for one in self.sandbox.requests]
        assert isinstance(self.wordpress, CannedWordPress)
        parts = (rows, texts, asked, sorted(self.sandbox.aliases), self.wordpress.picture())
        return _VARYING.sub("*", repr(parts))

    # -- saved states of the whole world ----------------------------------------------------------------------------

    def keep(self, name: str) -> None:
        """Save the state folder, the network and the aliases as `name`."""
        if self.state_dir.exists():
            shutil.copytree(self.state_dir, self.folder / name)
        assert isinstance(self.wordpress, CannedWordPress)
        self._pictures[name] = (self.wordpress.picture(), self.sandbox.store.names)

    def restore(self, name: str) -> None:
        """Restore a saved state."""
        shutil.rmtree(self.state_dir, ignore_errors=True)
        if (self.folder / name).exists():
            shutil.copytree(self.folder / name, self.state_dir)
            # The sandbox's journal is empty again, so it is only compared with later log entries.
            self.log_start = int(str(self.rows("SELECT ifnull(max(id), 0) FROM log")[0][0]))
        network, aliases = self._pictures[name]
        assert isinstance(self.wordpress, CannedWordPress)
        self.wordpress.restore(network)
        self.sandbox.reset()
        self.sandbox.aliases = set(aliases)


def new_world(folder: Path, document: dict[str, Any], *, mapped: Sequence[str] = (), key: str = KEY) -> World:
    """Return a world in the new folder. Closte has the `mapped` domains already, and some unmanaged aliases."""
    folder.mkdir()
    # WordPress' root must not be the state folder.
    network = {**document["network"], "root": str(folder / "document-root")}
    wordpress = CannedWordPress(folder / "wordpress", {**document, "network": network}, key)
    sandbox = Sandbox(OWN, key=Secret(key), behaviour=HASTY)
    wordpress.change(add=mapped)
    sandbox.aliases = {*FOREIGN, *mapped}
    return World(folder, sandbox, wordpress, key)


def real_world(folder: Path, multisite: Multisite, *, mapped: Sequence[str] = (), key: str = KEY) -> World:
    """Return a world around a real network."""
    folder.mkdir()
    wordpress = RealWordPress(multisite)
    wordpress.change(add=mapped)
    sandbox = Sandbox(OWN, key=Secret(key), behaviour=HASTY)
    sandbox.aliases = {*FOREIGN, *mapped}
    return World(folder, sandbox, wordpress, key)
