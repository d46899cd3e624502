"""Tests that every count in the messages uses the correct form of its noun."""

from __future__ import annotations

import re
from pathlib import Path

import closte_bridge
from closte_bridge.counts import counted

SOURCES = sorted(Path(closte_bridge.__file__).parent.rglob("*.py"))
NOUNS = (
    "aliases|answers|attempts|bytes|changes|checks|days|domains|entries|events|files|hours|lines|mappings|minutes|"
    "names|networks|records|removals|requests|rows|runs|seconds|servers|sites|snapshots|stages|times|tries"
)
# A value in an f-string directly before a plural noun, or an "s" that the code appends.
GLUED = re.compile(rf"""\}} (?:more )?(?:{NOUNS})\b|(?:''|"") if [^\n}}]* == 1 else|["']s["'] (?:if|\*)""")
# Exceptions: the number is never one, or the noun does not belong to a count.
MEANT = {
    "times in a row",  # at least five
    "checks passed",  # of all checks
    "domains {several}",  # one domain has another sentence
    "networks.",  # one has another sentence too
}


def test_noun_is_singular_for_one_only() -> None:
    assert (counted(1, "name"), counted(0, "name"), counted(2, "name")) == ("1 name", "0 names", "2 names")
    assert (counted(1, "entry", "entries"), counted(3, "entry", "entries")) == ("1 entry", "3 entries")


def test_every_count_uses_the_helper() -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in SOURCES
        if path.name != "counts.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if GLUED.search(line) and not any(words in line for words in MEANT)
    ]
    assert found == []
