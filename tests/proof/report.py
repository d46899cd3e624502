"""Reports of fault injection: as text, and as the generated parts of `docs/proof.md` and `tests/proof/README.md`."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections import Counter
from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from tests.proof.campaign import Result
from tests.support.parts import REPOSITORY, is_mock_plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.proof.mutants import Mutant

PAGE = REPOSITORY / "docs" / "proof.md"
DETAILS = REPOSITORY / "tests" / "proof" / "README.md"
RESULTS = "<!-- results: script/proof --write -->", "<!-- end of results -->"
FAULTS = "<!-- faults: script/proof --write -->", "<!-- end of faults -->"
MUTANTS = "<!-- mutants: python -m tests.proof.mutants --write -->", "<!-- end of mutants -->"


def _total(results: Sequence[Result], part: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for result in results:
        total.update(getattr(result, part))
    return total


def summary(results: Sequence[Result]) -> str:
    """Return the counts as lines of text."""
    faults, story, figures = (_total(results, part) for part in ("faults", "story", "figures"))
    lines = ["Faults injected:"]
    lines += [f"  {times:6}  {kind}" for kind, times in sorted(faults.items())]
    lines += [f"  {sum(faults.values()):6}  in all, of {len(faults)} kinds", "What happened in WordPress:"]
    lines += [f"  {times:6}  {kind}" for kind, times in sorted(story.items())]
    lines.append("What came of it:")
    lines += [f"  {times:6}  {kind}" for kind, times in sorted(figures.items())]
    held = sum(1 for result in results if not result.broken)
    lines.append(f"Seeds: {len(results)}, held: {held}. Rounds: {sum(r.rounds for r in results)}.")
    lines += [f"Seed {result.seed} broke: {result.broken}" for result in results if result.broken]
    return "\n".join(lines)


def keep(path: Path, result: Result) -> None:
    """Append a result to a file with one result per line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(vars(result)) + "\n")


def kept(path: Path) -> list[Result]:
    """Return the results in a file, sorted by seed."""
    found = [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(found, key=lambda result: result.seed)


def write_page(results: Sequence[Result]) -> None:
    """Update the results in `docs/proof.md` and the counts of faults in `tests/proof/README.md`."""
    _write(PAGE, RESULTS, _table(results))
    _write(DETAILS, FAULTS, _fault_table(results))


def write_mutants(mutants: Mapping[str, Mutant], found: Mapping[str, Result], seconds: float) -> None:
    """Update the table of mutants in `tests/proof/README.md` and its summary in `docs/proof.md`."""
    caught = sum(1 for result in found.values() if result.broken)
    outcome = f"{caught} of {len(found)} were caught."
    lines = [
        "",
        f"{_today()}, {_plugin()}, {_machine()}, {seconds / 60:.0f} minutes: {outcome}",
        "",
        "| rule | what was taken away | in the rounds | caught by |",
        "|---|---|---|---|",
    ]
    for name, result in found.items():
        mutant = mutants[name]
        rounds = ", ".join(sorted({fault.replace("_", " ") for fault in mutant.faults}))
        said = " ".join(result.broken[:120].split()).replace("|", "/") or "NOT CAUGHT"
        lines.append(f"| {mutant.rule} | {mutant.what} | {rounds} | {said}{'…' * (len(result.broken) > 120)} |")
    _write(DETAILS, MUTANTS, "\n".join([*lines, ""]))
    _write(PAGE, MUTANTS, f"\nMutants, {_today()}: {outcome}\n")


def _write(path: Path, marks: tuple[str, str], text: str) -> None:
    """Replace the text between two markers. Raises ValueError if the page lacks one of them."""
    begin, end = marks
    before, begins, rest = path.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f'{path} has no "{begin if not begins else end}".')
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _plugin() -> str:
    return "the mock plugin" if is_mock_plugin() else "the real Ultimate Multisite"


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} processors"


def _table(results: Sequence[Result]) -> str:
    seconds = sum(result.seconds for result in results)
    faults, story, figures = (_total(results, part) for part in ("faults", "story", "figures"))
    held = sum(1 for result in results if not result.broken)
    ends = ", ".join(
        f"{key.removeprefix('exit ')} ({counted(figures[key], 'time')})"
        for key in sorted(figures)
        if key[:5] == "exit "
    )
    left = sorted(key for key in figures if key.startswith("left to a person: "))
    lines = [
        "",
        f"{_today()}, {_plugin()}, {_machine()}, {seconds / 60:.0f} minutes.",
        "",
        "| what | count |",
        "|---|---|",
        f"| seeds ({results[0].seed} to {results[-1].seed}) | {len(results)} |",
        f"| seeds in which every invariant held | {held} |",
        f"| rounds | {sum(result.rounds for result in results)} |",
        f"| faults injected | {sum(faults.values())} |",
        f"| kinds of faults | {len(faults)} |",
        f"| commands run | {figures['engine runs']} |",
        f"| simulated hours | {figures['hours']} |",
        f"| changes in WordPress | {sum(story.values())} |",
        f"| aliases added on Closte | {figures['added at Closte']} |",
        f"| aliases removed from Closte | {figures['removed at Closte']} |",
        f"| events of the shim, all received | {figures['events']} |",
        f"| unneeded, unmanaged aliases at the end, each explained | {figures['left to a person']} |",
        *(f"| {key.removeprefix('left to a person: ')} | {figures[key]} |" for key in left),
        "",
        f"Exit codes: {ends}.",
        "",
    ]
    lines += [f"Seed {result.seed} broke: {result.broken}" for result in results if result.broken]
    return "\n".join(lines)


def _fault_table(results: Sequence[Result]) -> str:
    faults = _total(results, "faults")
    rows = (f"| {kind} | {times} |" for kind, times in sorted(faults.items()))
    return "\n".join(["", "| fault | times |", "|---|---|", *rows, ""])
