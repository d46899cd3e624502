"""What a schedule runs, and its text for systemd and for cron. Pure functions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

CRON_MINUTES = 5
"""Minutes between the runs of cron."""

_FOLDER = Path(__file__).parent
# In a user's manager, the other directives need a namespace in which `ssh` refuses its own configuration.
_FOR_USERS = ("UMask", "NoNewPrivileges", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality")
# Cron and systemd set these.
_GIVEN = ("HOME", "CLOSTE_BRIDGE_CONFIG")
_PLAIN = re.compile(r"[\w@+=:,./-]+", re.ASCII)


class Job(NamedTuple):
    """What to run for a network.

    `program` starts closte-bridge, `options` are the global options that select the network, `environment` the
    variables, and `user` the user of a unit of the system.
    """

    network: str
    program: tuple[str, ...]
    options: tuple[str, ...]
    environment: Mapping[str, str]
    user: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables that cron and systemd do not set, in the order of their names."""
        return {name: value for name, value in sorted(self.environment.items()) if name not in _GIVEN}


def unit(job: Job, *, system: bool) -> str:
    """Return the text of a service for systemd, for the system or for the manager of a user."""
    lines = (_FOLDER / "hardening.conf").read_text(encoding="utf-8").split()
    if not system:
        lines = [line for line in lines if line.partition("=")[0] in _FOR_USERS]
    elif job.user == "root":
        # Without capabilities, root may not even read the files of other users.
        lines = [line for line in lines if not line.startswith("CapabilityBoundingSet=")]
    settings = [f"User={job.user}"] if system else []
    settings += [f"Environment={_systemd_word(f'{name}={value}')}" for name, value in job.variables.items()]
    command = " ".join(_systemd_word(word, command=True) for word in (*job.program, "watch", *job.options))
    return filled(
        description=f"closte-bridge for the WordPress network {_percent(job.network)}",
        settings="\n".join(settings),
        command=command,
        hardening="\n".join(lines),
        target="multi-user.target" if system else "default.target",
    )


def filled(**texts: str) -> str:
    """Return the template of the unit with its places filled. The Debian package uses it, too."""
    text = (_FOLDER / "watch.service").read_text(encoding="utf-8")
    for name, value in texts.items():
        text = text.replace(f"@{name}@\n", f"{value}\n" if value else "").replace(f"@{name}@", value)
    return text


def crontab_line(job: Job) -> str:
    """Return the line for a user's crontab. Cron mails the errors; a run that finds nothing to do prints nothing."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in job.variables.items()]
    words = [shlex.quote(word) for word in (*job.program, "sync", *job.options, "--quiet")]
    command = " ".join([*variables, *words, ">/dev/null"])
    # Cron ends the command at a plain percent sign.
    return f"*/{CRON_MINUTES} * * * * {command.replace('%', chr(92) + '%')}\n"


def _systemd_word(word: str, *, command: bool = False) -> str:
    """Return a word in the syntax of systemd. Only in a command, `$` begins a variable."""
    text = _percent(word).replace("$", "$$") if command else _percent(word)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")
