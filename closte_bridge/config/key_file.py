"""The file with the API key."""

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
    """Return the configured key file and the setting that names it, or None if no setting does.

    The first of these wins: the environment variable unless it is empty, systemd's credential if it exists, and
    `api_key_file`.
    """
    if named := environ.get(VARIABLE):
        return expand(named, environ, Path()), f"environment {VARIABLE}"
    credential = _credential(environ)
    if credential is not None and os.path.lexists(credential):
        return credential, "systemd credential"
    if settings.api_key_file is not None:
        return settings.api_key_file, "api_key_file"
    return None


def source_in_text(settings: Settings, environ: Mapping[str, str], source: str) -> str:
    """Return where the API key comes from as a noun phrase: the key file, else `source`, its place in WordPress."""
    location = key_location(settings, environ)
    return source if location is None else f'the file "{location[0]}"'


def configured_key(settings: Settings, environ: Mapping[str, str]) -> Secret | None:
    """Return the key from its file, or None if only WordPress may have it.

    Raises ConfigError (code `key-file`) if the file cannot be used.
    """
    location = key_location(settings, environ)
    return None if location is None else read_key_file(location[0], environ)


def read_key_file(path: Path, environ: Mapping[str, str] | None = None) -> Secret:
    """Return the key in the file `path`: one word of printable ASCII, with or without a line feed.

    Raises ConfigError (code `key-file`), which never quotes the content, for any other content and for a file that is
    missing or accessible to other users. systemd protects its credentials by other means, so their mode is ignored.
    """
    environ = os.environ if environ is None else environ
    try:
        # O_NONBLOCK: opening a named pipe would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(path, _reason(error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "is not a file")
        if status.st_mode & _OTHERS_CAN and path != _credential(environ):
            raise _unusable(path, "is accessible to other users", f"Run `chmod 600 {quote(str(path))}`.")
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
        raise _unusable(path, "has several lines")
    # The exception of `decode` would carry the key.
    if not line.isascii():
        raise _unusable(path, "contains invalid characters", "Write the key as plain ASCII.")
    text = line.decode("ascii")
    if not all(character.isprintable() and not character.isspace() for character in text):
        raise _unusable(path, "contains white space or control characters")
    return Secret(text)


def _credential(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) / CREDENTIAL if folder else None


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist"
        case PermissionError():
            return "is not readable by this user"
    return f"cannot be read ({error.strerror})"


_ONLY_THE_KEY = "Write only the API key to the file, with mode 0600, and as the user that runs closte-bridge."


def _unusable(path: Path, reason: str, hint: str = _ONLY_THE_KEY) -> ConfigError:
    if hint is _ONLY_THE_KEY and is_provisioned(path.parent.parent):
        # Only root may read a key file that Ansible wrote.
        hint = f"Run `closte-bridge-as {quote(path.name)} …` as root, which passes the key on."
    return ConfigError(f'The key file "{path}" {reason}.', code="key-file", hint=hint)
