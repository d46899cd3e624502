"""Paths of the real parts that tests run with: PHP, WordPress core, WP-CLI and the SQLite driver.

`script/setup` puts them into `.cache/wp-files` of the repository. The environment variable `CLOSTE_BRIDGE_PARTS` can
name a copy with the same layout.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MOCK_PLUGIN = REPOSITORY / "tests" / "mock_plugin" / "ultimate-multisite"


class MissingPartError(Exception):
    """A real part that the tests need is missing; the message says how to get it."""


@dataclass(frozen=True)
class Parts:
    """Absolute paths of the real parts. All of them exist."""

    php: str
    wordpress: Path
    wp_cli: Path
    sqlite_driver: Path


def find_program(name: str) -> str:
    """Return the absolute path of a program; the search includes the administrator's folders.

    Raises `MissingPartError` if the program is missing.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=search)
    if found is None:
        raise MissingPartError(f'The program "{name}" is missing: run script/setup.')
    return found


def find_parts() -> Parts:
    """Return the real parts. Raises `MissingPartError` if one of them is missing."""
    base = Path(os.environ.get("CLOSTE_BRIDGE_PARTS") or REPOSITORY / ".cache" / "wp-files").resolve()
    parts = Parts(
        php=find_program("php"),
        wordpress=base / "latest" / "wordpress",
        wp_cli=base / "wp-cli" / "unpacked" / "vendor" / "wp-cli" / "wp-cli" / "php" / "boot-fs.php",
        sqlite_driver=base / "sqlite-database-integration",
    )
    needed = (parts.wordpress / "wp-settings.php", parts.wp_cli, parts.sqlite_driver / "db.copy")
    for path in needed:
        if not path.is_file():
            raise MissingPartError(f'The file "{path}" is missing: run script/setup.')
    return parts


def plugin_folder() -> Path:
    """Return the folder of Ultimate Multisite: `ULTIMATE_MULTISITE_DIR`, else the mock plugin."""
    real = os.environ.get("ULTIMATE_MULTISITE_DIR")
    folder = Path(real).resolve() if real else MOCK_PLUGIN
    if not (folder / "ultimate-multisite.php").is_file():
        raise MissingPartError(f'There is no Ultimate Multisite in "{folder}".')
    return folder


def is_mock_plugin() -> bool:
    """Return whether the tests use the mock plugin instead of the real one."""
    return not os.environ.get("ULTIMATE_MULTISITE_DIR")
