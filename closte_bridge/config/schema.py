"""Validation of the config file.

`validate` returns flat values (`wp.path`), so that a network inherits the top level key by key.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import voluptuous as vol

from closte_bridge.config.model import KEYS, SECTIONS, section_of
from closte_bridge.config.problems import ConfigProblem, Location, Path, Problems, line_of, show_key, show_path
from closte_bridge.config.values import check_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.values import Check

NETWORK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SECRET_KEY = re.compile(
    r"(?:(?:closte_?)?(?:client_?)?(?:api_?)?key|(?:api_?)?(?:token|secret)|password)", re.IGNORECASE
)
_EXTRA = "extra keys not allowed"


class Section(NamedTuple):
    """The values that the top level or a network gives, and their lines, by dotted keys."""

    values: dict[str, object]
    lines: dict[str, int]


def _schema(section: str = "") -> Check:
    keys: dict[object, Check] = {
        vol.Optional(name.removeprefix(f"{section}.")): check_of(key)
        for name, key in KEYS.items()
        if section_of(name) == section
    }
    if not section:
        keys |= {vol.Optional(name): _schema(name) for name in SECTIONS}
    schema = vol.Schema(keys)
    # YAML reads a section whose keys are all commented out as null.
    return lambda value: schema({} if value is None else value)


def validate(data: Mapping[str, object], lines: Location) -> tuple[Section, dict[str, Section], Problems]:
    """Return the values of the top level and of each network, and all problems."""
    schema = _schema()
    base, problems = _section(schema, {key: value for key, value in data.items() if key != "networks"}, (), lines)
    networks: dict[str, Section] = {}
    named = data.get("networks")
    if named is not None and not isinstance(named, dict):
        problems.append(
            ConfigProblem(line_of(lines, ("networks",)), '"networks" must be a mapping of names to settings.')
        )
        named = None
    for name, section in (named or {}).items():
        path: Path = ("networks", name)
        if NETWORK_NAME.fullmatch(name):
            networks[name], found = _section(schema, section, path, lines)
            problems += found
        else:
            text = f"{show_key(name)} is not a valid network name; use up to 63 characters from a-z, 0-9, - and _."
            problems.append(ConfigProblem(line_of(lines, path), text))
    return base, networks, problems


def _section(schema: Check, data: object, prefix: Path, lines: Location) -> tuple[Section, Problems]:
    try:
        checked: Any = schema(data)
    except vol.MultipleInvalid as error:
        return Section({}, {}), [_problem(one, prefix, lines) for one in error.errors]
    found = Section({}, {})
    for name in KEYS:
        section, _, key = name.rpartition(".")
        given = checked.get(section, {}) if section else checked
        if key in given:
            found.values[name] = given[key]
            found.lines[name] = line_of(lines, (*prefix, *name.split(".")))
    return found, []


def _problem(error: vol.Invalid, prefix: Path, lines: Location) -> ConfigProblem:
    path: Path = (*prefix, *(part if isinstance(part, int) else str(part) for part in error.path))
    line = line_of(lines, path)
    if error.error_message == _EXTRA:
        return ConfigProblem(line, _unknown_key(path, len(prefix)))
    if isinstance(error, vol.DictInvalid):
        return ConfigProblem(line, f'{show_path(path)} must hold settings, such as "key: value".')
    return ConfigProblem(line, f"{show_path(path)} {error.error_message}.")


def _unknown_key(path: Path, depth: int) -> str:
    key = str(path[-1])
    start = f"Unknown key {show_key(key)}"
    if _SECRET_KEY.fullmatch(key.replace("-", "_")):
        return f'{start}: do not store secrets here; set "api_key_file" to a file with the key.'
    homes: dict[str, list[str]] = {"": [*SECTIONS] + ([] if depth else ["networks"])}
    for name in KEYS:
        homes.setdefault(section_of(name), []).append(name.rpartition(".")[2])
    section = str(path[depth]) if len(path) > depth + 1 else ""
    if close := get_close_matches(key.lower().replace("-", "_"), homes[section], n=1):
        return f'{start}; did you mean "{close[0]}"?'
    places = [f'"{name}"' if name else "the top level" for name, keys in homes.items() if key in keys]
    return f"{start}; it belongs under {' or '.join(places)}." if places else f"{start}."
