"""Tests that the generated parts of `docs/proof.md` and `tests/proof/README.md` exist and are replaced in place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.proof import report
from tests.proof.campaign import Result
from tests.proof.mutants import MUTANTS

if TYPE_CHECKING:
    from pathlib import Path


def result(broken: str = "") -> Result:
    """Return the result of one seed, with figures that no real run produces."""
    figures = Counter({"exit 0": 77_001, "engine runs": 77_002, "left to a person: because": 77_003})
    return Result(5, 77_004, 60.0, Counter({"Closte: drip": 77_005}), Counter(), figures, broken)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Copy both pages, redirect the writers to the copies, and return the copies."""
    page, details = tmp_path / "proof.md", tmp_path / "README.md"
    page.write_bytes(report.PAGE.read_bytes())
    details.write_bytes(report.DETAILS.read_bytes())
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "DETAILS", details)
    return page, details


def without(text: str, marks: tuple[str, str]) -> str:
    before, _, rest = text.partition(marks[0])
    return before + rest.partition(marks[1])[2]


def test_results_replace_the_earlier_ones(pages: tuple[Path, Path]) -> None:
    page, details = (path.read_text(encoding="utf-8") for path in pages)
    report.write_page([result()])
    written, counted = (path.read_text(encoding="utf-8") for path in pages)
    assert without(written, report.RESULTS) == without(page, report.RESULTS)
    assert without(counted, report.FAULTS) == without(details, report.FAULTS)
    for line in ("| seeds (5 to 5) | 1 |", "| rounds | 77004 |", "| commands run | 77002 |", "| because | 77003 |"):
        assert written.count(line) == 1, line
    assert "Exit codes: 0 (77001 times)." in written
    assert "| Closte: drip | 77005 |" in counted
    report.write_page([result()])
    assert [path.read_text(encoding="utf-8") for path in pages] == [written, counted]


def test_mutants_replace_the_earlier_ones(pages: tuple[Path, Path]) -> None:
    page, details = (path.read_text(encoding="utf-8") for path in pages)
    first, second, *_ = MUTANTS
    report.write_mutants(MUTANTS, {first: result("Something broke."), second: result()}, 60.0)
    written, counted = (path.read_text(encoding="utf-8") for path in pages)
    assert without(written, report.MUTANTS) == without(page, report.MUTANTS)
    assert without(counted, report.MUTANTS) == without(details, report.MUTANTS)
    assert "1 of 2 were caught." in written
    assert f"| {MUTANTS[first].what} |" in counted
    assert counted.count("| Something broke. |") == 1
    assert counted.count("| NOT CAUGHT |") == 1


def test_page_without_its_markers_is_an_error(pages: tuple[Path, Path]) -> None:
    page, _ = pages
    text = page.read_text(encoding="utf-8").replace(report.RESULTS[1], "")
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="end of results"):
        report.write_page([result()])
    assert page.read_text(encoding="utf-8") == text
