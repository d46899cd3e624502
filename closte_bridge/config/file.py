"""Find the configuration file, and read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.places import expand, user_config
from closte_bridge.config.problems import InvalidConfigError, escape_path
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_CONFIG = Path("/etc/closte-bridge/config.yaml")
VARIABLE = "CLOSTE_BRIDGE_CONFIG"
MAX_SIZE = 256 * 1024


def find_config(explicit: Path | None, environ: Mapping[str, str], *, system_path: Path = SYSTEM_CONFIG) -> Path | None:
    """Return the file that counts. A usual place is passed over only when nothing at all is there."""
    if explicit is not None:
        # No shell expands it in `--config=~/x`. Any other path stays as written, in messages too.
        return expand(str(explicit), environ, Path()) if str(explicit).startswith("~") else explicit
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
    hint = f"Name the file itself, with `--config` or in {VARIABLE}."
    match error:
        case FileNotFoundError() | NotADirectoryError():
            reason = "does not exist"
            hint = f"Look at what `--config` or {VARIABLE} says; without either, no file is needed."
        case IsADirectoryError():
            reason = "is a directory"
        case PermissionError():
            reason = "may not be read by this user"
            hint = "Run as the user it was written for, or let that user's group read it."
        case _:
            reason = f"cannot be read ({error.strerror})"
            hint = "Look at the disk it is on, or name another file."
    return ConfigError(f'The configuration file "{path}" {reason}.', code="config-file", hint=hint)


def read_config(path: Path) -> str:
    """Return the text of a configuration file. Raises ConfigError (code `config-file`) when it cannot be read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:  # a NUL in the name
        raise _unreadable(path, FileNotFoundError()) from None
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        # It names commands that are started.
        from shlex import quote  # noqa: PLC0415 - hardly ever needed

        raise ConfigError(
            f'The configuration file "{path}" can be changed by everybody.',
            code="config-file",
            hint=f"Look whether it is what you wrote, then run `chmod o-w {quote(str(path))}`.",
        )
    if len(raw) > MAX_SIZE:
        raise ConfigError(
            f'The configuration file "{path}" is larger than {MAX_SIZE // 1024} KiB.',
            code="config-file",
            hint="Look whether it is the file that you mean.",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    raise InvalidConfigError((f"{path}:{line}: The file is not UTF-8 text.",), hint=escape_path(path))
