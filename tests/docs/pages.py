"""Reader and writer for the `console` blocks of a page.

Four kinds of HTML comments before a block direct it: `<!-- world: demo -->` starts a new lab (see `Session`),
`<!-- do: COMMAND -->` runs a command that the page does not show, and `<!-- not run: REASON -->` skips the block.
`<!-- from: PAGE -->` copies this block and the next ones from an English page (see `translations`).
The commands of a page without a `world` comment do not run.
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
# This line alone below a command makes the next `--write` insert the whole output.
FILL_IN = "?"
# Patterns for text that differs between runs, with the replacement for a comparison.
VARYING = (
    (re.compile(r"(?m)^Cost: .*$"), "Cost: …"),
    (re.compile(r"\b\d+ (second|minute)s?\b"), "0 seconds"),
    (re.compile(r'(?<=this installation on ")[^"]+'), "<host>"),
    (re.compile(r"\d+(\.\d+)? s\b"), "0 s"),
    (re.compile(r"\b\d+ min(utes?)?\b"), "0 min"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\+00:00)?)?"), "<time>"),
    (re.compile(r"--allow-removals=[0-9a-f]{12}"), "--allow-removals=<digest>"),
    (re.compile(r"(127\.0\.0\.1:|port: )\d+"), r"\1<port>"),
    (re.compile(r"process \d+"), "process <n>"),
    (re.compile(r"\b(\d+\.){3}\d+(-\w+)? (?=on PHP)|(?<=on PHP )(\d+\.)+\d+"), "<version>"),
    # Column widths depend on the replaced text.
    (re.compile(r"-{2,}"), "--"),
    (re.compile(r" {2,}"), " "),
)
_COMMENT = re.compile(r"^ *<!-- (world|do|not run|from): (.*?) -->$")
_FENCE = re.compile(r"^( *)```console$")
_EXIT_CODE = re.compile(r"# exit code (\d+)$")


@dataclass
class Step:
    """A command line and the output that the page shows below it."""

    command: str
    shown: list[str] = field(default_factory=list)
    prompt: str = "$"

    @property
    def exit_code(self) -> int:
        """The exit code that the page states."""
        found = _EXIT_CODE.search(self.command)
        return int(found.group(1)) if found else 0


@dataclass
class Block:
    """A block: its directions, its steps, and its lines in the page (without the fences)."""

    directions: list[tuple[str, str]]
    steps: list[Step]
    first: int
    end: int
    indent: str

    @property
    def not_run(self) -> str | None:
        """The reason why the block is not run."""
        return next((text for kind, text in self.directions if kind == "not run"), None)

    def lines(self) -> list[str]:
        """Return the lines of the block for the page."""
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
        """The path relative to the repository, or the whole path for a page outside it."""
        inside = self.path.is_relative_to(REPOSITORY)
        return str(self.path.relative_to(REPOSITORY) if inside else self.path)

    @property
    def runs(self) -> bool:
        """Whether the page says in which world its commands run."""
        return self._has("world")

    @property
    def translated(self) -> bool:
        """Whether the page names the English page that its commands and outputs come from."""
        return self._has("from")

    def _has(self, kind: str) -> bool:
        return any(found == kind for block in self.blocks for found, _ in block.directions)

    def write(self) -> None:
        """Write the page with the current outputs of its steps."""
        # Replacing from the end keeps the earlier line numbers valid.
        for block in reversed(self.blocks):
            if block.not_run is None:
                self.text[block.first : block.end] = block.lines()
        self.path.write_text("\n".join(self.text) + "\n", encoding="utf-8")


def read(path: Path) -> Page:
    """Read a page. Raise ValueError if a block that is run or copied does not begin with a prompt."""
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
    """Return the steps of a block. If `strict`, raise ValueError for a line before the first prompt."""
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
    """Return the lines without the text that differs between runs."""
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, fixed in VARYING:
        text = pattern.sub(fixed, text)
    return text


def _cut(shown: list[str], real: list[str]) -> list[str]:
    """Return the real output, shortened where the page shortens it."""
    if shown == [FILL_IN] or ELISION not in shown:
        return real
    at = shown.index(ELISION)
    tail = len(shown) - at - 1
    return [*real[:at], ELISION, *real[len(real) - tail :]]


def updated(shown: list[str], real: list[str]) -> list[str]:
    """Return the lines that the page should show.

    Keep the shown lines if they are empty or still correct. Otherwise return the real output.
    """
    wanted = _cut(shown, real)
    return shown if not shown or comparable(shown) == comparable(wanted) else wanted


def every_page() -> list[Page]:
    """Return README and all pages of the documentation, in order."""
    return [read(path) for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))]
