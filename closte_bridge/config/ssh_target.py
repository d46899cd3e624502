"""The parts of an SSH target: `user@host:port/path`, as in WP-CLI's `--ssh`."""

from __future__ import annotations

import re
from typing import NamedTuple

# ssh expands the user and the host in commands of its config (ProxyCommand), so neither may hold a shell's characters.
_FORM = re.compile(
    r"(?:(?P<user>\w[\w.+-]*)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>\w[\w.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/.*|~|~/.*)?",
    re.ASCII,
)
_SCHEME = re.compile(r"ssh:(?://)?")
# Containers that WP-CLI reaches. It starts their programs, so it has to be on this machine.
_CONTAINER = re.compile(r"(?:vagrant|docker(?:-compose(?:-run)?)?):")
_MAX_PORT = 65_535


class SshTarget(NamedTuple):
    """Where WordPress is: the host as `ssh` knows it, and the folder there, absolute or relative to the user's home."""

    user: str | None
    host: str
    port: int | None
    path: str | None

    @property
    def arguments(self) -> list[str]:
        """The arguments of `ssh` for this target, without a command."""
        port = ["-p", str(self.port)] if self.port else []
        user = ["-l", self.user] if self.user else []
        return [*port, *user, "--", self.host]


def is_container(written: str) -> bool:
    """Return whether WP-CLI itself has to reach this target (`docker:`, `vagrant:`)."""
    return _CONTAINER.match(written) is not None


def ssh_target(written: str) -> SshTarget:
    """Return the parts of `written`. Raises ValueError if it is not an SSH target."""
    match = _FORM.fullmatch(_SCHEME.sub("", written, count=1))
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 1 <= port <= _MAX_PORT):
        raise ValueError("not an SSH target")
    return SshTarget(match["user"], match["address"] or match["host"], port, remote_path(match["path"]))


def remote_path(path: str | None) -> str | None:
    """Return `path` without a `~`, which a restricted shell may not expand: each login starts in its home folder."""
    if path is None or not (path == "~" or path.startswith("~/")):
        return path
    return path[2:].lstrip("/") or "."
