"""The keys of the configuration file, and what each may hold.

`validate` turns a document into flat values (`wp.path`), so that a network and what it inherits merge key by
key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import voluptuous as vol

from closte_bridge.config import values as v
from closte_bridge.config.problems import ConfigProblem, Location, Path, Problems, line_of, show_key, show_path

if TYPE_CHECKING:
    from collections.abc import Mapping

Flat: TypeAlias = dict[str, object]
"""Checked values by their dotted keys."""

NETWORK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_COUNT = v.whole(1, 1000)
SECTIONS: dict[str, dict[str, v.Check]] = {
    "": {
        "api_url": v.api_url,
        "api_key_file": v.optional(v.path),
        "state_dir": v.optional(v.path),
        "checks": v.boolean,
        "wildcard": v.boolean,
        "wildcards": v.once(v.wildcard),
        "keep": v.once(v.kept),
        "removal_delay": v.duration,
        "removal_grace": v.duration,
        "certificate_budget": v.whole(1, 1_000_000),
        "concurrency": v.whole(1, 64),
        "rate_limit": v.number(0.01, 1000),
        "environments": v.once(v.environment, some=True),
        "metrics_file": v.optional(v.file),
        "on_problem": v.several(v.text),
    },
    "wp": {
        "command": v.several(v.text, some=True),
        "path": v.optional(v.path),
        "url": v.optional(v.site_url),
        "ssh": v.optional(v.ssh),
        "alias": v.optional(v.alias),
        "allow_root": v.boolean,
        "skip_plugins": v.skip_plugins,
        "timeout": v.duration,
    },
    "dns": {
        "resolvers": v.once(v.resolver, some=True),
        "timeout": v.duration,
        "concurrency": _COUNT,
        "targets": v.once(v.target),
    },
    "tls": {
        "port": v.whole(1, 65_535),
        "ca_file": v.optional(v.path),
        "timeout": v.duration,
        "concurrency": _COUNT,
    },
}
_SECRET_KEY = re.compile(
    r"(?:(?:closte_?)?(?:client_?)?(?:api_?)?key|(?:api_?)?(?:token|secret)|password)", re.IGNORECASE
)
_EXTRA = "extra keys not allowed"


class Section(NamedTuple):
    """The values that one section of the file gives, and the line of each."""

    values: Flat
    lines: dict[str, int]


def _nullable_section(keys: dict[str, v.Check]) -> v.Check:
    # A section whose keys are all commented out is null in YAML.
    schema = vol.Schema({vol.Optional(key): check for key, check in keys.items()})
    return lambda value: {} if value is None else schema(value)


def _schema() -> vol.Schema:
    keys: dict[object, v.Check] = {vol.Optional(key): check for key, check in SECTIONS[""].items()}
    for name, section in SECTIONS.items():
        if name:
            keys[vol.Optional(name)] = _nullable_section(section)
    return vol.Schema(keys)


def validate(data: Mapping[str, object], lines: Location) -> tuple[Section, dict[str, Section], Problems]:
    """Return what the top level gives, what each network gives, and all that is wrong."""
    schema, problems = _schema(), []
    top = {key: value for key, value in data.items() if key != "networks"}
    base, found = _section(schema, top, (), lines)
    problems += found
    networks: dict[str, Section] = {}
    named = data.get("networks")
    if named is not None and not isinstance(named, dict):
        problems.append(
            ConfigProblem(line_of(lines, ("networks",)), '"networks" must be a mapping of names to settings.')
        )
        named = None
    for name, section in (named or {}).items():
        path: Path = ("networks", name)
        if not NETWORK_NAME.fullmatch(name):
            problems.append(
                ConfigProblem(
                    line_of(lines, path),
                    f"{show_key(name)} cannot name a network; use up to 63 of a-z, 0-9, - and _.",
                )
            )
            continue
        networks[name], found = _section(schema, {} if section is None else section, path, lines)
        problems += found
    return base, networks, problems


def _section(schema: vol.Schema, data: object, prefix: Path, lines: Location) -> tuple[Section, Problems]:
    try:
        checked = schema(data)
    except vol.MultipleInvalid as error:
        return Section({}, {}), [_problem(one, prefix, lines) for one in error.errors]
    flat: Flat = {}
    where: dict[str, int] = {}
    for key, value in checked.items():
        inner = value if key in SECTIONS else {"": value}
        for name, leaf in inner.items():
            path = (*prefix, key, name) if name else (*prefix, key)
            dotted = f"{key}.{name}" if name else key
            flat[dotted] = leaf
            where[dotted] = line_of(lines, path)
    return Section(flat, where), []


def _problem(error: vol.Invalid, prefix: Path, lines: Location) -> ConfigProblem:
    path: Path = (*prefix, *(part if isinstance(part, int) else str(part) for part in error.path))
    if error.error_message == _EXTRA:
        return ConfigProblem(line_of(lines, path), _unknown_key(path, len(prefix)))
    line = line_of(lines, path)
    if isinstance(error, vol.DictInvalid):
        return ConfigProblem(line, f'{show_path(path)} must hold settings, such as "key: value".')
    return ConfigProblem(line, f"{show_path(path)} {error.error_message}.")


def _unknown_key(path: Path, depth: int) -> str:
    key = str(path[-1])
    section = str(path[depth]) if len(path) > depth + 1 else ""
    start = f"Unknown key {show_key(key)}"
    if _SECRET_KEY.fullmatch(key.replace("-", "_")):
        return f'{start}: no secret belongs in this file; write its file\'s name as "api_key_file".'
    known = [*SECTIONS[section]]
    if not section:
        known += [name for name in SECTIONS if name] + ([] if depth else ["networks"])
    from difflib import get_close_matches  # noqa: PLC0415 - only for a key that is wrong

    close = get_close_matches(key.lower().replace("-", "_"), known, n=1)
    if close:
        return f'{start}; did you mean "{close[0]}"?'
    homes = [name for name, keys in SECTIONS.items() if key in keys]
    if homes:
        places = " or ".join(f'"{name}"' if name else "the top level" for name in homes)
        return f"{start}; it belongs under {places}."
    return f"{start}."
