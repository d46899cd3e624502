"""Read the API key from the file that is configured for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from closte_bridge.config.places import expand
from closte_bridge.errors import ConfigError, is_provisioned
from closte_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.model import Settings

VARIABLE = "CLOSTE_BRIDGE_API_KEY_FILE"
CREDENTIAL = "closte-api-key"
_MAX_KEY = 4096
_OTHERS_CAN = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def key_location(settings: Settings, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """Return the file that is configured for the key, and which setting names it; None when none does.

    The first wins: the environment variable, systemd's credential, `api_key_file`. A variable that is empty
    counts as not set; a credential counts when it is there.
    """
    if named := environ.get(VARIABLE):
        return expand(named, environ, Path()), f"environment {VARIABLE}"
    credential = _credential(environ)
    if credential is not None and os.path.lexists(credential):
        return credential, "systemd credential"
    if settings.api_key_file is not None:
        return settings.api_key_file, "api_key_file"
    return None


def configured_key(settings: Settings, environ: Mapping[str, str]) -> Secret | None:
    """Return the key from where it is configured, or None when WordPress has to be asked for it.

    Raises ConfigError (code `key-file`) when it is configured but cannot be used.
    """
    location = key_location(settings, environ)
    return None if location is None else read_key_file(location[0], environ)


def read_key_file(path: Path, environ: Mapping[str, str] | None = None) -> Secret:
    """Return the key that stands alone in the file `path`; one line feed may follow it.

    Raises ConfigError (code `key-file`), never with anything of the content: when the file is missing, is not
    a file, is empty, holds more than one word of plain ASCII, or can be read or written by others. systemd
    guards its credentials by other means, so those may have any mode.
    """
    environ = os.environ if environ is None else environ
    try:
        # Not blocking: a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(path, _reason(error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "is not a file")
        if status.st_mode & _OTHERS_CAN and path != _credential(environ):
            raise _unusable(path, "can be read or changed by others", f'Run "chmod 600 {path}".')
        content = os.read(descriptor, _MAX_KEY + 1)
    except OSError as error:
        raise _unusable(path, _reason(error)) from None
    finally:
        os.close(descriptor)
    return _key(path, content)


def _key(path: Path, content: bytes) -> Secret:
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not line.strip():
        raise _unusable(path, "is empty")
    if len(content) > _MAX_KEY:
        raise _unusable(path, "is too long for a key")
    if b"\n" in line or b"\r" in line:
        raise _unusable(path, "has several lines", "Put the key into it, and nothing else.")
    # `isascii` and not `decode`: the exception of the latter would carry the key.
    if not line.isascii():
        raise _unusable(path, "holds characters that no key has", "Write the key as plain ASCII.")
    text = line.decode("ascii")
    if not all(character.isprintable() and not character.isspace() for character in text):
        raise _unusable(path, "has white space or control characters around or inside the key")
    return Secret(text)


def _credential(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) / CREDENTIAL if folder else None


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist"
        case PermissionError():
            return "may not be read by this user"
    return f"cannot be read ({error.strerror})"


_ONLY_THE_KEY = "It is to hold the key alone, with mode 0600, and to belong to the user who runs closte-bridge."


def _unusable(path: Path, reason: str, hint: str = _ONLY_THE_KEY) -> ConfigError:
    if hint is _ONLY_THE_KEY and is_provisioned(path.parent.parent):
        # Its file is root's on purpose.
        hint = (
            f"Run as root `closte-bridge-as {quote(path.name)} …`, which hands the key over; Ansible writes its file."
        )
    return ConfigError(f'The key file "{path}" {reason}.', code="key-file", hint=hint)
