"""The generated files of the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.commands.completion import completion_script
from closte_bridge.cli.manual import man_page
from tests.reference.page import reference
from tests.support.parts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable


def contents() -> dict[str, str]:
    """Return the content of each file, by its path in the repository."""
    return {
        "docs/reference.md": reference(),
        "share/man/man1/closte-bridge.1": man_page(),
        "share/bash-completion/completions/closte-bridge": completion_script("bash") + "\n",
        "share/zsh/site-functions/_closte-bridge": completion_script("zsh") + "\n",
        "share/fish/vendor_completions.d/closte-bridge.fish": completion_script("fish") + "\n",
    }


def outdated() -> list[str]:
    """Return the paths of the files that differ from what the program generates."""
    return [name for name, text in contents().items() if _read(name) != text]


def write(names: Iterable[str]) -> None:
    """Write the files with these paths."""
    made = contents()
    for name in names:
        path = REPOSITORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[name], encoding="utf-8")


def _read(name: str) -> str | None:
    path = REPOSITORY / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
