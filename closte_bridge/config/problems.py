"""What is wrong with a configuration file, and on which line."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from closte_bridge.errors import ConfigError

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: the keys and the indices (from 0) that lead to it."""

Location: TypeAlias = dict[Path, int]
"""The line, from 1, of each key and each item."""

_MAX_KEY = 60


class ConfigProblem(NamedTuple):
    """One thing that is wrong: its line, and a sentence that holds no value of the file."""

    line: int
    message: str


Problems: TypeAlias = list[ConfigProblem]


class InvalidConfigError(ConfigError):
    """The configuration file is wrong. `problems` holds one text for each thing; the message all of them."""

    def __init__(self, problems: tuple[str, ...], *, hint: str) -> None:
        super().__init__("\n".join(problems), code="config-invalid", hint=hint)
        self.problems = problems


def escape_path(path: object) -> str:
    """Return what to do about a configuration file that is wrong."""
    from shlex import quote  # noqa: PLC0415 - hardly ever needed

    return f"Mend it and check again: `closte-bridge config validate {quote(str(path))}`."


def show_key(key: str) -> str:
    """Return `key` in double quotes, cut when long and with nothing in it that a terminal would act on."""
    text = key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…"
    return '"' + re.sub(r"[^\x20-\x7e…]", "?", text) + '"'


def show_path(path: Path) -> str:
    """Return the name of the value at `path` as users know it: `"dns.resolvers" item 2`."""
    keys = ".".join(part for part in path if isinstance(part, str))
    items = "".join(f" item {part + 1}" for part in path if isinstance(part, int))
    return show_key(keys) + items


def line_of(lines: Location, path: Path) -> int:
    """Return the line of `path`, or that of the nearest thing around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
