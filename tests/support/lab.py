"""The lab: a small WordPress network, the sandbox of Closte, and DNS and HTTPS that you can change by hand.

`script/demo --shell` opens a shell in it. The outputs in the documentation come from it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from closte_bridge.secret import Secret
from tests.support.names_and_certificates import names_and_certificates
from tests.support.parts import find_parts
from tests.support.running import write_script
from tests.support.sandbox.server import Sandbox
from tests.support.schedulers import write_schedulers
from tests.support.wordpress import Multisite, build_template, copy_multisite, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN_DOMAIN = "network.example.com"
KEY = "the-key-of-the-demo"
SITES = {
    "books": ("example.net", "reading.example.org"),
    "garden": ("garden.example.org",),
    "fair": ("fair-2023.example.org", "fair-2024.example.org", "fair-2025.example.org", "fair-2026.example.org"),
}
# On Closte from the start: a domain that is mapped here, and one that is unrelated to this network.
THERE_BEFORE = ("reading.example.org", "status.example.com")


_PATIENCE = 10


class LabError(Exception):
    """The lab did not start."""


@dataclass
class Lab:
    """A folder with the network, the environment of its commands, and the sandbox."""

    folder: Path
    network: Multisite
    sandbox: Sandbox
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "config.yaml"

    @property
    def dns(self) -> Path:
        """The file with the lab's DNS: one line per domain, with its address."""
        return self.folder / "dns"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of commands in the lab."""
        own_programs = [str(self.folder / name) for name in ("bin", "schedulers")]
        path = [*own_programs, str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in {"PYTHONPATH", "PYTHONWARNINGS", "TERM"} or name.startswith("COVERAGE_")
        }
        own = {
            "PATH": os.pathsep.join(path),
            "CLOSTE_BRIDGE_CONFIG": str(self.config),
            # The network belongs to the user that runs the lab, even if that is root.
            "WP_CLI_ALLOW_ROOT": "1",
        }
        return kept | self.network.env | own

    def configure(self, **changes: object) -> None:
        """Change settings (None removes one) and write the config file."""
        self.settings |= changes
        kept = {key: value for key, value in self.settings.items() if value is not None}
        self.config.write_text(yaml.safe_dump(kept, sort_keys=False, default_flow_style=None))

    def run(self, *argv: str) -> str:
        """Run a command in the lab and return its output. Raises LabError if it fails."""
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=self.environ,
            cwd=self.folder,
        )
        if done.returncode:
            raise LabError(f"{shlex.join(argv)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def aliases(self) -> list[str]:
        """Return the aliases in the sandbox."""
        return self.sandbox.store.names


def build_network(folder: Path) -> Multisite:
    """Build the network with its sites and mappings in `folder`/wordpress."""
    path = folder / "wordpress"
    network = build_template(path, find_parts(), sqlite_database(path), MAIN_DOMAIN)
    network.define("CLOSTE_CLIENT_API_KEY", KEY)
    # Use a www. form for example.net, but not for domains with one more label.
    network.set_setting("auto_create_www_subdomain", "main_only")
    for slug, domains in SITES.items():
        blog_id = network.create_site(slug)
        for domain in domains:
            network.add_mapping(domain, blog_id)
    return network


def copy_network(template: Multisite, folder: Path) -> Multisite:
    """Copy a network that `build_network` made into the new folder `folder`."""
    folder.mkdir(parents=True)
    return copy_multisite(template, folder / "wordpress", sqlite_database(folder / "wordpress"))


def make_lab(network: Multisite) -> Lab:
    """Write the commands and the settings next to the network. The sandbox does not run yet."""
    lab = Lab(network.path.parent, network, Sandbox(MAIN_DOMAIN, key=Secret(KEY)))
    programs = lab.folder / "bin"
    programs.mkdir()
    write_script(programs / "wp", f'exec {shlex.join(network.wp_command)} "$@"')
    write_schedulers(lab.folder / "schedulers")
    write_script(programs / "closte-bridge", f'exec {shlex.quote(sys.executable)} -m closte_bridge "$@"')
    (lab.folder / "wp-cli.yml").write_text("path: wordpress\n")
    # No web server runs here, and no request may leave this machine.
    lab.settings = {
        "web_urls": ["http://127.0.0.1:9"],
        "state_dir": "state",
        "wp": {"path": "wordpress", "allow_root": True},
    }
    return lab


@contextmanager
def sandbox(lab: Lab) -> Iterator[None]:
    """Run the sandbox while the body runs, and set `api_url` to it."""
    with lab.sandbox:
        lab.settings = {"api_url": lab.sandbox.url} | lab.settings
        lab.sandbox.store.replace([*(f"{slug}.{MAIN_DOMAIN}" for slug in SITES), *THERE_BEFORE])
        yield


@contextmanager
def running_lab(network: Multisite) -> Iterator[Lab]:
    """Run sandbox, DNS and HTTPS for a network while the body runs."""
    lab = make_lab(network)
    own = [MAIN_DOMAIN, *(f"{slug}.{MAIN_DOMAIN}" for slug in SITES)]
    lab.dns.write_text("".join(f"{domain} 127.0.0.1\n" for domain in own))
    with sandbox(lab), names_and_certificates(lab.folder, lab.dns, lambda: {*lab.aliases(), MAIN_DOMAIN}) as places:
        lab.configure(
            dns={"resolvers": [places.resolver]}, tls={"port": places.https_port, "ca_file": str(places.ca_file)}
        )
        try:
            yield lab
        finally:
            _end_triggered_runs(lab)


def _end_triggered_runs(lab: Lab) -> None:
    """End the runs that the shim started in this lab; a run stays while a removal waits."""
    theirs = f"CLOSTE_BRIDGE_CONFIG={lab.config}".encode()
    running = [found for path in Path("/proc").glob("[0-9]*/environ") if (found := _process_with(path, theirs))]
    for process in running:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while any(Path(f"/proc/{process}").exists() for process in running) and time.monotonic() < deadline:
        time.sleep(0.02)


def _process_with(environ: Path, text: bytes) -> int | None:
    """Return the process ID if this is a `closte-bridge sync` with `text` in its environment; else None."""
    try:
        found = text in environ.read_bytes().split(b"\0")
        arguments = environ.with_name("cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return int(environ.parent.name) if found and b"sync" in arguments else None
