"""The demo: real commands on a real network, one after the other, each with its expected exit code.

Run it with `script/demo`; `script/demo --shell` opens a shell in the same network instead. The steps are a test as well
(`tests/integration/test_readme.py`).
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.support.lab import MAIN_DOMAIN, SITES, Lab, LabError, build_network, make_lab, running_lab, sandbox
from tests.support.parts import MissingPartError, is_mock_plugin
from tests.support.wordpress import WpError

GRACE = 2
CONFIG = f"""\
api_url: {{url}}
state_dir: state
checks: false       # no DNS and HTTPS checks: the demo sends nothing to other machines
removal_grace: {GRACE}s   # the default is 24 hours
"""
WELCOME = f"""
The network "{MAIN_DOMAIN}" is running. The sandbox is its Closte, and the file "dns" is its DNS.
Follow docs/tutorial.md here. `exit` ends the sandbox and removes the network.
"""
NEXT = """
Next: type commands yourself with `script/demo --shell`, and follow docs/tutorial.md.
For a network of your own, begin with `closte-bridge setup`: see docs/how-to/get-started.md.
"""


class DemoError(Exception):
    """A step failed."""


def say(text: str = "") -> None:
    """Write a line and flush it: the commands write to the same terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Demo:
    """The lab, and how many chapters and steps were shown."""

    lab: Lab
    chapters: int = 0
    steps: int = 0

    def chapter(self, title: str, *text: str) -> None:
        """Begin the next chapter."""
        self.chapters += 1
        say(f"\n== {self.chapters}. {title}")
        for line in text:
            say(line)

    def run(self, command: str, expected: int = 0) -> str:
        """Show a command, run it, show and return its output. Raises DemoError for another exit code."""
        say(f"\n$ {command}")
        done = subprocess.run(
            shlex.split(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            env=self.lab.environ,
            cwd=self.lab.folder,
        )
        sys.stdout.write(done.stdout)
        if done.returncode != expected:
            raise DemoError(f"`{command}` exited with code {done.returncode} instead of {expected}.")
        if expected:
            say(f"(exit code {expected})")
        self.steps += 1
        return done.stdout

    def delete_mappings(self, *domains: str) -> None:
        """Remove mappings with the plugin's own command."""
        ids = {str(row["domain"]): row["id"] for row in self.lab.network.mappings()}
        for domain in domains:
            self.run(f"wp wu domain delete {ids[domain]}")


def the_two_sides(demo: Demo) -> None:
    """Show the mappings and the config, and connect to the sandbox."""
    plugin = "a mock of Ultimate Multisite" if is_mock_plugin() else "the real Ultimate Multisite"
    demo.chapter(
        "The two sides",
        f"WordPress and WP-CLI are real, with {plugin} as the plugin.",
        "Closte's side is the sandbox on this machine. It has some of the domains already.",
        "On Closte no config is needed. Here it sets the sandbox as the API.",
    )
    demo.run("wp wu domain list --fields=id,domain,blog_id")
    demo.run("cat config.yaml")
    demo.run("closte-bridge integration enable")
    demo.run("closte-bridge integration test")


def adopt_the_network(demo: Demo) -> None:
    """Adopt the network."""
    demo.chapter("Adopt the network", "closte-bridge changes nothing until it owns the network.")
    demo.run("closte-bridge sync --format=count", expected=7)
    demo.run("closte-bridge adopt --yes")


def first_sync(demo: Demo) -> None:
    """Show a plan, sync, and sync again."""
    demo.chapter("Plan and sync")
    demo.run("closte-bridge plan")
    demo.run("closte-bridge sync")
    demo.run("closte-bridge sync")


def failing_api(demo: Demo) -> None:
    """Let the API fail for one domain, then recover."""
    name = "tea.example.org"
    demo.chapter("Closte fails", f'The sandbox answers each addition of "{name}" with an error.')
    demo.run(f"wp wu domain create --domain={name} --blog_id=2")
    demo.lab.sandbox.set_faults(f"error500@{name}")
    demo.run("closte-bridge sync", expected=4)
    demo.run(f"closte-bridge domain explain {name}")
    say("\nThe errors end. closte-bridge retries automatically; `--retry` does it now.")
    demo.lab.sandbox.set_faults()
    demo.run("closte-bridge sync --retry")


def let_grace_pass(demo: Demo) -> None:
    """Read again, and let the grace period of the missing domains pass."""
    demo.run("closte-bridge sync --quiet")
    say(f"\n… {GRACE} seconds later:")
    # One more: the period starts when the first read is written to the ledger.
    time.sleep(GRACE + 1)


def removed_mapping(demo: Demo) -> None:
    """Delete one mapping, so that its domain is removed."""
    demo.chapter(
        "A mapping is removed",
        "Its alias stays until the mapping was missing in three complete reads over `removal_grace`.",
    )
    demo.delete_mappings("garden.example.org")
    demo.run("closte-bridge sync")
    let_grace_pass(demo)
    demo.run("closte-bridge sync")


def mass_removal(demo: Demo, folder: Path) -> None:
    """Remove all mappings of a site, which needs a person's approval."""
    demo.chapter(
        "Too much is missing at once",
        "A restored backup, a broken plugin or a mistake can look the same.",
    )
    demo.delete_mappings(*SITES["fair"])
    demo.run("closte-bridge sync --quiet")
    let_grace_pass(demo)
    demo.run("closte-bridge sync", expected=3)
    say("\nThe removals are intended. Write them to a file, review it, and apply exactly that file.")
    plan = folder / "plan.json"
    demo.run(f"closte-bridge plan --quiet --out={plan}", expected=3)
    demo.run(f"closte-bridge apply {plan}")
    demo.run("closte-bridge plan")
    demo.run("closte-bridge log --limit=6 --fields=action,domain,cause,outcome")


def play(folder: Path) -> Demo:
    """Run the demo in `folder`. Raises DemoError if a step has an unexpected exit code."""
    say("Building the network …")
    demo = Demo(make_lab(build_network(folder)))
    with sandbox(demo.lab):
        demo.lab.config.write_text(CONFIG.format(url=demo.lab.settings["api_url"]))
        the_two_sides(demo)
        adopt_the_network(demo)
        first_sync(demo)
        failing_api(demo)
        removed_mapping(demo)
        mass_removal(demo, folder)
    return demo


def open_shell(folder: Path) -> None:
    """Run the lab in `folder` and a shell in it, until the shell ends."""
    say("Building the network …")
    network = build_network(folder)
    bash = shutil.which("bash")
    argv = [bash, "--norc"] if bash else ["sh"]
    with running_lab(network) as lab:
        say(WELCOME)
        subprocess.run(argv, check=False, env=lab.environ | {"PS1": "$ "}, cwd=lab.folder)


def _stop(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demo in a new folder; return 0 only if every step had the expected exit code."""
    parser = argparse.ArgumentParser(prog="script/demo", description="Show closte-bridge at work.")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the demo")
    parser.add_argument("--shell", action="store_true", help="open a shell in the network instead of showing the steps")
    options = parser.parse_args()
    # Remove the folder and end the sandbox however the demo ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="closte-bridge-demo."))
        if options.keep:
            stack.callback(say, f'\nThe demo is in "{folder}".')
        else:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            if options.shell:
                open_shell(folder)
                return 0
            demo = play(folder)
        except (DemoError, LabError, MissingPartError, WpError, OSError) as error:
            say(f"\nDemo failed: {error}")
            return 1
        except KeyboardInterrupt:
            say("\nDemo interrupted.")
            return 130
    say(f"\nDemo passed: all {demo.steps} commands ended with the expected exit code.")
    say(NEXT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
