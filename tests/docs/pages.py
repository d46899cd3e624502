"""Reads and rewrites the `console` blocks of a page.

Four kinds of HTML comments before a block direct it: `<!-- world: demo -->` starts a new lab (see `Session`),
`<!-- do: COMMAND -->` runs a command that the page does not show, and `<!-- not run: REASON -->` skips the block.
`<!-- from: PAGE -->` copies this block and the next ones from an English page (see `translations`).
A page without any world is not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ELISION = "…"
# Alone below a command: take the whole output at the next `--write`.
FILL_IN = "?"
# What differs from run to run, and what replaces it in a comparison.
VARYING = (
    (re.compile(r"(?m)^Cost: .*$"), "Cost: …"),
    (re.compile(r"\d+(\.\d+)? s\b"), "0 s"),
    (re.compile(r"\b\d+ min(utes?)?\b"), "0 min"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\+00:00)?)?"), "<time>"),
    (re.compile(r"--allow-removals=[0-9a-f]{12}"), "--allow-removals=<digest>"),
    (re.compile(r"(127\.0\.0\.1:|port: )\d+"), r"\1<port>"),
    (re.compile(r"process \d+"), "process <n>"),
    (re.compile(r"\b(\d+\.){3}\d+(-\w+)? (?=on PHP)|(?<=on PHP )(\d+\.)+\d+"), "<version>"),
    # The widths of columns follow from the rest.
    (re.compile(r"-{2,}"), "--"),
    (re.compile(r" {2,}"), " "),
)
_COMMENT = re.compile(r"^ *<!-- (world|do|not run|from): (.*?) -->$")
_FENCE = re.compile(r"^( *)```console$")
_EXIT_CODE = re.compile(r"# exit code (\d+)$")


@dataclass
class Step:
    """A command line and what the page shows below it."""

    command: str
    shown: list[str] = field(default_factory=list)
    prompt: str = "$"

    @property
    def exit_code(self) -> int:
        """The exit code that the page promises."""
        found = _EXIT_CODE.search(self.command)
        return int(found.group(1)) if found else 0


@dataclass
class Block:
    """A block: what directs it, its steps, and its lines in the page (without the fences)."""

    directions: list[tuple[str, str]]
    steps: list[Step]
    first: int
    end: int
    indent: str

    @property
    def not_run(self) -> str | None:
        """Why the block is not run."""
        return next((text for kind, text in self.directions if kind == "not run"), None)

    def lines(self) -> list[str]:
        """Return the block as the page has it."""
        plain = [line for step in self.steps for line in (f"{step.prompt} {step.command}", *step.shown)]
        return [(self.indent + line).rstrip() for line in plain]


@dataclass
class Page:
    """A page of the documentation."""

    path: Path
    text: list[str]
    blocks: list[Block]

    @property
    def name(self) -> str:
        """The path inside the repository, if it is there."""
        inside = self.path.is_relative_to(REPOSITORY)
        return str(self.path.relative_to(REPOSITORY) if inside else self.path)

    @property
    def runs(self) -> bool:
        """Whether the page says which world its commands run in."""
        return self._has("world")

    @property
    def translated(self) -> bool:
        """Whether the page says which English page its commands and outputs come from."""
        return self._has("from")

    def _has(self, kind: str) -> bool:
        return any(found == kind for block in self.blocks for found, _ in block.directions)

    def write(self) -> None:
        """Write the page with the outputs that its steps have now."""
        # From the end, so that earlier line numbers stay true.
        for block in reversed(self.blocks):
            if block.not_run is None:
                self.text[block.first : block.end] = block.lines()
        self.path.write_text("\n".join(self.text) + "\n", encoding="utf-8")


def read(path: Path) -> Page:
    """Read a page. Raises ValueError if a block cannot be run, or copied from another page, and does not say so."""
    text = path.read_text(encoding="utf-8").splitlines()
    kinds = {found[1] for line in text if (found := _COMMENT.match(line))}
    prompts = ("$ ",) if "world" in kinds else ("$ ", "# ")
    blocks: list[Block] = []
    directions: list[tuple[str, str]] = []
    number = 0
    while number < len(text):
        if comment := _COMMENT.match(text[number]):
            directions.append((comment[1], comment[2]))
        elif fence := _FENCE.match(text[number]):
            end = text.index(f"{fence[1]}```", number)
            block = Block(directions, [], number + 1, end, fence[1])
            lines = [line.removeprefix(fence[1]) for line in text[number + 1 : end]]
            written = block.not_run is None and bool(kinds & {"world", "from"})
            block.steps = _steps(lines, prompts if written else ("$ ", "# "), strict=written)
            blocks.append(block)
            directions = []
            number = end
        number += 1
    return Page(path, text, blocks)


def _steps(lines: Iterable[str], prompts: tuple[str, ...], *, strict: bool) -> list[Step]:
    """Return the steps of a block. A strict one has nothing before the first prompt, as it may be rewritten."""
    steps: list[Step] = []
    for line in lines:
        if line.startswith(prompts):
            steps.append(Step(line[2:], prompt=line[0]))
        elif steps:
            steps[-1].shown.append(line)
        elif strict:
            raise ValueError(f'A block begins with "{prompts[0]}", and not with "{line}".')
    return steps


def comparable(lines: list[str]) -> str:
    """Return lines without what differs from run to run."""
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, fixed in VARYING:
        text = pattern.sub(fixed, text)
    return text


def _cut(shown: list[str], real: list[str]) -> list[str]:
    """Return the real output, cut where the page cuts it."""
    if shown == [FILL_IN] or ELISION not in shown:
        return real
    at = shown.index(ELISION)
    tail = len(shown) - at - 1
    return [*real[:at], ELISION, *real[len(real) - tail :]]


def updated(shown: list[str], real: list[str]) -> list[str]:
    """Return what the page has to show: as it is if it is true, else the real output. Nothing shown stays nothing."""
    wanted = _cut(shown, real)
    return shown if not shown or comparable(shown) == comparable(wanted) else wanted


def every_page() -> list[Page]:
    """Return README and all pages of the documentation, in order."""
    return [read(path) for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))]
