"""`python -m tests.languages --write` updates the translations from the sources. Without it, lists outdated files."""

from __future__ import annotations

import argparse
import sys

from tests.languages.files import LANGUAGES, outdated


def main() -> int:
    """List the outdated files, or write them with `--write`. Return 1 if files stay outdated."""
    parser = argparse.ArgumentParser(prog="python -m tests.languages", description=__doc__)
    parser.add_argument("--write", action="store_true", help="Write the outdated files.")
    wanted = parser.parse_args().write
    files = outdated()
    for name, text in files.items():
        if wanted:
            (LANGUAGES / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{'Wrote' if wanted else 'Outdated:'} {name}\n")
    return int(bool(files) and not wanted)


if __name__ == "__main__":
    sys.exit(main())
