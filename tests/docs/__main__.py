"""`python -m tests.docs [--write] [PAGE ...]`: compare the outputs in the documentation, or rewrite them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.docs.pages import Page, every_page
from tests.docs.session import Session
from tests.docs.translations import follow
from tests.support.lab import build_network
from tests.support.wordpress import keep_compiled


def main() -> int:
    """Run the pages and print the differences. Return 1 if a page differed, even if `--write` has corrected it."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the real outputs into the pages")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="pages, such as docs/tutorial.md; default: all")
    options = parser.parse_args()
    wanted = {Path(name).resolve() for name in options.pages}
    pages = every_page()
    run = [page for page in pages if page.runs and (not wanted or page.path in wanted)]
    wrong = run_all(run, write=options.write) if run else []
    # Translations come last, because they copy the English outputs. They run no command, so all are checked.
    for page in (page for page in pages if page.translated):
        found = follow(page)
        report(page, found, write=options.write)
        wrong += found
    return 1 if wrong else 0


def run_all(pages: list[Page], *, write: bool) -> list[str]:
    """Run each page in labs of its own, and return the differences."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="closte-bridge-docs.") as folder:
        keep_compiled(Path(folder) / "php")
        (Path(folder) / "template").mkdir()
        template = build_network(Path(folder) / "template")
        for page in pages:
            with Session(template, Path(folder) / page.name.replace("/", "-")) as session:
                found = session.run(page)
            report(page, found, write=write)
            wrong += found
    return wrong


def report(page: Page, found: list[str], *, write: bool) -> None:
    """Print the differences of a page. With `write`, also rewrite the page."""
    sys.stdout.write(f"{page.name}: {len(found)} differences\n" + "".join(found))
    sys.stdout.flush()
    if write and found:
        page.write()


if __name__ == "__main__":
    sys.exit(main())
