"""The key of an SSH host that is not known yet: what the host offers, and how to trust it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.errors import BridgeError
from closte_bridge.wordpress import failures
from closte_bridge.wordpress.process import close_pipes, end, spawn

if TYPE_CHECKING:
    from closte_bridge.config.ssh_target import SshTarget

_SECONDS = 30
# `ssh` connects as always, also through a proxy, stores the key in the file that it is given, and stops at the login.
_OPTIONS = (
    "-T", "-x", "-a", "-S", "none",
    "-o", "ControlMaster=no",
    "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no",
    "-o", "RemoteCommand=none",
    "-o", "BatchMode=yes",
    "-o", "StrictHostKeyChecking=accept-new",
    "-o", "GlobalKnownHostsFile=none",
    "-o", "HashKnownHosts=no",
    "-o", "UpdateHostKeys=no",
    "-o", "VerifyHostKeyDNS=no",
    "-o", "CheckHostIP=no",
    "-o", "PreferredAuthentications=none",
    "-o", f"ConnectTimeout={_SECONDS}",
)  # fmt: skip
_PARTS = 3


class HostKey(NamedTuple):
    """A key that a host offers: the line for `known_hosts`, its type and its SHA-256 fingerprint as `ssh` shows it."""

    line: str
    kind: str
    fingerprint: str


def offered_key(target: SshTarget) -> HostKey:
    """Ask the host for its key. Nothing is stored.

    Raises UnreadableError if the host offers none, and BridgeError if `ssh` cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="closte-bridge-") as folder:
        file = Path(folder, "known_hosts")
        printed = _ssh([*_OPTIONS, "-o", f'UserKnownHostsFile="{file}"', *target.arguments, "exit"])[1]
        try:
            (line,) = file.read_text(encoding="ascii").splitlines()
            _, kind, encoded = line.split(" ", _PARTS)[:_PARTS]
            digest = hashlib.sha256(base64.b64decode(encoded, validate=True)).digest()
        except (OSError, ValueError, binascii.Error):
            raise failures.of_ssh(printed) from None
    fingerprint = base64.b64encode(digest).decode().rstrip("=")
    return HostKey(line, kind, f"SHA256:{fingerprint}")


def trust(target: SshTarget, key: HostKey) -> Path:
    """Add the key to the file of known hosts that `ssh` uses for this target, and return its path.

    Raises BridgeError if it cannot be written.
    """
    shown = _ssh(["-G", *target.arguments])[0].decode(errors="surrogateescape").splitlines()
    names = next((line.split()[1:] for line in shown if line.lower().startswith("userknownhostsfile ")), [])
    path = Path(names[0] if names else "~/.ssh/known_hosts").expanduser()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                separator = b"" if file.read(1) == b"\n" else b"\n"
            else:
                separator = b""
            file.write(separator + key.line.encode() + b"\n")
    except OSError as error:
        raise BridgeError(
            f'Could not write "{path}" ({error.strerror}).',
            code="ssh-known-hosts",
            hint="Check the owner and the mode of the file and its folder.",
        ) from None
    return path


def _ssh(arguments: list[str]) -> tuple[bytes, bytes]:
    """Run `ssh` and return its output and its messages. Raises UnreadableError if it cannot start or hangs."""
    try:
        process = spawn(["ssh", *arguments], stdin=subprocess.DEVNULL)
    except (FileNotFoundError, PermissionError):
        raise failures.failure("ssh-missing") from None
    try:
        return process.communicate(timeout=2 * _SECONDS)
    except subprocess.TimeoutExpired:
        raise failures.failure("ssh-timeout") from None
    finally:
        if process.returncode is None:
            end(process)
            close_pipes(process)
