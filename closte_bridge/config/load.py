"""Make the settings of each network from the configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.build import Origin, build
from closte_bridge.config.file import SYSTEM_CONFIG, find_config, read_config
from closte_bridge.config.model import DEFAULT_NETWORK, Config, Settings
from closte_bridge.config.problems import ConfigProblem, InvalidConfigError, escape_path
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.schema import Section


def load_config(explicit: Path | None, environ: Mapping[str, str], *, system_path: Path = SYSTEM_CONFIG) -> Config:
    """Return the configuration: of the file `explicit`, else of `CLOSTE_BRIDGE_CONFIG`, else of the first
    usual place that has one, else the defaults.

    Raises InvalidConfigError with all that is wrong in the file, each with its line, and ConfigError
    (code `config-file`) when the file cannot be read.
    """
    path = find_config(explicit, environ, system_path=system_path)
    if path is None:
        settings, origins = build(DEFAULT_NETWORK, None, {}, {}, environ)
        return Config(source=None, networks={DEFAULT_NETWORK: settings}, origins={DEFAULT_NETWORK: origins})
    return _load_file(path, environ)


def _load_file(path: Path, environ: Mapping[str, str]) -> Config:
    # Both bring libraries that only a file needs.
    from closte_bridge.config.document import read_document  # noqa: PLC0415
    from closte_bridge.config.schema import validate  # noqa: PLC0415

    data, lines, problems = read_document(read_config(path))
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
        told = tuple(f"{path}:{line}: {text}" for line, text in sorted(set(problems)))
        raise InvalidConfigError(told, hint=escape_path(path))
    return Config(source=path, networks=networks, origins=origins)


def _network(
    name: str, path: Path, base: Section, section: Section | None, environ: Mapping[str, str]
) -> tuple[Settings, Origin]:
    values, lines = dict(base.values), dict(base.lines)
    if section is not None:
        # Networks that inherit one state folder get a folder each inside it.
        if inherited := values.get("state_dir"):
            values["state_dir"] = str(Path(str(inherited), name))
        values |= section.values
        lines |= section.lines
    given = {key: f"{path}:{line}" for key, line in lines.items()}
    return build(name, path, values, given, environ, shared=section is not None)


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
            problems.append(
                ConfigProblem(line, f'"networks.{name}.state_dir" is also that of "{other}"; give each its own.')
            )
    return problems
