"""The settings of each network, from the config file and the defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from closte_bridge.config.file import SYSTEM_CONFIG, find_config, read_config
from closte_bridge.config.key_file import password_location
from closte_bridge.config.model import DEFAULT_NETWORK, KEYS, SECTIONS, Config, Settings, section_of
from closte_bridge.config.places import default_state, expand, expand_wp
from closte_bridge.config.problems import ConfigProblem, InvalidConfigError, fix_hint
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.schema import Section

Origin: TypeAlias = dict[str, str]


def load_config(explicit: Path | None, environ: Mapping[str, str], *, system_path: Path = SYSTEM_CONFIG) -> Config:
    """Return the config from the first file that exists, or the defaults.

    The files are `explicit`, the file in `CLOSTE_BRIDGE_CONFIG`, and the default locations. Raises
    InvalidConfigError with all problems of the file, each with its line, and ConfigError (code `config-file`) if the
    file cannot be read.
    """
    path = find_config(explicit, environ, system_path=system_path)
    if path is None:
        settings, origins = _settings(DEFAULT_NETWORK, None, {}, {}, environ)
        return Config(source=None, networks={DEFAULT_NETWORK: settings}, origins={DEFAULT_NETWORK: origins})
    return _load_file(path, environ)


def _load_file(path: Path, environ: Mapping[str, str]) -> Config:
    return parse_config(read_config(path), path, environ)


def parse_config(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """Return the config with the content `text` for the file `path`.

    Raises InvalidConfigError with all problems of the text.
    """
    from closte_bridge.config.document import read_document  # noqa: PLC0415 - PyYAML: 15 ms, only for a file
    from closte_bridge.config.schema import validate  # noqa: PLC0415 - voluptuous: 25 ms, only for a file

    data, lines, problems = read_document(text)
    base, sections, found = validate(data, lines)
    problems = problems + found
    networks: dict[str, Settings] = {}
    origins: dict[str, Origin] = {}
    if not problems:
        for name in sections or (DEFAULT_NETWORK,):
            try:
                networks[name], origins[name] = _network(name, path, base, sections.get(name), environ)
            except ConfigError as error:
                problems.append(ConfigProblem(lines.get(("networks", name), 1), error.message))
        problems += _shared_folders(networks, sections, lines)
    if problems:
        listed = tuple(f"{path}:{line}: {text}" for line, text in sorted(set(problems)))
        raise InvalidConfigError(listed, hint=fix_hint(path))
    return Config(source=path, networks=networks, origins=origins)


def _network(
    name: str, path: Path, base: Section, section: Section | None, environ: Mapping[str, str]
) -> tuple[Settings, Origin]:
    values, lines = dict(base.values), dict(base.lines)
    if section is not None:
        # Networks that inherit one state folder get a subfolder each.
        if inherited := values.get("state_dir"):
            values["state_dir"] = str(Path(str(inherited), name))
        values |= section.values
        lines |= section.lines
    given = {key: f"{path}:{line}" for key, line in lines.items()}
    return _settings(name, path, values, given, environ, shared=section is not None)


def _settings(
    name: str,
    source: Path | None,
    values: Mapping[str, object],
    origins: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    shared: bool = False,
) -> tuple[Settings, Origin]:
    """Return the settings and the origins of the network `name`.

    `values` and `origins` have dotted keys. Relative paths start at the folder of `source`. If several networks share
    the default state folder, each gets a subfolder. Raises ConfigError for a path that cannot be expanded.
    """
    base = source.parent if source is not None else Path()
    flat, where = dict(values), dict(origins)
    for key, value in flat.items():
        # The section `wp` may hold paths of another machine.
        if value is not None and KEYS[key].kind in {"path", "file"} and section_of(key) != "wp":
            flat[key] = expand(str(value), environ, base)
    if (password := password_location(environ)) is not None:
        flat["wp.ssh_password_file"], where["wp.ssh_password_file"] = password
    expand_wp(flat, environ, base)
    if flat.get("state_dir") is None:
        folder, where["state_dir"] = default_state(environ, user=os.geteuid())
        flat["state_dir"] = folder / name if shared else folder
    parts: dict[str, dict[str, Any]] = {section: {} for section in ("", *SECTIONS)}
    for key, value in flat.items():
        parts[section_of(key)][key.rpartition(".")[2]] = value
    parts["wp"]["state_dir"] = flat["state_dir"]
    sections = {section: make(**parts[section]) for section, make in SECTIONS.items()}
    return Settings(name=name, source=source.absolute() if source else None, **parts[""], **sections), where


def _shared_folders(
    networks: Mapping[str, Settings],
    sections: Mapping[str, Section],
    lines: Mapping[tuple[str | int, ...], int],
) -> list[ConfigProblem]:
    seen: dict[Path, str] = {}
    problems = []
    for name, settings in networks.items():
        other = seen.setdefault(settings.state_dir.resolve(), name)
        if other != name:
            line = sections[name].lines.get("state_dir", lines.get(("networks", name), 1))
            text = f'"networks.{name}.state_dir" is already used by "{other}"; each network needs its own.'
            problems.append(ConfigProblem(line, text))
    return problems
