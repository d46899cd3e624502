"""Hints of errors: each place that creates an error gives a hint."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = {"BridgeError", "ConfigError", "ReadOnlyError", "UnreadableError"}
# The user has nothing to do.
WITHOUT = {"rebind"}


def without_a_hint() -> Iterator[str]:
    for path in sorted((REPOSITORY / "closte_bridge").rglob("*.py")):
        made = ERRORS | ({"Problem"} if path.parent.name != "config" else set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in made):
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            hint, code = given.get("hint"), given.get("code")
            if None in given:  # unpacked arguments are not visible here
                continue
            if isinstance(code, ast.Constant) and code.value in WITHOUT:
                continue
            if hint is None or (isinstance(hint, ast.Constant) and not hint.value):
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}"


def test_each_error_has_a_hint() -> None:
    assert list(without_a_hint()) == []
