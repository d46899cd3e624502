"""The state folder, where the ledger and all that belongs to it lies: this user's alone."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError, is_provisioned

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make the state folder where it is missing, and refuse it as `check_folder` does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Refuse a state folder that is not ours alone.

    Raises BridgeError when it belongs to another user, is open to others, or is not a folder; OSError when it cannot be
    looked at.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise BridgeError(
            f'The state folder "{folder}" is not a folder.',
            code="state-folder",
            hint="Remove what is there (a symbolic link, perhaps), or set `state_dir` in the config.",
        )
    if status.st_uid != os.geteuid():
        raise _another_users(folder, status.st_uid)
    if status.st_mode & 0o077:
        raise BridgeError(
            f'The state folder "{folder}" is open to other users.',
            code="state-folder",
            hint=f"Close it: `chmod 700 {quote(str(folder))}`.",
        )


def foresee(folder: Path) -> None:
    """Make nothing, and raise the error that making and checking the state folder would raise."""
    try:
        if os.path.lexists(folder):
            check_folder(folder)
            return
        around = next(parent for parent in folder.absolute().parents if parent.exists())
        if not os.access(around, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unusable(folder, error) from None


def unusable(folder: Path, error: OSError) -> BridgeError:
    """Return the error that says what the system has against the state folder."""
    location = quote(str(folder))
    command = f"install -d -m 700 -o {_name(os.geteuid())} {location}"
    with suppress(OSError):
        owner = folder.lstat().st_uid
        if owner != os.geteuid():
            return _another_users(folder, owner)
        # The folder is ours: it is something in it that is not.
        command = f"chown -R {_name(owner)} {location}"
    return BridgeError(
        f'The state folder "{folder}" cannot be used ({error.strerror}).',
        code="state-folder",
        hint=f"As root: `{command}`; or set `state_dir` in the config.",
    )


def _another_users(folder: Path, owner: int) -> BridgeError:
    return BridgeError(
        f'The state folder "{folder}" belongs to another user.',
        code="other-user",
        hint=f"Run as that user (`{_as_user(folder, owner)} …`), or set `state_dir` in the config.",
    )


def _as_user(folder: Path, owner: int) -> str:
    """Return the command that runs the program as the owner of a state folder."""
    if is_provisioned(folder.parent):
        # There the key is root's, who alone can hand it over. The folder is called as its network is.
        return f"closte-bridge-as {quote(folder.name)}"
    return f"sudo -u {_name(owner)} closte-bridge"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
