"""Comparison of the `console` blocks of translated pages with the English pages, whose commands run.

A translation therefore needs no run of its own. `<!-- from: docs/tutorial.md -->` before a block names the English
page of this block and of all blocks below it, up to the next such comment. The commands come from that page, in its
order. A translation may omit commands, shorten an output with `…`, and translate the remark after a command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.docs.pages import read, updated
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.docs.pages import Block, Page, Step

_REMARK = re.compile(r"\s+# .*$")


def in_repository(name: str) -> Page:
    """Return the current page from the repository."""
    return read(REPOSITORY / name)


def follow(page: Page, source: Callable[[str], Page] = in_repository) -> list[str]:
    """Copy the outputs of the English pages into the steps of a translated page, and return the differences."""
    wrong = []
    name = ""
    rest: Iterator[Step] = iter(())
    for block in page.blocks:
        if found := _named(block):
            name, rest = found, _steps_of(source(found))
        for step in block.steps:
            if problem := _copy(step, rest):
                wrong.append(f"{page.name}: `{step.command}` {problem} {name or 'any page, as no comment names one'}\n")
    return wrong


def _named(block: Block) -> str | None:
    return next((text for kind, text in block.directions if kind == "from"), None)


def _steps_of(page: Page) -> Iterator[Step]:
    return (step for block in page.blocks for step in block.steps)


def _copy(step: Step, rest: Iterator[Step]) -> str | None:
    """Find a step in the rest of its source and copy its output. Return the problem, if any."""
    original = next((other for other in rest if _same(step, other)), None)
    if original is None:
        return "does not follow in"
    shown, step.shown = step.shown, updated(step.shown, original.shown)
    return "does not print what it prints in" if step.shown != shown else None


def _same(one: Step, other: Step) -> bool:
    def essence(step: Step) -> tuple[str, str, int]:
        return step.prompt, _REMARK.sub("", step.command), step.exit_code

    return essence(one) == essence(other)
