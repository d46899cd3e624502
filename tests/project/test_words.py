"""Tests that pages, messages and comments use plain English, without the banned expressions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each expression with its replacement.
BANNED = {
    r"nobody|somebody|anybody|everybody|whoever": "the actor: you, closte-bridge, Closte, WordPress, the shim",
    r"looks? (?:at|whether|into|through)|looked at": "read, check, inspect or sync",
    r"tells? (?:of|whether|that|who|what)|told (?:of|that|again)": "report, or return whether",
    r"says? (?:so|whether)|say which": "report, or show",
    r"takes? the key|took the key": "accept",
    r"leads? (?:here|elsewhere|nowhere)": "points to",
    r"mends?|mended": "fix",
    r"anew|likewise": "again, also",
    r"by (?:itself|themselves)": "automatically",
    r"(?:is|are) to be|shall": "must, will",
    r"came of|comes? true": "result",
    r"for good|no longer good": "permanently, expired",
    r"in charge": "owner",
    r"in step": "in sync",
    r"(?:is|are) ours|of ours": "managed",
    r"padlock": "valid HTTPS",
    r"sign of life": "heartbeat",
    r"stand-in": "mock plugin, sandbox, fake",
    r"wish(?:es)?": "request, pin",
    r"withheld|withholds?": "needs approval",
    r"at Closte": "on Closte",
}
EXPRESSIONS = {re.compile(rf"\b(?:{words})\b", re.IGNORECASE): better for words, better in BANNED.items()}
PROSE = [
    *REPOSITORY.glob("*.md"),
    *(path for path in (REPOSITORY / "docs").rglob("*.md") if "bn" not in path.parts),
    *(REPOSITORY / "ansible").rglob("*.md"),
]
PYTHON = [path for folder in ("closte_bridge", "ansible", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")]
TESTS = [path for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__)]
OTHER = [
    path
    for folder, pattern in (
        ("php-shim", "*.php"),
        ("closte_bridge", "*.php"),
        ("ansible", "*.yml"),
        ("ansible", "*.j2"),
    )
    for path in (REPOSITORY / folder).rglob(pattern)
]


def without_code(text: str) -> str:
    """Return prose without code blocks and text in backticks."""
    return re.sub(
        r"`[^`\n]*`", "", re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    )


def docstrings(tree: ast.Module) -> set[ast.expr]:
    """Return the nodes of all docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    firsts = [node.body[0] for node in ast.walk(tree) if isinstance(node, owners) and node.body]
    return {first.value for first in firsts if isinstance(first, ast.Expr)}


def python_texts(source: str, *, strings: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the comments and docstrings, and with `strings` those of more than one word, with their line numbers."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    tree = ast.parse(source)
    for node in ast.walk(tree) if strings else docstrings(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield from enumerate(node.value.splitlines(), node.lineno)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        # Tests also contain what they test against: odd answers, and texts of others.
        yield from python_texts(source, strings=path not in TESTS)
    else:
        yield from enumerate(without_code(source).splitlines(), 1)


def found_in(path: Path) -> list[str]:
    """Return each banned expression of a file, with its position and its replacement."""
    return [
        f'{path.relative_to(REPOSITORY)}:{number}: "{match[0]}": write {better}'
        for number, line in lines_of(path)
        if path.name != "schema.py"  # older ledgers contain the old words
        for expression, better in EXPRESSIONS.items()
        for match in expression.finditer(re.sub(r"`[^`]*`", "", line))
    ]


@pytest.mark.parametrize("path", [*PROSE, *PYTHON, *TESTS, *OTHER], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_text_is_plain(path: Path) -> None:
    assert found_in(path) == []


def test_search_sees_each_kind_of_text() -> None:
    code = '"""Tell of it."""\n# Nobody knows.\nTEXT = f"It is in charge of {1}."\nPATH = "in-step"\n'
    assert [number for number, line in python_texts(code) for found in EXPRESSIONS if found.search(line)] == [2, 1, 3]
    assert "in step" not in without_code("a `in step` b\n```\nin step\n```\n")
