"""What campaigns came to, as text and as the table in `docs/proof.md`."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections import Counter
from typing import TYPE_CHECKING

from tests.proof.campaign import Result
from tests.support.parts import REPOSITORY, is_mock_plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.proof.mutants import Mutant

PAGE = REPOSITORY / "docs" / "proof.md"
BEGIN, END = "<!-- results: script/proof --write -->", "<!-- end of results -->"
MUTANTS_BEGIN, MUTANTS_END = "<!-- mutants: python -m tests.proof.mutants --write -->", "<!-- end of mutants -->"


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
    """Append a result to a file, one line each."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(vars(result)) + "\n")


def kept(path: Path) -> list[Result]:
    """Return the results of a file, by seed."""
    found = [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(found, key=lambda result: result.seed)


def write_page(results: Sequence[Result]) -> None:
    """Put the results into the page, in the place of the earlier ones."""
    _write(BEGIN, _table(results), END)


def write_mutants(mutants: Mapping[str, Mutant], found: Mapping[str, Result], seconds: float) -> None:
    """Put the outcome of a hunt for mutants into the page, in the place of the earlier one."""
    caught = sum(1 for result in found.values() if result.broken)
    lines = [
        "",
        f"{_today()}, {_plugin()}, {_machine()}, {seconds / 60:.0f} minutes: {caught} of {len(found)} were caught.",
        "",
        "| rule | what was taken away | in the rounds | caught by |",
        "|---|---|---|---|",
    ]
    for name, result in found.items():
        mutant = mutants[name]
        rounds = ", ".join(sorted({fault.replace("_", " ") for fault in mutant.faults}))
        said = " ".join(result.broken[:120].split()).replace("|", "/") or "NOT CAUGHT"
        lines.append(f"| {mutant.rule} | {mutant.what} | {rounds} | {said}{'…' * (len(result.broken) > 120)} |")
    _write(MUTANTS_BEGIN, "\n".join([*lines, ""]), MUTANTS_END)


def _write(begin: str, text: str, end: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _plugin() -> str:
    return "the stand-in for Ultimate Multisite" if is_mock_plugin() else "the real Ultimate Multisite"


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} processors"


def _table(results: Sequence[Result]) -> str:
    seconds = sum(result.seconds for result in results)
    faults, story, figures = (_total(results, part) for part in ("faults", "story", "figures"))
    seeds = f"{results[0].seed} to {results[-1].seed}"
    held = sum(1 for result in results if not result.broken)
    ends = ", ".join(
        f"{key.removeprefix('exit ')} ({figures[key]} times)" for key in sorted(figures) if key[:5] == "exit "
    )
    left = sorted(key for key in figures if key.startswith("left to a person: "))
    lines = [
        "",
        f"{_today()}, {_plugin()}, {_machine()}, {seconds / 60:.0f} minutes.",
        "",
        "| what | how many |",
        "|---|---|",
        f"| seeds ({seeds}) | {len(results)} |",
        f"| of these, everything held | {held} |",
        f"| rounds | {sum(result.rounds for result in results)} |",
        f"| faults injected | {sum(faults.values())} |",
        f"| kinds of faults | {len(faults)} |",
        f"| commands run | {figures['engine runs']} |",
        f"| hours that passed in these worlds | {figures['hours']} |",
        f"| changes in WordPress | {sum(story.values())} |",
        f"| aliases added, removed at Closte | {figures['added at Closte']}, {figures['removed at Closte']} |",
        f"| events of the shim, all of which arrived | {figures['events']} |",
        f"| aliases that nobody wants and no ledger claims, each for a reason | {figures['left to a person']} |",
        *(f"| {key.removeprefix('left to a person: ')} | {figures[key]} |" for key in left),
        "",
        f"Exit codes: {ends}.",
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {kind} | {times} |" for kind, times in sorted(faults.items())),
        "",
    ]
    lines += [f"Seed {result.seed} broke: {result.broken}" for result in results if result.broken]
    return "\n".join(lines)
