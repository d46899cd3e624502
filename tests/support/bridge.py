"""Harness that runs the real program on a real network with a sandbox of Closte, and compares its exact output."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.support import forks
from tests.support.rows import EVENTS, add_event, create_events_table
from tests.support.running import typed, wait_until, write_script
from tests.support.sandbox.server import Sandbox
from tests.support.schedulers import write_schedulers

if TYPE_CHECKING:
    import signal
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.ssh import SshServer
    from tests.support.wordpress import Multisite

KEY = "key-of-the-test-application-0123456789"
# A positive time that the config accepts, too short to delay a test.
AT_ONCE = 0.001
# Python needs these to find the package; no other variable of this environment is passed on.
_PASSED_ON = ("PYTHONPATH",)
# Text that varies between runs, with its replacement.
VARYING = (
    (re.compile(r"\(\d+\.\d\d s\)"), "(0.00 s)"),
    (re.compile(r"planning \d+\.\d+ s"), "planning 0.000 s"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "<time>"),
)


@dataclass(frozen=True)
class Ran:
    """The result of one call of the program. `out` and `err` have fixed times, costs and paths."""

    code: int
    out: str
    err: str

    @property
    def golden(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr, for comparison as a whole."""
        return self.code, self.out, self.err

    @property
    def envelope(self) -> dict[str, Any]:
        """The JSON document of `--format=json`."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        assert document["exit_code"] == self.code
        return document

    @property
    def codes(self) -> list[str]:
        """The codes of the envelope's errors; without errors, those of its warnings."""
        document = self.envelope
        return [str(problem["code"]) for problem in document["errors"] or document["warnings"]]


