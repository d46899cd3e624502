"""The state folder, which contains the ledger and its files and is accessible to this user only."""

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
    """Create the state folder if it is missing, and check it with `check_folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Check that only this user has access to the state folder.

    Raises BridgeError if it belongs to another user, is accessible to others, or is not a folder. Raises OSError if it
    cannot be read.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise BridgeError(
            f'The state folder "{folder}" is not a folder.',
            code="state-folder",
            hint="Remove the file or symbolic link at this path, or set `state_dir` in the config.",
        )
    if status.st_uid != os.geteuid():
        raise _another_users(folder, status.st_uid)
    if status.st_mode & 0o077:
        raise BridgeError(
            f'The state folder "{folder}" is accessible to other users.',
            code="state-folder",
            hint=f"Run `chmod 700 {quote(str(folder))}`.",
        )


def foresee(folder: Path) -> None:
    """Raise the error that `make_folder` would raise, without creating anything."""
    try:
        if os.path.lexists(folder):
            check_folder(folder)
            return
        existing = next(parent for parent in folder.absolute().parents if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unusable(folder, error) from None


def unusable(folder: Path, error: OSError) -> BridgeError:
    """Return the error for an OSError of the state folder."""
    location = quote(str(folder))
    command = f"install -d -m 700 -o {_name(os.geteuid())} {location}"
    with suppress(OSError):
        owner = folder.lstat().st_uid
        if owner != os.geteuid():
            return _another_users(folder, owner)
        # This user owns the folder, so the failure concerns a file in it.
        command = f"chown -R {_name(owner)} {location}"
    return BridgeError(
        f'Could not use the state folder "{folder}" ({error.strerror}).',
        code="state-folder",
        hint=f"Run `{command}` as root, or set `state_dir` in the config.",
    )


def _another_users(folder: Path, owner: int) -> BridgeError:
    return BridgeError(
        f'The state folder "{folder}" belongs to another user.',
        code="other-user",
        hint=f"Run as that user (`{_as_user(folder, owner)} …`), or set `state_dir` in the config.",
    )


def _as_user(folder: Path, owner: int) -> str:
    """Return the command that runs closte-bridge as the owner of the state folder."""
    if is_provisioned(folder.parent):
        # Only root can read the key there and pass it on. The folder is named after its network.
        return f"closte-bridge-as {quote(folder.name)}"
    return f"sudo -u {_name(owner)} closte-bridge"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
