"""The config file: lookup and reading."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from closte_bridge.config.places import expand, user_config
from closte_bridge.config.problems import InvalidConfigError, fix_hint
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_CONFIG = Path("/etc/closte-bridge/config.yaml")
VARIABLE = "CLOSTE_BRIDGE_CONFIG"
MAX_SIZE = 256 * 1024


def find_config(explicit: Path | None, environ: Mapping[str, str], *, system_path: Path = SYSTEM_CONFIG) -> Path | None:
    """Return the config file to use. A default location is skipped only if it does not exist."""
    if explicit is not None:
        # Shells do not expand `--config=~/x`. Any other path stays as written, also in messages.
        return expand(str(explicit), environ, Path()) if str(explicit).startswith("~") else explicit
    if named := environ.get(VARIABLE):
        return expand(named, environ, Path())
    for path in _default_locations(system_path, environ):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(path, error) from None
        return path
    return None


def _default_locations(system_path: Path, environ: Mapping[str, str]) -> list[Path]:
    try:
        return [system_path, user_config(environ)]
    except ConfigError:  # without a home folder there is no file in it
        return [system_path]


def _unreadable(path: Path, error: OSError) -> ConfigError:
    hint = "Specify a file, not a folder."
    match error:
        case FileNotFoundError() | NotADirectoryError():
            reason = "does not exist"
            hint = f"Check `--config` and {VARIABLE}. If neither is set, the config file is optional."
        case IsADirectoryError():
            reason = "is a folder"
        case PermissionError():
            reason = "is not readable by this user"
            hint = "Run as the file's owner, or make the file readable for this user's group."
        case _:
            reason = f"cannot be read ({error.strerror})"
            hint = "Check the disk, or use another file."
    return ConfigError(f'The config file "{path}" {reason}.', code="config-file", hint=hint)


def read_config(path: Path) -> str:
    """Return the text of a config file. Raises ConfigError (code `config-file`) if it cannot be read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:  # for a NUL in the name
        raise _unreadable(path, FileNotFoundError()) from None
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        # The config defines commands to run.
        raise ConfigError(
            f'The config file "{path}" is world-writable.',
            code="config-file",
            hint=f"Check its content, then run `chmod o-w {quote(str(path))}`.",
        )
    if len(raw) > MAX_SIZE:
        raise ConfigError(
            f'The config file "{path}" is larger than {MAX_SIZE // 1024} KiB.',
            code="config-file",
            hint="Check that this is the right file.",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    raise InvalidConfigError((f"{path}:{line}: The file is not UTF-8 text.",), hint=fix_hint(path))