@dataclass
class Bridge:
    """An installation of closte-bridge: its config, state folder and key, its network, and its sandbox of Closte.

    `folder` contains all files of the installation. After a change of `settings`, call `write_config`.
    """

    multisite: Multisite
    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.key_file = self.folder / "key"
        self.schedulers = write_schedulers(self.folder / "schedulers")
        self.write_key(KEY)
        self.settings = {
            "api_url": self.sandbox.url,
            "api_key_file": str(self.key_file),
            "state_dir": str(self.state),
            "wp": {
                "command": self.multisite.wp_command,
                "path": str(self.multisite.path),
                "allow_root": os.geteuid() == 0,
            },
            "rate_limit": 1000,
            # Tests with a web server set its address; no other test may send a request to the network's domain.
            "web_urls": ["http://127.0.0.1:9"],
            # Other tests check DNS. If a test checks it anyway, it only asks this machine.
            "checks": False,
            "dns": {"resolvers": ["127.0.0.1:9"], "timeout": 0.1},
            **self.settings,
        }
        self.write_config()

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "config.yaml"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def write_config(self, **changes: object) -> None:
        """Change some keys of the config (None removes a key) and write the file."""
        self.settings |= changes
        kept = {key: value for key, value in self.settings.items() if value is not None}
        self.config.write_text(yaml.safe_dump(kept, allow_unicode=True))

    def write_key(self, key: str) -> None:
        """Write a key to the key file."""
        self.key_file.write_text(key + "\n")
        self.key_file.chmod(0o600)

    def go_over_ssh(self, sshd: SshServer) -> None:
        """Reach WordPress over SSH from now on."""
        self.env |= {"PATH": sshd.env(self.multisite.env)["PATH"]}
        target = sshd.target(self.multisite.path)
        wp = {"ssh": target, "allow_root": os.geteuid() == 0}
        self.write_config(wp=wp)

    # Running

    def argv(self, *args: str) -> list[str]:
        """Return the command line of one call."""
        return [sys.executable, "-m", "closte_bridge", *args]

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of one call: the network's variables, the path of the config, and `more`."""
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        given = self.multisite.env | passed | {"CLOSTE_BRIDGE_CONFIG": str(self.config)} | self.env | more
        return given | {"PATH": f"{self.schedulers}{os.pathsep}{given['PATH']}"}

    @property
    def crontab(self) -> str:
        """The user's crontab."""
        table = self.schedulers / "table"
        return table.read_text() if table.exists() else ""

    def run(self, *args: str, stdin: str | None = None, **env: str) -> Ran:
        """Run the program to its end. Without `stdin`, it has no input and cannot prompt."""
        return self._ran(forks.run(*args, env=self.environment(**env), cwd=self.folder, stdin=stdin))

    def run_asked(self, answer: str, *args: str) -> Ran:
        """Run the program with a terminal as its stdin, and type `answer` there for its prompts."""
        with typed(answer) as terminal:
            return self._ran(forks.run(*args, env=self.environment(), cwd=self.folder, stdin=terminal))

    def run_interrupted(self, number: signal.Signals, ready: Callable[[], bool], *args: str) -> Ran:
        """Run the program and send it a signal as soon as `ready` returns true."""
        with forks.Fork(*args, env=self.environment(), cwd=self.folder) as process:
            wait_until(lambda: ready() or process.poll() is not None)
            process.send_signal(number)
            return self._ran(process.completed())

    def _ran(self, done: subprocess.CompletedProcess[str]) -> Ran:
        return self.ran(done.returncode, done.stdout, done.stderr)

    def ran(self, code: int, out: str, err: str) -> Ran:
        """Return the result of a call; fail if the call shows the key or a traceback."""
        assert KEY not in out + err
        assert "Traceback" not in out + err, out + err
        return Ran(code, self.normalised(out), self.normalised(err))

    @contextmanager
    def other_wp(self, script: str) -> Iterator[None]:
        """Replace `wp` with a shell script during the body; `$WP` in the script is the real `wp`."""
        wp = self.settings["wp"]
        right = wp["command"]
        wp["command"] = [str(write_script(self.folder / "other-wp", f'WP="{" ".join(right)}"\n{script}'))]
        self.write_config()
        yield
        wp["command"] = right
        self.write_config()

    def adopt(self, *args: str) -> Ran:
        """Make this installation the owner of the network; fail the test if this fails."""
        ran = self.run("adopt", "--yes", *args)
        assert ran.code == 0, ran
        return ran

    def normalised(self, text: str) -> str:
        """Return `text` with fixed values for all that varies between runs: seconds, times, paths, the host name."""
        for pattern, fixed in VARYING:
            text = pattern.sub(fixed, text)
        places = ((self.folder, "<folder>"), (self.multisite.path, "<site>"), (self.sandbox.url, "<api>"))
        # Longer paths first, because one path may be the start of another.
        for place, name in sorted(((str(place), name) for place, name in places), key=lambda pair: -len(pair[0])):
            text = text.replace(place, name)
        return text.replace(f'"{socket.gethostname()}"', '"<host>"')

    # Closte

    def take_keys(self, *, taken: bool) -> None:
        """Let the sandbox accept any key, or no key, as if the valid key was revoked."""
        self.sandbox.api.accepts = lambda key: taken and bool(key)  # type: ignore[method-assign]

    @property
    def aliases(self) -> set[str]:
        """The aliases on Closte, without the application's own domain."""
        return self.sandbox.aliases - {self.multisite.main_domain}

    def changes(self) -> list[tuple[str, str]]:
        """Return the changes requested since the last call: (`add` or `remove`, domain), sorted."""
        asked = [(r.call, r.domain) for r in self.sandbox.requests if r.call in {"add", "remove"} and r.domain]
        self.sandbox.request_log.clear()
        return sorted(asked)

    # Events, in the shim's format

    def create_events_table(self) -> None:
        """Create the table that the shim creates."""
        create_events_table(self.multisite)

    def add_event(self, kind: str, domain: str = "", **more: Any) -> str:  # noqa: ANN401 - passed on to `add_event`
        """Write one event row and return its uid."""
        return add_event(self.multisite, kind, domain, **more)

    def event_uids(self) -> list[str]:
        """Return the uids of the event rows in WordPress."""
        rows = self.multisite.sql(f"SELECT uid FROM {EVENTS} ORDER BY id")
        return [str(row["uid"]) for row in rows]


@contextmanager
def bridge_for(multisite: Multisite, folder: Path, **settings: object) -> Iterator[Bridge]:
    """Provide an installation in the new folder `folder` for `multisite`, with its own sandbox of Closte."""
    with Sandbox(multisite.main_domain) as sandbox:
        yield Bridge(multisite, sandbox, folder, dict(settings))


def table(text: str) -> list[Mapping[str, str]]:
    """Parse a table that the program printed into a pipe."""
    head, *lines = [line.split("\t") for line in text.splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]
