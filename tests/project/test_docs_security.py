"""Tests that every test exists that the pages on security, proof and architecture name."""

from __future__ import annotations

import re

import pytest

from tests.support.parts import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
_FEWEST = 40
_FEWEST_FINDINGS = 138


def missing(page: str) -> list[str]:
    """Return the missing tests that a page names: `tests/file.py`, or `tests/file.py::test_name`."""
    lost = []
    for file, name in re.findall(r"`(tests/[\w./-]+?\.(?:py|php))(?:::(\w+))?`", page):
        path = REPOSITORY / file
        if not path.is_file() or (name and not re.search(rf"def {name}\(", path.read_text(encoding="utf-8"))):
            lost.append(f"{file}::{name}")
    return lost


@pytest.mark.parametrize(
    "name",
    ["docs/security.md", "docs/proof.md", "docs/architecture.md", "docs/how-it-works.md", "tests/proof/README.md"],
)
def test_every_named_test_exists(name: str) -> None:
    page = (REPOSITORY / name).read_text(encoding="utf-8")
    assert missing(page) == []
    everywhere = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert sorted(one for one in named if f"def {one}(" not in everywhere) == []


def test_each_finding_names_a_test() -> None:
    findings = (REPOSITORY / "tests" / "proof" / "README.md").read_text(encoding="utf-8").partition("## Findings")[2]
    rows = [
        line for line in findings.splitlines() if line.startswith("|") and not line.startswith(("|---", "| finding"))
    ]
    assert len(rows) >= _FEWEST_FINDINGS
    assert [row for row in rows if "`tests/" not in row] == []


def test_security_page_names_many_tests() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(re.findall(r"`tests/[\w./-]+::test_\w+`", page)) >= _FEWEST


def test_each_threat_names_a_test() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|") and not line.startswith(("|---", "| threat"))]
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row] == []


@pytest.mark.parametrize("named", ["`tests/no/file.py`", "`tests/security/test_files.py::test_nothing_of_that_name`"])
def test_missing_test_is_detected(named: str) -> None:
    assert len(missing(named)) == 1
