"""Where files are: the user's folders, and paths as people write them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "closte-bridge"
SYSTEM_STATE = Path("/var/lib") / NAME


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home folder. Raises ConfigError when nothing says where it is."""
    if (named := environ.get("HOME")) and Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigError(
            "This user has no home folder.", code="config-path", hint='Set "HOME", or write whole paths.'
        ) from None


def _user_folder(variable: str, usual: str, environ: Mapping[str, str]) -> Path:
    # The XDG specification has relative values ignored.
    named = Path(environ.get(variable, ""))
    return (named if named.is_absolute() else home(environ) / usual) / NAME


def user_config(environ: Mapping[str, str]) -> Path:
    """Return where the user's own configuration file would be."""
    return _user_folder("XDG_CONFIG_HOME", ".config", environ) / "config.yaml"


def default_state(environ: Mapping[str, str], *, user: int) -> tuple[Path, str]:
    """Return the state folder when none is configured, for the numeric `user`, and where that came from."""
    if (named := environ.get("STATE_DIRECTORY", "").split(":")[0]) and Path(named).is_absolute():
        return Path(named), "environment STATE_DIRECTORY"
    if user == 0:
        return SYSTEM_STATE, "default"
    return _user_folder("XDG_STATE_HOME", ".local/state", environ), "default"


def page(name: str) -> str:
    """Return where a page of the documentation is: in the checkout that this is, else beside the program."""
    checkout = Path(__file__).parents[2] / "docs" / name
    installed = Path(sys.prefix) / "share" / "doc" / NAME / name
    return str(installed) if installed.is_file() and not checkout.is_file() else f"docs/{name}"


def expand(written: str, environ: Mapping[str, str], base: Path) -> Path:
    """Return `written` as an absolute path: a leading `~` is a home folder, a relative path starts at `base`.

    Raises ConfigError when the home folder is not known.
    """
    if written == "~" or written.startswith("~/"):
        path = home(environ) / written[2:]
    elif written.startswith("~"):
        try:
            path = Path(written).expanduser()
        except RuntimeError:
            raise ConfigError(
                "A path begins with the home folder of a user that does not exist.",
                code="config-path",
                hint="Write the whole path.",
            ) from None
    else:
        path = Path(written)
    return base.absolute() / path


def expand_wp(flat: dict[str, object], environ: Mapping[str, str], base: Path) -> None:
    """Make the paths among the settings of `wp` (dotted keys) absolute, in place. Raises ConfigError as `expand`."""
    # With an alias or over SSH, the path is one of another machine.
    elsewhere = flat.get("wp.ssh") or flat.get("wp.alias")
    if (path := flat.get("wp.path")) is not None and not elsewhere:
        flat["wp.path"] = str(expand(str(path), environ, base))
    command = flat.get("wp.command")
    if isinstance(command, tuple) and ("/" in command[0] or command[0].startswith("~")):
        flat["wp.command"] = (str(expand(command[0], environ, base)), *command[1:])
