"""What campaigns came to, as text and as the table in `docs/proof.md`."""

from __future__ import annotations

import datetime
import os
import platform
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.parts import REPOSITORY, is_stand_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.proof.campaign import Result

PAGE = REPOSITORY / "docs" / "proof.md"
BEGIN, END = "<!-- results: script/proof --write -->", "<!-- end of results -->"


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


def write_page(results: Sequence[Result], seconds: float) -> None:
    """Put the results into the page, in the place of the earlier ones."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{_table(results, seconds)}\n{END}{after}", encoding="utf-8")


def _table(results: Sequence[Result], seconds: float) -> str:
    faults, story, figures = (_total(results, part) for part in ("faults", "story", "figures"))
    plugin = "the stand-in for Ultimate Multisite" if is_stand_in() else "the real Ultimate Multisite"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    seeds = f"{results[0].seed} to {results[-1].seed}"
    held = sum(1 for result in results if not result.broken)
    ends = ", ".join(
        f"{key.removeprefix('exit ')} ({figures[key]} times)" for key in sorted(figures) if key[:5] == "exit "
    )
    machine = f"Python {platform.python_version()}, {os.cpu_count()} processors"
    lines = [
        "",
        f"{today}, {plugin}, {machine}, {seconds / 60:.0f} minutes.",
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
        f"| aliases that nobody wants and no ledger claims | {figures['left to a person']} |",
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
