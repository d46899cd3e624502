"""The files with the API key and with the SSH password."""

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
PASSWORD_VARIABLE = "CLOSTE_BRIDGE_SSH_PASSWORD_FILE"  # noqa: S105 - a variable that names a file
PASSWORD_CREDENTIAL = "closte-ssh-password"  # noqa: S105 - a file's name
_MAX_KEY = 4096
_ONLY = "Write only the {} to the file, with mode 0600, and as the user that runs closte-bridge."
_OTHERS_CAN = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def key_location(settings: Settings, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """Return the configured key file and the setting that names it, or None if no setting does.

    The first of these wins: the environment variable unless it is empty, systemd's credential if it exists, and
    `api_key_file`.
    """
    if named := environ.get(VARIABLE):
        return expand(named, environ, Path()), f"environment {VARIABLE}"
    credential = _credential(environ, CREDENTIAL)
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
        return _key(_content(path, environ, CREDENTIAL))
    except _UnusableError as error:
        raise _unusable_key(path, error) from None


def password_location(environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """Return the password file of the environment or of systemd, and what names it, or None."""
    if named := environ.get(PASSWORD_VARIABLE):
        return expand(named, environ, Path()), f"environment {PASSWORD_VARIABLE}"
    credential = _credential(environ, PASSWORD_CREDENTIAL)
    if credential is not None and os.path.lexists(credential):
        return credential, "systemd credential"
    return None


def check_password_file(path: Path) -> None:
    """Check that the file `path` holds a password on one line and is inaccessible to other users, as a key file.

    Raises ConfigError (code `ssh-password-file`), which never quotes the content.
    """
    try:
        line = _line(_content(path, os.environ, PASSWORD_CREDENTIAL))
        if len(line) > _MAX_KEY:
            raise _UnusableError("is too long for a password")
        if not line or b"\0" in line:
            raise _UnusableError("has no password on its first line")
        if b"\n" in line or b"\r" in line:
            raise _UnusableError("has several lines")
    except _UnusableError as error:
        hint = error.hint or _ONLY.format("password")
        raise ConfigError(
            f'The SSH password file "{path}" {error.reason}.', code="ssh-password-file", hint=hint
        ) from None


class _UnusableError(Exception):
    """A file with a secret cannot be used: the reason as a predicate, and a hint that replaces the usual one."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def _content(path: Path, environ: Mapping[str, str], credential: str) -> bytes:
    """Return the first bytes of the file. Raises _UnusableError if other users have access, or if it cannot be read."""
    try:
        # O_NONBLOCK: opening a named pipe would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _UnusableError(_reason(error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _UnusableError("is not a file")
        if status.st_mode & _OTHERS_CAN and path != _credential(environ, credential):
            raise _UnusableError("is accessible to other users", f"Run `chmod 600 {quote(str(path))}`.")
        return os.read(descriptor, _MAX_KEY + 1)
    except OSError as error:
        raise _UnusableError(_reason(error)) from None
    finally:
        os.close(descriptor)


def _line(content: bytes) -> bytes:
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _key(content: bytes) -> Secret:
    line = _line(content)
    if not line.strip():
        raise _UnusableError("is empty")
    if len(content) > _MAX_KEY:
        raise _UnusableError("is too long for a key")
    if b"\n" in line or b"\r" in line:
        raise _UnusableError("has several lines")
    # The exception of `decode` would carry the key.
    if not line.isascii():
        raise _UnusableError("contains invalid characters", "Write the key as plain ASCII.")
    text = line.decode("ascii")
    if not all(character.isprintable() and not character.isspace() for character in text):
        raise _UnusableError("contains white space or control characters")
    return Secret(text)


def _credential(environ: Mapping[str, str], name: str) -> Path | None:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) / name if folder else None


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist"
        case PermissionError():
            return "is not readable by this user"
    return f"cannot be read ({error.strerror})"


def _unusable_key(path: Path, error: _UnusableError) -> ConfigError:
    hint = error.hint
    if not hint:
        hint = _ONLY.format("API key")
        if is_provisioned(path.parent.parent):
            # Only root may read a key file that Ansible wrote.
            hint = f"Run `closte-bridge-as {quote(path.name)} …` as root, which passes the key on."
    return ConfigError(f'The key file "{path}" {error.reason}.', code="key-file", hint=hint)
