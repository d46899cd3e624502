"""The ways to keep closte-bridge running on this machine: a unit of systemd, or the user's crontab."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from closte_bridge.errors import BridgeError
from closte_bridge.schedule.marks import Condition, find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.schedule.job import Job

_SECONDS = 60.0


class Tool:
    """A program of the system, such as `systemctl`."""

    def __init__(self, name: str, environ: Mapping[str, str], *first: str) -> None:
        self._path = shutil.which(name, path=environ.get("PATH", os.defpath))
        self._environ = {**environ, "LC_ALL": "C.UTF-8"}
        self._name = name
        self._first = first

    @property
    def exists(self) -> bool:
        """Whether the program is installed."""
        return self._path is not None

    def run(self, *args: str, stdin: str = "", seconds: float = _SECONDS) -> tuple[int, str, str]:
        """Run it and return its exit status, output and errors. Raises BridgeError if it cannot run."""
        try:
            done = subprocess.run(
                [self._path or self._name, *self._first, *args],
                input=stdin,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
                timeout=seconds,
                env=self._environ,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise failed(self._name, type(error).__name__) from None
        return done.returncode, done.stdout, done.stderr

    def must(self, *args: str, stdin: str = "", seconds: float = _SECONDS) -> str:
        """Run it and return its output. Raises BridgeError if it fails."""
        code, out, err = self.run(*args, stdin=stdin, seconds=seconds)
        if code:
            raise failed(" ".join([self._name, *self._first, *args]), (err or out).strip().split("\n")[-1])
        return out


def failed(command: str, reason: str) -> BridgeError:
    """Return the error of a program that failed, with the last line that it printed."""
    reason = reason.rstrip(".")
    return BridgeError(
        f"`{command}` failed: {reason}." if reason else f"`{command}` failed.",
        code="schedule-failed",
        hint="Schedule closte-bridge by hand: see docs/how-to/schedule-runs.md.",
    )


class Way(ABC):
    """A way to run closte-bridge regularly. All calls raise BridgeError if the system refuses."""

    name: ClassVar[str]
    """The value of `--schedule`."""
    recorded: ClassVar[str]
    """What `status` calls runs of this way: `watch`, `timer` or `cron`."""

    @abstractmethod
    def is_available(self) -> bool:
        """Return whether this machine and this user can use it."""

    @abstractmethod
    def title(self, network: str) -> str:
        """Return what setup writes for the network, as a noun phrase."""

    @abstractmethod
    def text(self, job: Job) -> str:
        """Return what setup would write, without the marks."""

    @abstractmethod
    def present(self, network: str) -> str:
        """Return the file or crontab that holds, or would hold, the block of the network."""

    @abstractmethod
    def condition(self, job: Job) -> Condition:
        """Compare what is there with what setup would write."""

    @abstractmethod
    def install(self, job: Job) -> list[BridgeError]:
        """Write and start it; undo all of it if a step fails. Return what is worth a warning."""

    @abstractmethod
    def uninstall(self, network: str) -> None:
        """Stop it and remove what setup wrote."""

    def removable(self, network: str) -> bool | None:
        """Return whether setup wrote a block for this network that is unchanged; None without a block."""
        block = find(self.present(network), network)
        return None if block is None else block.intact
