"""Locations of files, and expansion of paths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.ssh_target import is_container
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "closte-bridge"
SYSTEM_STATE = Path("/var/lib") / NAME


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home folder. Raises ConfigError if it is unknown."""
    if (named := environ.get("HOME")) and Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigError(
            "Could not find the home folder of this user.",
            code="config-path",
            hint="Set `HOME`, or use absolute paths.",
        ) from None


def _user_folder(variable: str, usual: str, environ: Mapping[str, str]) -> Path:
    # The XDG specification says to ignore relative values.
    named = Path(environ.get(variable, ""))
    return (named if named.is_absolute() else home(environ) / usual) / NAME


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's own config file."""
    return _user_folder("XDG_CONFIG_HOME", ".config", environ) / "config.yaml"


def default_state(environ: Mapping[str, str], *, user: int) -> tuple[Path, str]:
    """Return the default state folder of the numeric `user`, and its origin."""
    if (named := environ.get("STATE_DIRECTORY", "").split(":")[0]) and Path(named).is_absolute():
        return Path(named), "environment STATE_DIRECTORY"
    if user == 0:
        return SYSTEM_STATE, "default"
    return _user_folder("XDG_STATE_HOME", ".local/state", environ), "default"


def page(name: str) -> str:
    """Return the path of a page of the documentation: in the checkout, else of the installation."""
    checkout = Path(__file__).parents[2] / "docs" / name
    installed = Path(sys.prefix) / "share" / "doc" / NAME / name
    return str(installed) if installed.is_file() and not checkout.is_file() else f"docs/{name}"


def expand(written: str, environ: Mapping[str, str], base: Path) -> Path:
    """Return `written` as an absolute path, with `~` expanded. A relative path starts at `base`.

    Raises ConfigError if the home folder is unknown.
    """
    if written == "~" or written.startswith("~/"):
        path = home(environ) / written[2:]
    elif written.startswith("~"):
        try:
            path = Path(written).expanduser()
        except RuntimeError:
            raise ConfigError(
                "A path begins with the home folder of an unknown user.",
                code="config-path",
                hint="Use an absolute path.",
            ) from None
    else:
        path = Path(written)
    return base.absolute() / path


def expand_wp(flat: dict[str, object], environ: Mapping[str, str], base: Path) -> None:
    """Make the paths in the section `wp` (dotted keys) absolute, in place. Raises ConfigError as `expand` does."""
    # With an alias or over SSH, the path belongs to another machine, and over SSH the command, too.
    ssh = flat.get("wp.ssh")
    elsewhere = ssh or flat.get("wp.alias")
    if (path := flat.get("wp.path")) is not None and not elsewhere:
        flat["wp.path"] = str(expand(str(path), environ, base))
    if (password := flat.get("wp.ssh_password_file")) is not None:
        flat["wp.ssh_password_file"] = expand(str(password), environ, base)
    if isinstance(ssh, str) and not is_container(ssh):
        return
    command = flat.get("wp.command")
    if isinstance(command, tuple) and ("/" in command[0] or command[0].startswith("~")):
        flat["wp.command"] = (str(expand(command[0], environ, base)), *command[1:])
