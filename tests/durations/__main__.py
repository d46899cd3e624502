"""`python -m tests.durations [--write] [FILE]`: print, or write into docs/test-durations.md, the durations of a run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.durations.record import PAGE
from tests.support.parts import REPOSITORY

RECORDED = REPOSITORY / ".cache" / "durations.json"
TESTS = 30
# Shorter files are not listed: their order does not matter.
SHORTEST = 3
TEXT = """# Test durations

`script/test` took {minutes} minutes for {tests} tests on {cores} cores with {workers} workers. It starts the files in
the order of this page, so that no worker is left with a long one at the end.

This page is generated. To update it after a change of the tests:

```console
$ script/test
$ .venv/bin/python -m tests.durations --write
```

## Slowest tests

| test | seconds |
|---|---|
{slowest}

## Files

Only files of at least {shortest} seconds are listed.

| file | seconds |
|---|---|
{files}
"""


def page(run: dict[str, Any]) -> str:
    """Return the page for the recorded durations of a run."""
    seconds: dict[str, float] = run["tests"]
    files: defaultdict[str, float] = defaultdict(float)
    for test, taken in seconds.items():
        files[test.partition("::")[0]] += taken
    slowest = sorted(seconds.items(), key=lambda pair: -pair[1])[:TESTS]
    listed = sorted(((name, taken) for name, taken in files.items() if taken >= SHORTEST), key=lambda pair: -pair[1])
    return TEXT.format(
        minutes=f"{run['seconds'] / 60:.0f}",
        tests=f"{run['ran']:,}" if run["ran"] == run["collected"] else f"{run['ran']:,} of {run['collected']:,}",
        cores=os.cpu_count(),
        workers=run["workers"],
        shortest=SHORTEST,
        slowest="\n".join(f"| `{test.replace('|', '/')}` | {taken:.1f} |" for test, taken in slowest),
        files="\n".join(f"| `{name}` | {taken:.0f} |" for name, taken in listed),
    )


def main() -> int:
    """Print or write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.durations", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page instead of printing it")
    parser.add_argument("file", nargs="?", type=Path, default=RECORDED, help="durations that script/test recorded")
    options = parser.parse_args()
    text = page(json.loads(options.file.read_text()))
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
