"""Command `script/proof [--seed N] [--seeds K] [--minutes M] [--rounds R] [--write]`: fault injection with counts."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.proof.campaign import Result, campaign
from tests.proof.report import keep, kept, summary, write_page
from tests.support.parts import find_parts
from tests.support.wordpress import build_template, sqlite_database


def main() -> int:
    """Run one seed after another until the seeds or the time are used up; return 1 if an invariant broke."""
    options = _options()
    began = time.monotonic()
    until = began + options.minutes * 60
    results: list[Result] = []
    # The path of the DNS server's control socket must be short.
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        folder = Path(name)
        template = build_template(folder / "template", find_parts(), sqlite_database(folder / "template"))
        seed = options.seed
        while time.monotonic() < until and (options.seeds is None or len(results) < options.seeds):
            result = campaign(
                folder / str(seed),
                template,
                seed,
                rounds=options.rounds,
                until=until,
                mappings=options.mappings,
                say=_say,
            )
            results.append(result)
            if options.keep:
                keep(options.keep, result)
            held = f"BROKEN: {result.broken}" if result.broken else "everything held"
            took = f"{result.rounds} rounds in {result.seconds:.0f} s, the slowest command {result.slowest:.1f} s"
            _say(f"seed {seed}: {took}, {held}")
            seed += 1
    if options.keep:
        results = kept(options.keep)
    sys.stdout.write(summary(results) + "\n")
    if options.write:
        write_page(results)
    broken = [result.seed for result in results if result.broken]
    if broken:
        _say(f"Not everything held. Run it again with: script/proof --seed {broken[0]} --seeds 1")
    return 1 if broken or not results else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/proof", description="Try to break the engine, and count.")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--seeds", type=int, help="so many seeds, one after another (default: while there is time)")
    parser.add_argument("--minutes", type=float, default=15, help="no round begins after so many minutes (default: 15)")
    parser.add_argument("--rounds", type=int, help="rounds for each seed (default: each fault once)")
    parser.add_argument("--mappings", type=int, default=300, help="mappings to begin with (default: 300)")
    parser.add_argument("--keep", type=Path, help="a file that keeps what each seed came to; all of it is reported")
    parser.add_argument("--write", action="store_true", help="write the results into docs/proof.md and README.md")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
