"""Tests that translated pages show the commands and outputs of the English pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import Page, every_page, read
from tests.docs.translations import follow
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

TRANSLATED = [page for page in every_page() if page.translated]
ENGLISH = """<!-- world: demo -->
```console
$ one   # exit code 3
said
more
$ two   # remark
Cost: 1
```
<!-- not run: root -->
```console
# three
$ one
again
```
"""


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_outputs_are_those_of_the_english_pages(page: Page) -> None:
    wrong = follow(page)
    assert not wrong, "\n".join([*wrong, "Refresh the outputs with `python -m tests.docs --write PAGE`."])


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_other_blocks_are_those_of_the_english_pages(page: Page) -> None:
    """Translated pages copy units, cron lines and similar blocks unchanged."""
    named = re.findall(r"`(README\.md|docs/[\w/-]+\.md)`|\]\(\.\./([\w/-]+\.md)\)", "\n".join(page.text))
    english = [REPOSITORY / (path or f"docs/{linked}") for path, linked in named]
    there = {block for path in english for block in fenced(path.read_text(encoding="utf-8"))}
    assert [block for block in fenced("\n".join(page.text)) if block not in there] == []


def fenced(text: str) -> list[str]:
    """Return the fenced blocks that are YAML or have no language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in blocks if language in {"", "yaml"}]


def translated(folder: Path, text: str) -> tuple[Page, list[str]]:
    """Check a page that begins with `text` and copies from `ENGLISH`. Return the page and its differences."""
    (folder / "english.md").write_text(ENGLISH)
    (folder / "page.md").write_text(f"<!-- from: english.md -->\n```console\n{text}```\n")
    page = read(folder / "page.md")
    return page, follow(page, lambda name: read(folder / name))


@pytest.mark.parametrize(
    "text",
    [
        "$ one   # exit code 3\nsaid\nmore\n$ two   # অন্য\nCost: 2\n# three\n",
        "$ one   # exit code 3\n…\n$ two\n",
        "# three\n$ one\nagain\n",
    ],
)
def test_a_translation_cuts_and_leaves_out(tmp_path: Path, text: str) -> None:
    page, wrong = translated(tmp_path, text)
    assert wrong == []
    page.write()
    assert text in (tmp_path / "page.md").read_text()


def test_another_output_is_found_and_rewritten(tmp_path: Path) -> None:
    page, wrong = translated(tmp_path, "$ one   # exit code 3\nsaid\n$ two   # remark\n?\n")
    assert len(wrong) == 2
    page.write()
    assert "$ one   # exit code 3\nsaid\nmore\n$ two   # remark\nCost: 1\n```" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize("text", ["$ one   # exit code 4\n", "# two\n", "$ two\n$ one   # exit code 3\n", "$ four\n"])
def test_a_command_that_does_not_follow_is_found(tmp_path: Path, text: str) -> None:
    _, wrong = translated(tmp_path, text)
    assert len(wrong) == 1
    assert "does not follow in english.md" in wrong[0]


def test_a_block_without_a_source_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```console\n$ one\n```\n")
    (wrong,) = follow(read(tmp_path / "page.md"))
    assert "no comment names one" in wrong
