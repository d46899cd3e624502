"""Sessions that type the commands of a page into labs and compare the printed output."""

from __future__ import annotations

import fcntl
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.docs.pages import Block, Page, Step, updated
from tests.support.lab import KEY, Lab, copy_network, running_lab
from tests.support.running import type_line, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wordpress import Multisite

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TERMINAL = {"SHELL_PIPE": "0", "NO_COLOR": "1", "COLUMNS": "110"}
_DEMO = "/tmp/closte-bridge-demo"
# The worlds: the paths of the lab and the names that the page shows for them, longer paths first.
PLACES = {
    "demo": (("{folder}", _DEMO),),
    "server": (
        ("{folder}/wordpress", "/var/www/html"),
        ("{folder}/config.yaml", "/etc/closte-bridge/config.yaml"),
        ("{folder}/state", "/var/lib/closte-bridge"),
        ("{folder}", _DEMO),
    ),
}
# The names that the page shows for the lab's resolver and for the address of its network.
SERVERS = {
    "demo": (),
    "server": ((re.compile(r"127\.0\.0\.1:\d+"), "1.1.1.1"), (re.compile(r"127\.0\.0\.1"), "192.0.2.10")),
}


class Session:
    """Context manager that runs pages in consecutive labs, each with its own copy of the network."""

    def __init__(self, template: Multisite, folder: Path) -> None:
        self._template = template
        self._folder = folder
        self._labs = 0
        self._stack = ExitStack()
        self._lab: Lab | None = None
        self._places: list[tuple[str, str]] = []
        self._servers: tuple[tuple[re.Pattern[str], str], ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, page: Page) -> list[str]:
        """Run a page, store the real outputs in its steps, and return the differences."""
        return [wrong for block in page.blocks if block.not_run is None for wrong in self._run(page, block)]

    def _run(self, page: Page, block: Block) -> list[str]:
        for kind, text in block.directions:
            if kind == "world":
                self._begin(text)
            else:
                self._prepare(text)
        return [wrong for step in block.steps if (wrong := self._step(page, step))]

    def _begin(self, world: str) -> None:
        self._stack.close()
        self._labs += 1
        folder = self._folder / f"lab-{self._labs}"
        self._lab = self._stack.enter_context(running_lab(copy_network(self._template, folder)))
        self._places = [(place.format(folder=folder), name) for place, name in PLACES[world]]
        self._servers = SERVERS[world]

    @property
    def lab(self) -> Lab:
        """The running lab."""
        assert self._lab is not None, "The page does not say in which world its first block runs."
        return self._lab

    def _prepare(self, text: str) -> None:
        if text.startswith("settle "):
            self._settle(text.removeprefix("settle "))
        else:
            code, said = self._type(text)
            assert code == 0, f"{text}: {said}"

    def _settle(self, domain: str) -> None:
        """Wait until the run that WordPress triggered has added the domain and ended."""
        wait_until(lambda: domain in self.lab.aliases())
        with (self.lab.folder / "state" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _step(self, page: Page, step: Step) -> str | None:
        code, said = self._type(step.command)
        shown, step.shown = step.shown, updated(step.shown, said)
        if code != step.exit_code:
            text = "\n".join(said)
            return f"{page.name}: `{step.command}` ended with {code} instead of {step.exit_code}:\n{text}\n"
        if step.shown != shown:
            now, before = "\n".join(step.shown), "\n".join(shown)
            return f"{page.name}: `{step.command}` prints\n{now}\n--- and not\n{before}\n"
        return None

    def _type(self, line: str) -> tuple[int, list[str]]:
        """Type a command line and answer each question with yes. Return the exit code and the lines on the screen."""
        for place, name in self._places:
            line = line.replace(name, place)
        done = type_line(line, cwd=self.lab.folder, env=self.lab.environ | _TERMINAL)
        assert KEY not in done.stdout, f"{line} shows the key."
        text = _COLOURS.sub("", done.stdout).replace("[y/n] ", "[y/n] y\n")
        for place, name in self._places:
            text = text.replace(place, name)
        for pattern, name in self._servers:
            text = pattern.sub(name, text)
        return done.returncode, [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []
