"""The demo: real commands on a real network, one after the other, each with the exit code that it must have.

Run it with `script/demo`. It builds the network with the same code as the tests, and its steps are a test themselves
(`tests/integration/test_readme.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tests.support.parts import MissingPartError, find_parts, is_mock_plugin
from tests.support.wordpress import Multisite, WpError, build_template, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN_DOMAIN = "network.example.com"
KEY = "the-key-of-the-demo"
GRACE = 2
CONFIG = f"""\
api_url: {{url}}
state_dir: state
checks: false       # DNS and certificates are not looked at: nothing is asked beyond this machine
removal_grace: {GRACE}s   # 24 hours by default, and nobody watches a demo for so long
"""
SITES = {
    "books": ("example.net", "reading.example.org"),
    "garden": ("garden.example.org",),
    "fair": ("fair-2023.example.org", "fair-2024.example.org", "fair-2025.example.org", "fair-2026.example.org"),
}
# Names that Closte has already: one that is mapped here, and a stranger's.
THERE_BEFORE = ("reading.example.org", "status.example.com")


class DemoError(Exception):
    """A step did not do what it must."""


def say(text: str = "") -> None:
    """Write a line, at once: what the commands print comes from other processes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Demo:
    """The stage: a folder with the network in it, and the environment that the commands run in."""

    network: Multisite
    environ: dict[str, str]
    control: str = ""
    chapters: int = 0
    steps: int = 0

    def chapter(self, title: str, *text: str) -> None:
        """Begin the next part."""
        self.chapters += 1
        say(f"\n== {self.chapters}. {title}")
        for line in text:
            say(line)

    def run(self, command: str, expected: int = 0) -> str:
        """Show a command, run it and show what it prints; return that. Raises DemoError for another exit code."""
        say(f"\n$ {command}")
        done = subprocess.run(
            shlex.split(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            env=self.environ,
            cwd=self.network.path,
        )
        sys.stdout.write(done.stdout)
        if done.returncode != expected:
            raise DemoError(f"`{command}` ended with {done.returncode} instead of {expected}.")
        if expected:
            say(f"(exit code {expected})")
        self.steps += 1
        return done.stdout

    def tell_closte(self, what: str, document: dict[str, object]) -> None:
        """Change the stand-in for Closte through its controls."""
        request = urllib.request.Request(  # noqa: S310 - a URL of this machine
            f"{self.control}/{what}", json.dumps(document).encode(), method="PUT"
        )
        # Not through a proxy: it is this machine.
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()

    def delete_mappings(self, *domains: str) -> None:
        """Remove mappings with the plugin's own command."""
        ids = {str(row["domain"]): row["id"] for row in self.network.mappings()}
        for domain in domains:
            self.run(f"wp wu domain delete {ids[domain]}")


def build(folder: Path) -> Demo:
    """Build the network with its sites and mappings, and a `wp` to reach it with."""
    network = build_template(folder / "wordpress", find_parts(), sqlite_database(folder / "wordpress"), MAIN_DOMAIN)
    programs = folder / "bin"
    programs.mkdir()
    wp = programs / "wp"
    wp.write_text(f'#!/bin/sh\nexec {shlex.join(network.wp_command)} "$@"\n')
    wp.chmod(0o755)
    network.define("CLOSTE_CLIENT_API_KEY", KEY)
    # A www. form for example.net, and none for names with a label more.
    network.set_setting("auto_create_www_subdomain", "main_only")
    for slug, domains in SITES.items():
        blog_id = network.create_site(slug)
        for domain in domains:
            network.add_mapping(domain, blog_id)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environ = network.env | {
        "PATH": path,
        "CLOSTE_BRIDGE_CONFIG": str(folder / "config.yaml"),
        # The network of the demo belongs to whoever runs it, be it root.
        "WP_CLI_ALLOW_ROOT": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
    }
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return Demo(network, environ | coverage)


@contextmanager
def closte(demo: Demo, folder: Path) -> Iterator[None]:
    """Run the stand-in for Closte's API beside the body, and write the config that leads to it."""
    key_file = folder / "key"
    key_file.write_text(KEY + "\n")
    argv = ["closte-bridge", "sandbox", f"--key-file={key_file}", f"--app-domain={MAIN_DOMAIN}"]
    program = shutil.which(argv[0], path=demo.environ["PATH"]) or argv[0]
    with subprocess.Popen([program, *argv[1:]], stdout=subprocess.PIPE, text=True, env=demo.environ) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it was asked for above
            url = server.stdout.readline().strip()
            if not url:
                raise DemoError("The stand-in for Closte did not start.")
            demo.control = url.replace("/api/client", "/_sandbox")
            (folder / "config.yaml").write_text(CONFIG.format(url=url))
            demo.tell_closte("aliases", {"aliases": [f"{slug}.{MAIN_DOMAIN}" for slug in SITES] + [*THERE_BEFORE]})
            yield
        finally:
            server.terminate()


def the_two_sides(demo: Demo) -> None:
    """Show what there is."""
    stand_in = "a stand-in for Ultimate Multisite" if is_mock_plugin() else "the real Ultimate Multisite"
    demo.chapter(
        "The two sides",
        f"WordPress and WP-CLI are real, with {stand_in} as the plugin.",
        "Closte is a stand-in on this machine: `closte-bridge sandbox`. It knows a few of the names already.",
        "On Closte no config is needed; here it leads to the stand-in.",
    )
    demo.run("wp wu domain list --fields=id,domain,blog_id")
    demo.run("cat ../config.yaml")
    demo.run("closte-bridge integration enable")
    demo.run("closte-bridge integration test")


def take_charge(demo: Demo) -> None:
    """Adopt."""
    demo.chapter("Take charge", "Until an engine is put in charge of a network, nothing is changed.")
    demo.run("closte-bridge sync --format=count", expected=7)
    demo.run("closte-bridge adopt --yes")


def first_sync(demo: Demo) -> None:
    """Plan, sync, and sync again."""
    demo.chapter("Plan, sync, and nothing left to do")
    demo.run("closte-bridge plan")
    demo.run("closte-bridge sync")
    demo.run("closte-bridge sync")


def failing_api(demo: Demo) -> None:
    """Let the API fail for one name, then recover."""
    name = "tea.example.org"
    demo.chapter("Closte fails", f'The stand-in is told to answer with an error whenever "{name}" is added.')
    demo.run(f"wp wu domain create --domain={name} --blog_id=2")
    demo.tell_closte("faults", {"faults": [f"error500@{name}"]})
    demo.run("closte-bridge sync", expected=4)
    demo.run(f"closte-bridge domain explain {name}")
    say("\nThe errors end. Left alone, the change is tried again by itself; --retry does not wait.")
    demo.tell_closte("faults", {"faults": []})
    demo.run("closte-bridge sync --retry")


def let_grace_pass(demo: Demo) -> None:
    """Give the names that are missing their complete snapshots and the grace period."""
    demo.run("closte-bridge sync --quiet")
    say(f"\n… {GRACE} seconds later:")
    # One more: the period is counted from when the first look was written down.
    time.sleep(GRACE + 1)


def removed_mapping(demo: Demo) -> None:
    """Remove one mapping and see its alias go."""
    demo.chapter(
        "A mapping is removed",
        "Its alias stays until it was missing in three complete looks and for as long as `removal_grace` says.",
    )
    demo.delete_mappings("garden.example.org")
    demo.run("closte-bridge sync")
    let_grace_pass(demo)
    demo.run("closte-bridge sync")


def mass_removal(demo: Demo, folder: Path) -> None:
    """Remove a whole site's mappings: refused until a person has reviewed it."""
    demo.chapter(
        "Too much is missing at once",
        "A restored backup, a broken plugin or a slip of the hand looks just like this.",
    )
    demo.delete_mappings(*SITES["fair"])
    demo.run("closte-bridge sync --quiet")
    let_grace_pass(demo)
    demo.run("closte-bridge sync", expected=3)
    say("\nIt was meant. The names go into a file, a person reads it, and exactly those are removed.")
    plan = folder / "plan.json"
    demo.run(f"closte-bridge plan --quiet --out={plan}", expected=3)
    demo.run(f"closte-bridge apply {plan}")
    demo.run("closte-bridge plan")
    demo.run("closte-bridge log --limit=6 --fields=action,domain,cause,outcome")


def play(folder: Path) -> Demo:
    """Do it all in `folder`. Raises DemoError when a step does not end as it must."""
    say("Building the network …")
    demo = build(folder)
    with closte(demo, folder):
        the_two_sides(demo)
        take_charge(demo)
        first_sync(demo)
        failing_api(demo)
        removed_mapping(demo)
        mass_removal(demo, folder)
    return demo


def _stop(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demo in a folder of its own; return 0 only if every step ended as it must."""
    parser = argparse.ArgumentParser(prog="script/demo", description="Show closte-bridge at work.")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the demo in place")
    options = parser.parse_args()
    # The folder is removed and the stand-in ended however the demo ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="closte-bridge-demo."))
        if options.keep:
            stack.callback(say, f'\nThe folder of the demo is kept: "{folder}".')
        else:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            demo = play(folder)
        except (DemoError, MissingPartError, WpError, OSError) as error:
            say(f"\nDemo failed: {error}")
            return 1
        except KeyboardInterrupt:
            say("\nDemo interrupted.")
            return 130
    say(f"\nDemo passed: all {demo.steps} commands ended with the exit code that they must have.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
