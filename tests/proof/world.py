"""The world of the campaign: a real network with the shim, a stand-in for Closte, an engine, and a time of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from closte_bridge.ledger.store import FILE_NAME
from closte_bridge.sandbox.server import Sandbox
from closte_bridge.secret import Secret
from tests.proof.stream import Stream
from tests.support.canned_world import FOREIGN, HASTY, OWN
from tests.support.databases import SqliteDatabase
from tests.support.disks import small_disk
from tests.support.life import HERE, Certificates, changing_names
from tests.support.parts import REPOSITORY, MissingPartError
from tests.support.tls_world import tls_world
from tests.support.wordpress import TABLE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from closte_bridge.sandbox.store import Change
    from tests.support.life import Names
    from tests.support.wordpress import Multisite

KEY = "key-of-the-campaign-0123456789abcdef"
DISK = "16m"
# So long an answer is kept back once a kill was called for.
_STRIKE_SECONDS = 0.1
_KEPT = ("PYTHONPATH",)

# Each call of `wp` takes the next word of the file `modes`; without one it behaves.
_WRAPPER = r"""#!/bin/sh
dir=@FOLDER@
real() { env -i @ENV@ @WP@ "$@"; }
printf x >>"$dir/calls"
mode=$(sed -n "$(wc -c <"$dir/calls")p" "$dir/modes")
case $mode in
noisy)
    printf 'Deprecated: Something is old in /x.php on line 3\nNotice: {"success": true}\n'
    printf 'Warning: noise\n' >&2
    real "$@"; status=$?
    printf '\n<br />\n<b>Warning</b>: more noise\n'
    exit $status ;;
slow) sleep 1; real "$@" ;;
then) real "$@"; status=$?; sh "$dir/hook"; exit $status ;;
cut) real "$@" | head -c 1500; exit 0 ;;
torn) real "$@" | head -c 4000; exit 255 ;;
mute) real "$@" >/dev/null; exit 0 ;;
dead) exit 255 ;;
fatal) echo 'PHP Fatal error:  Allowed memory size of 1 bytes exhausted'; exit 255 ;;
killed) timeout -s KILL 0.35 env -i @ENV@ @WP@ "$@"; exit 137 ;;
hang) exec sleep 60 ;;
*) real "$@" ;;
esac
"""


@dataclass(frozen=True)
class Ran:
    """How one command ended: -9 when it was killed. `seconds` is how long it took."""

    status: int
    stdout: str
    stderr: str
    seconds: float


class Driver:
    """Commands in forks of a process that has loaded the program already."""

    def __init__(self, mutant: str | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.driver", *([mutant] if mutant else [])],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, orders: list[dict[str, Any]]) -> list[Ran]:
        """Run the commands at once, each to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        return [Ran(**answer) for answer in json.loads(self._process.stdout.readline())]

    def end(self) -> None:
        """End it by ending its input."""
        self._process.communicate()


