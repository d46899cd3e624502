"""Problems of a config file, with their lines."""

from __future__ import annotations

import re
from shlex import quote
from typing import NamedTuple, TypeAlias

from closte_bridge.errors import ConfigError

Path: TypeAlias = tuple[str | int, ...]
"""The place of a value: its keys and its indices, from 0."""

Location: TypeAlias = dict[Path, int]
"""The line, from 1, of each key and each item."""

_MAX_KEY = 60


class ConfigProblem(NamedTuple):
    """A problem: its line, and a sentence without any value of the file."""

    line: int
    message: str


Problems: TypeAlias = list[ConfigProblem]


class InvalidConfigError(ConfigError):
    """The config file is invalid. `problems` holds one text for each problem; the message holds all of them."""

    def __init__(self, problems: tuple[str, ...], *, hint: str) -> None:
        super().__init__("\n".join(problems), code="config-invalid", hint=hint)
        self.problems = problems


def fix_hint(path: object) -> str:
    """Return the hint for an invalid config file."""
    return f"Fix the file, then run `closte-bridge config validate {quote(str(path))}`."


def show_key(key: str) -> str:
    """Return `key` in double quotes, shortened and without control characters."""
    text = key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…"
    return '"' + re.sub(r"[^\x20-\x7e…]", "?", text) + '"'


def show_path(path: Path) -> str:
    """Return the name of the value at `path`: `"dns.resolvers" item 2`."""
    keys = ".".join(part for part in path if isinstance(part, str))
    items = "".join(f" item {part + 1}" for part in path if isinstance(part, int))
    return show_key(keys) + items


def line_of(lines: Location, path: Path) -> int:
    """Return the line of `path`, or of the nearest value around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
