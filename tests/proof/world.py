"""World of the fault injection: a real network with the shim, the sandbox for Closte, closte-bridge and a clock."""

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
from closte_bridge.secret import Secret
from tests.proof.stream import Stream
from tests.support.databases import SqliteDatabase
from tests.support.disks import small_disk
from tests.support.fake_world import FOREIGN, HASTY, OWN
from tests.support.life import HERE, Certificates, changing_names
from tests.support.parts import REPOSITORY, MissingPartError
from tests.support.sandbox.server import Sandbox
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
# Seconds that an answer is delayed when a kill is requested.
_STRIKE_SECONDS = 0.1
_KEPT = ("PYTHONPATH",)

# Each call of `wp` uses the next word in the file `modes`; without one, `wp` works normally.
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
    """Result of one command. `status` is -9 if it was killed, `seconds` is its duration."""

    status: int
    stdout: str
    stderr: str
    seconds: float


class Driver:
    """Process that has loaded the program and runs commands in forks."""

    def __init__(self, mutant: str | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.driver", *([mutant] if mutant else [])],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, orders: list[dict[str, Any]]) -> list[Ran]:
        """Run the commands at the same time until each ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        return [Ran(**answer) for answer in json.loads(self._process.stdout.readline())]

    def end(self) -> None:
        """Close the input of the process, so that it ends."""
        self._process.communicate()


@dataclass
class World:
    """Everything that fault injection affects.

    `later` is how many seconds both clocks are ahead, `jump` how many more the wall clock is. `changes` are the real
    changes on Closte. After `strike_in` of them the file `strike` appears: the moment between a change and its answer.
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
        """Record each change of the sandbox's aliases as it happens."""
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
        """Return the settings of every installation in this world, with its own state folder."""
        key_file = self.folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(KEY + "\n")
        return {
            "api_url": self.sandbox.url,
            "api_key_file": str(key_file),
            "state_dir": str(state),
            "rate_limit": 1000,
            "web_urls": ["http://127.0.0.1:9"],
            "checks": False,
            # Remaining checks must query only this machine.
            "dns": {"resolvers": ["127.0.0.1:9"], "timeout": 0.1},
        }

    def wrapped(self, multisite: Multisite, folder: Path) -> dict[str, Any]:
        """Return the config section `wp` with a wrapper script that can fail."""
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
        """Make the next calls of `wp` fail in these ways, in order."""
        (self.folder / "bin" / "modes").write_text("".join(f"{mode}\n" for mode in modes))
        (self.folder / "bin" / "calls").write_text("")

    def write_config(self, **changes: object) -> None:
        """Change some keys of the config and write the file."""
        self.settings |= changes
        self.config.write_text(json.dumps(self.settings))

    def with_checks(self, *, on: bool) -> None:
        """Switch the checks of DNS and certificates on or off."""
        if not on or self.names is None or self.certificates is None:
            self.write_config(checks=False)
            return
        dns = {"resolvers": [self.names.resolver], "timeout": 2}
        self.write_config(checks=True, dns=dns, tls=self.settings_of_tls)

    settings_of_tls: dict[str, Any] = field(default_factory=dict)

    # Run commands

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
        """Run an SQL statement on the network's database right after the next call of `wp` has read it."""
        code = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], timeout=30); d.execute(sys.argv[2]); d.commit()"
        words = " ".join(map(shlex.quote, [sys.executable, "-c", code, str(self.database), statement]))
        (self.folder / "bin" / "hook").write_text(words + "\n")
        self.misbehave("then")

    # Read the facts without the project's code

    def rows(self) -> set[str]:
        """Return the mapped domains."""
        return {str(row["domain"]).lower() for row in self.multisite.sql(f"SELECT domain FROM {TABLE}")}

    def sites(self) -> set[str]:
        """Return the domains of the sites: while a site exists, its domain is wanted even without a row."""
        return {str(row["domain"]).lower() for row in self.multisite.sql("SELECT domain FROM wp_blogs")}

    def wanted(self) -> set[str]:
        """Return the mapped domains of existing sites: others are kept on Closte but not added."""
        query = f"SELECT domain FROM {TABLE} WHERE blog_id IN (SELECT blog_id FROM wp_blogs)"
        return {str(row["domain"]).lower() for row in self.multisite.sql(query)}

    def ledger(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the ledger."""
        with closing(sqlite3.connect(self.state / FILE_NAME, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    # Copy the database

    @property
    def database(self) -> Path:
        """File of the network's database."""
        assert isinstance(self.multisite.database, SqliteDatabase)
        return self.multisite.database.path

    def back_up(self, target: Path) -> None:
        """Copy the current database."""
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def put_back(self, source: Path) -> None:
        """Restore the database from a copy."""
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
    """Build the world around a fresh network with `mappings` domains, half of which already exist on Closte."""
    with ExitStack() as stack:
        dns = certificates = None
        tls: dict[str, Any] = {}
        if names:
            # A separate folder, because the path of the DNS server's socket must be short.
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
    """Mount a disk of a few megabytes if permitted; yield whether it is mounted."""
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(folder, DISK))
            mounted = True
        except (MissingPartError, subprocess.CalledProcessError):
            mounted = False
        yield mounted
