"""Ansible's report of a fleet: text from a host stays text."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from tests.support.parts import REPOSITORY

_OPS = REPOSITORY / "ansible" / "ops"
_PAGE = _OPS / "playbooks" / "templates" / "report.html.j2"
POISON = [
    '"><script>x</script>',
    "'><img src=x onerror=x>",
    "</title></svg><b>",
    "{{ 7 * 7 }}",
    "a\x1b[2J\r\n\u202eb\x9b",
]


def fleet() -> Any:  # noqa: ANN401 - a module without a package
    """Return the filter module as Ansible loads it."""
    spec = importlib.util.spec_from_file_location("fleet", _OPS / "plugins" / "filter" / "fleet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(word: str) -> dict[str, Any]:
    """Return all kinds of answers from a host, with `word` in every place."""
    problem = {"message": word, "hint": word}
    row = {"domain": word, "change": "add", "status": "planned", "reason": word}
    odd = {"domain": word, "change": word, "status": word, "reason": word}
    topic = {"errors": [problem], "warnings": [problem], "exit_code": 1, "data": [row, odd]}
    return {
        f"a{word}": {"networks": {word: {"plan": topic}}},
        f"b{word}": {"networks": {word: {}}, "problems": {word: word}},
        f"c{word}": {"failed": True, "msg": word},
        f"d{word}": {"networks": {word: {"plan": {**topic, "exit_code": 0}}}},
    }


class Shape(HTMLParser):
    """A parser that keeps the elements of a page and the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep one element."""
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


def page(word: str) -> Shape:
    """Render the page as Ansible does, without automatic escaping."""
    environment = jinja2.Environment(trim_blocks=True, extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - as in Ansible
    rows = fleet().fleet(answers(word))
    template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    text = template.render(closte_bridge_rows=rows, closte_bridge_topic="plan", closte_bridge_moment="now")
    # The page loads and runs nothing.
    assert not re.search(r"<script|javascript:|https?://|<link|@import|onload=", text)
    shape = Shape()
    shape.feed(text)
    return shape


@pytest.mark.parametrize("word", POISON[:-1])
def test_every_text_from_a_host_is_escaped(word: str) -> None:
    plain, poisoned = page("x"), page(word)
    assert len(plain.found) > 30
    assert poisoned.found == plain.found
    assert word in poisoned.text


@pytest.mark.parametrize("word", POISON)
def test_terminal_table_contains_printable_text_only(word: str) -> None:
    module = fleet()
    lines = module.fleet_table(module.fleet(answers(word)))
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