@dataclass
class World:
    """Everything that a campaign breaks. `later` is how many seconds have passed that did not, `jump` by how much
    somebody has set the clock. `changes` are the changes at Closte as they really happened. `strike_in` is after how
    many of them the file `strike` appears, for who waits for a moment between a change and its answer.
    """

    folder: Path
    multisite: Multisite
    sandbox: Sandbox
    stream: Stream
    driver: Driver
    names: Names | None
    certificates: Certificates | None
    on_small_disk: bool
    settings: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    later: float = 0.0
    jump: float = 0.0
    strike_in: int = 0

    def __post_init__(self) -> None:
        self.config = self.folder / "config.yaml"
        self.state = self.folder / "disk" / "state"
        self.strike = self.folder / "strike"
        self._observe()
        self.settings = {
            **self.engine_settings(self.state),
            "wp": self.wrapped(self.multisite, self.folder / "bin"),
            "certificate_budget": 1000,
        }
        self.write_config()

    def _observe(self) -> None:
        """Note each change of the stand-in's aliases where it happens."""
        store = self.sandbox.store
        for action in ("add", "remove"):
            setattr(store, action, partial(self._changed, getattr(store, action), action))

    def _changed(self, work: Callable[..., Change], action: str, domain: str, *, wildcard: bool) -> Change:
        change = work(domain, wildcard=wildcard)
        if change == "done":
            self.changes.append((action, domain.lower()))
            self.strike_in -= 1
            if self.strike_in == 0:
                self.strike.touch()
                time.sleep(_STRIKE_SECONDS)
        return change

    def engine_settings(self, state: Path) -> dict[str, Any]:
        """Return the settings that every engine of this world has, with its own state folder."""
        key_file = self.folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(KEY + "\n")
        return {
            "api_url": self.sandbox.url,
            "api_key_file": str(key_file),
            "state_dir": str(state),
            "rate_limit": 1000,
            "checks": False,
            # Whatever looks all the same asks nobody but this machine.
            "dns": {"resolvers": ["127.0.0.1:9"], "timeout": 0.1},
        }

    def wrapped(self, multisite: Multisite, folder: Path) -> dict[str, Any]:
        """Return the config's section `wp`, with a script around it that can misbehave."""
        folder.mkdir(parents=True, exist_ok=True)
        words = {
            "@FOLDER@": f"'{folder}'",
            "@ENV@": " ".join(f"'{name}={value}'" for name, value in multisite.env.items()),
            "@WP@": " ".join(f"'{word}'" for word in multisite.wp_command),
        }
        text = _WRAPPER
        for mark, word in words.items():
            text = text.replace(mark, word)
        script = folder / "wp"
        script.write_text(text)
        script.chmod(0o755)
        for name in ("modes", "calls"):
            (folder / name).write_text("")
        return {"command": [str(script)], "path": str(multisite.path), "allow_root": True}

    def misbehave(self, *modes: str) -> None:
        """Let the next calls of `wp` go wrong in these ways, one after another."""
        (self.folder / "bin" / "modes").write_text("".join(f"{mode}\n" for mode in modes))
        (self.folder / "bin" / "calls").write_text("")

    def write_config(self, **changes: object) -> None:
        """Change some keys of the config and write the file."""
        self.settings |= changes
        self.config.write_text(json.dumps(self.settings))

    def with_checks(self, *, on: bool) -> None:
        """Have DNS and certificates looked at, or not."""
        if not on or self.names is None or self.certificates is None:
            self.write_config(checks=False)
            return
        dns = {"resolvers": [self.names.resolver], "timeout": 2}
        self.write_config(checks=True, dns=dns, tls=self.settings_of_tls)

    settings_of_tls: dict[str, Any] = field(default_factory=dict)

    # Running

    def order(self, *argv: str, config: Path | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - see driver
        """Return an order for the driver."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1", **kept}
        env["CLOSTE_BRIDGE_CONFIG"] = str(config or self.config)
        port = self.names.port if self.names else None
        base: dict[str, Any] = {"later": self.later, "jump": self.jump, "dns_port": port}
        base |= {"kill_after": None, "kill_when": None, "fsize": None, "patience": None, "signals": []}
        assert more.keys() <= base.keys(), f"The driver knows nothing of {more.keys() - base.keys()}."
        return {"argv": list(argv), "env": env, **base, **more}

    def after_the_first_look(self, statement: str) -> None:
        """Have a statement of SQL run on the network's database right after the next call of `wp` has read it."""
        code = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], timeout=30); d.execute(sys.argv[2]); d.commit()"
        words = " ".join(map(shlex.quote, [sys.executable, "-c", code, str(self.database), statement]))
        (self.folder / "bin" / "hook").write_text(words + "\n")
        self.misbehave("then")

    # What is true, read without the project's own code

    def rows(self) -> set[str]:
        """Return the mapped names."""
        return {str(row["domain"]).lower() for row in self.multisite.sql(f"SELECT domain FROM {TABLE}")}

    def sites(self) -> set[str]:
        """Return the names of the sites themselves: while there is one, its name is not gone, row or not."""
        return {str(row["domain"]).lower() for row in self.multisite.sql("SELECT domain FROM wp_blogs")}

    def wanted(self) -> set[str]:
        """Return the mapped names of sites that exist: those of others are kept where they are, and not added."""
        query = f"SELECT domain FROM {TABLE} WHERE blog_id IN (SELECT blog_id FROM wp_blogs)"
        return {str(row["domain"]).lower() for row in self.multisite.sql(query)}

    def ledger(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the ledger."""
        with closing(sqlite3.connect(self.state / FILE_NAME, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    # The database as a whole

    @property
    def database(self) -> Path:
        """The file of the network's database."""
        assert isinstance(self.multisite.database, SqliteDatabase)
        return self.multisite.database.path

    def back_up(self, target: Path) -> None:
        """Copy the database as it is now."""
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def put_back(self, source: Path) -> None:
        """Let the database be what it was."""
        for ending in ("-wal", "-shm", "-journal"):
            self.database.with_name(self.database.name + ending).unlink(missing_ok=True)
        shutil.copyfile(source, self.database)


@contextmanager
def proof_world(
    folder: Path,
    multisite: Multisite,
    chance: random.Random,
    *,
    mappings: int,
    names: bool = True,
    mutant: str | None = None,
) -> Iterator[World]:
    """Build the world around a fresh network: `mappings` names, half of which are at Closte already."""
    with ExitStack() as stack:
        dns = certificates = None
        tls: dict[str, Any] = {}
        if names:
            # A folder of its own: the path of the name server's socket must be short.
            dns = stack.enter_context(changing_names(folder / "n"))
            world_of_tls = stack.enter_context(tls_world(folder / "tls"))
            certificates = Certificates(world_of_tls, HERE)
            tls = {"port": world_of_tls.port, "ca_file": str(world_of_tls.ca_file), "timeout": 5}
        multisite.enable_closte(api_key=None)
        stream = Stream(multisite, chance)
        first = stream.start(mappings)
        sandbox = stack.enter_context(Sandbox(OWN, key=Secret(KEY), behaviour=HASTY))
        sandbox.aliases = {*FOREIGN, *first[: mappings // 2]}
        driver = Driver(mutant)
        stack.callback(driver.end)
        on_small_disk = stack.enter_context(_small_disk(folder / "disk"))
        world = World(folder, multisite, sandbox, stream, driver, dns, certificates, on_small_disk)
        world.settings_of_tls = tls
        yield world


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Have a disk of a few megabytes where one may; tell whether."""
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(folder, DISK))
            mounted = True
        except (MissingPartError, subprocess.CalledProcessError):
            mounted = False
        yield mounted
