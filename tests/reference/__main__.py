"""`python -m tests.reference --write` writes the generated files. Without `--write` it lists the outdated ones."""

from __future__ import annotations

import argparse
import sys

from tests.reference.files import outdated, write


def main() -> int:
    """List the outdated files, or write them with `--write`. Return 1 if files stay outdated."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("--write", action="store_true", help="Write the outdated files.")
    wanted = parser.parse_args().write
    names = outdated()
    if wanted:
        write(names)
    for name in names:
        sys.stdout.write(f"{'Wrote' if wanted else 'Outdated:'} {name}\n")
    return int(bool(names) and not wanted)


if __name__ == "__main__":
    sys.exit(main())
