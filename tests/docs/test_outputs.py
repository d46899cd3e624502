"""Tests that the commands in the documentation run and print the shown outputs."""

from __future__ import annotations

import fcntl
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import Page, comparable, every_page, read, updated
from tests.docs.session import Session
from tests.support.lab import MAIN_DOMAIN, build_network
from tests.support.wordpress import Multisite, sqlite_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts

PAGES = every_page()
RUN = [page for page in PAGES if page.runs]
# The limit for untested blocks: services, logins on other machines, and an installation as root.
MOST_NOT_RUN = 22
USER_PAGES = ("README", "docs/bn/", "docs/tutorial", "docs/how-to/", "docs/trouble")


@pytest.fixture(scope="session")
def template(shared_folder: Path, parts: Parts) -> Multisite:
    """Build the network of the demo once per session, in the first worker."""
    folder = shared_folder / "docs-template"
    with (shared_folder / "docs-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shared_folder / "docs-template.done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build_network(folder)
            done.touch()
    path = folder / "wordpress"
    return Multisite(path, folder / "wordpress-home", parts, sqlite_database(path), MAIN_DOMAIN)


@pytest.mark.real
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_outputs_are_real(page: Page, template: Multisite, tmp_path: Path) -> None:
    with Session(template, tmp_path) as session:
        wrong = session.run(page)
    assert not wrong, "\n".join([*wrong, "Rewrite the outputs with `python -m tests.docs --write`."])


def test_user_pages_run_or_say_why_not() -> None:
    user = [page for page in PAGES if page.name.startswith(USER_PAGES)]
    still = [page for page in user if not page.runs and not page.translated]
    assert [page.name for page in still if any(block.not_run is None for block in page.blocks)] == []
    not_run = [block.not_run for page in user for block in page.blocks if block.not_run is not None]
    assert all(not_run)
    assert len(not_run) <= MOST_NOT_RUN


def test_a_block_has_directions_steps_and_exit_codes(tmp_path: Path) -> None:
    text = "<!-- world: demo -->\n<!-- do: true -->\n\n"
    text += "  ```console\n  $ one   # exit code 3\n  said\n  $ two\n  ```\nend\n"
    (tmp_path / "page.md").write_text(text)
    page = read(tmp_path / "page.md")
    (block,) = page.blocks
    assert block.directions == [("world", "demo"), ("do", "true")]
    assert [(step.exit_code, step.shown) for step in block.steps] == [(3, ["said"]), (0, [])]
    page.write()
    assert (tmp_path / "page.md").read_text() == text
    block.steps[0].shown = ["said", "more"]
    page.write()
    assert "  said\n  more\n  $ two\n" in (tmp_path / "page.md").read_text()


def test_a_block_that_runs_begins_with_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- world: demo -->\n```console\n# as root\n```\n")
    with pytest.raises(ValueError, match="as root"):
        read(tmp_path / "page.md")
    (tmp_path / "page.md").write_text("<!-- not run: root -->\n```console\n# as root\n```\n")
    assert read(tmp_path / "page.md").blocks[0].not_run == "root"


@pytest.mark.parametrize(
    ("shown", "real", "wanted"),
    [
        ([], ["said"], []),
        (["?"], ["one", "two"], ["one", "two"]),
        (["1.50 s"], ["0.02 s"], ["1.50 s"]),
        (["old"], ["new"], ["new"]),
        (["one", "…", "four"], ["one", "two", "three", "four"], ["one", "…", "four"]),
        (["one", "…", "four"], ["one", "two", "three", "five"], ["one", "…", "five"]),
        (["…"], ["one", "two"], ["…"]),
    ],
)
def test_an_output_changes_only_if_it_is_not_true(shown: list[str], real: list[str], wanted: list[str]) -> None:
    assert updated(shown, real) == wanted


def test_times_and_places_do_not_count() -> None:
    one = "until 2026-12-01T07:19:01+00:00, http://127.0.0.1:1234, planning 0.012 s, --allow-removals=8e25b4dc7a5a"
    two = "until 2027-01-02T07:19:01+00:00, http://127.0.0.1:99, planning 1.100 s, --allow-removals=0e25b4dc7a5b"
    assert comparable([one]) == comparable([two])
    assert comparable([one]) != comparable([two.replace("planning", "plan")])
