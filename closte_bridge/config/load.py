"""Find the configuration file, read it, and make the settings of each network from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.build import Origin, build
from closte_bridge.config.model import DEFAULT_NETWORK, Config, Settings
from closte_bridge.config.places import expand, user_config
from closte_bridge.config.problems import InvalidConfigError, Problem
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.schema import Section

SYSTEM_CONFIG = Path("/etc/closte-bridge/config.yaml")
VARIABLE = "CLOSTE_BRIDGE_CONFIG"
MAX_SIZE = 256 * 1024


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


def find_config(explicit: Path | None, environ: Mapping[str, str], *, system_path: Path = SYSTEM_CONFIG) -> Path | None:
    """Return the file that counts. A usual place is passed over only when nothing at all is there."""
    if explicit is not None:
        return explicit
    if named := environ.get(VARIABLE):
        return expand(named, environ, Path())
    for path in _usual_places(system_path, environ):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(path, error) from None
        return path
    return None


def _usual_places(system_path: Path, environ: Mapping[str, str]) -> list[Path]:
    try:
        return [system_path, user_config(environ)]
    except ConfigError:  # a user without a home folder has no file there
        return [system_path]


def _unreadable(path: Path, error: OSError) -> ConfigError:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            reason = "does not exist"
        case IsADirectoryError():
            reason = "is a directory"
        case PermissionError():
            reason = "may not be read by this user"
        case _:
            reason = f"cannot be read ({error.strerror})"
    return ConfigError(f'The configuration file "{path}" {reason}.', code="config-file")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:  # a NUL in the name
        raise _unreadable(path, FileNotFoundError()) from None
    if len(raw) > MAX_SIZE:
        raise ConfigError(f'The configuration file "{path}" is larger than {MAX_SIZE // 1024} KiB.', code="config-file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    raise InvalidConfigError((f"{path}:{line}: The file is not UTF-8 text.",))


def _load_file(path: Path, environ: Mapping[str, str]) -> Config:
    # Both bring libraries that only a file needs.
    from closte_bridge.config.document import read_document  # noqa: PLC0415
    from closte_bridge.config.schema import validate  # noqa: PLC0415

    data, lines, problems = read_document(_read(path))
    base, sections, found = validate(data, lines)
    problems = problems + found
    networks: dict[str, Settings] = {}
    origins: dict[str, Origin] = {}
    if not problems:
        for name in sections or (DEFAULT_NETWORK,):
            try:
                networks[name], origins[name] = _network(name, path, base, sections.get(name), environ)
            except ConfigError as error:
                problems.append(Problem(lines.get(("networks", name), 1), error.message))
        problems += _shared_folders(networks, sections, lines)
    if problems:
        raise InvalidConfigError(tuple(f"{path}:{line}: {text}" for line, text in sorted(set(problems))))
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
) -> list[Problem]:
    seen: dict[Path, str] = {}
    problems = []
    for name, settings in networks.items():
        other = seen.setdefault(settings.state_dir.resolve(), name)
        if other != name:
            line = sections[name].lines.get("state_dir", lines.get(("networks", name), 1))
            problems.append(Problem(line, f'"networks.{name}.state_dir" is also that of "{other}"; give each its own.'))
    return problems
