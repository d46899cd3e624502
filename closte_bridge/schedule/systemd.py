"""A unit of systemd: for the system if root runs setup, else in the manager of the user."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from closte_bridge.config.places import home
from closte_bridge.engine.files import write_whole
from closte_bridge.errors import BridgeError
from closte_bridge.schedule import marks
from closte_bridge.schedule.job import unit
from closte_bridge.schedule.way import Tool, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.schedule.job import Job

SYSTEM = Path("/etc/systemd/system")
# The service is ready after its first run.
_START_SECONDS = 300.0


class SystemdUnit(Way):
    """Runs `watch` as a service."""

    name = "systemd"
    recorded = "watch"

    def __init__(self, environ: Mapping[str, str], *, system: bool | None = None, folder: Path | None = None) -> None:
        self._system = os.geteuid() == 0 if system is None else system
        self._environ = environ
        self._folder = folder
        self._tool = Tool("systemctl", environ, *([] if self._system else ["--user"]))
        self._logind = Tool("loginctl", environ)

    def path(self, network: str) -> Path:
        """Return the file of the network's unit."""
        folder = self._folder
        if folder is None and self._system:
            folder = SYSTEM
        elif folder is None:
            configured = Path(self._environ.get("XDG_CONFIG_HOME", ""))
            folder = (configured if configured.is_absolute() else home(self._environ) / ".config") / "systemd/user"
        return folder / _name(network)

    def is_available(self) -> bool:
        """Return whether the manager runs: a user needs a session or linger."""
        if not self._tool.exists:
            return False
        try:
            return self._tool.run("show", "--property=Version")[0] == 0
        except BridgeError:
            return False

    def title(self, network: str) -> str:
        """Return what setup writes, as a noun phrase."""
        kind = "the systemd unit" if self._system else "the systemd user unit"
        stays = "" if self._system else ", and keep it running after you log out (linger)"
        return f"{kind} {self.path(network)}, which runs `closte-bridge watch`{stays}"

    def text(self, job: Job) -> str:
        """Return the unit."""
        return unit(job, system=self._system)

    def present(self, network: str) -> str:
        """Return the text of the unit; empty without one. Raises BridgeError if it cannot be read."""
        try:
            return self.path(network).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _unusable(self.path(network), error) from None

    def condition(self, job: Job) -> marks.Condition:
        """Compare the unit with the one for this job. A unit without the marks is a person's own."""
        text = self.present(job.network)
        block = marks.find(text, job.network)
        if block is None:
            return marks.Condition.OTHER if text.strip() else marks.Condition.MISSING
        if block.before.strip() or block.after.strip():
            return marks.Condition.CHANGED
        command = next(line for line in self.text(job).split("\n") if line.startswith("ExecStart="))
        found = marks.compare(text, job.network, self.text(job), command.partition(" watch")[2])
        if found is marks.Condition.CURRENT and self._tool.exists and not self._is_active(job.network):
            # A person may have stopped it on purpose: setup asks again.
            return marks.Condition.OUTDATED
        return found

    def _is_active(self, network: str) -> bool:
        return self._tool.run("is-active", "--quiet", _name(network))[0] == 0

    def install(self, job: Job) -> list[BridgeError]:
        """Write, enable and start the unit. If it does not start, remove it again, or restore the one before."""
        path, name = self.path(job.network), _name(job.network)
        before = self.present(job.network)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, marks.marked(job.network, self.text(job)).encode(), 0o644)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            self._tool.must("daemon-reload")
            self._tool.must("enable", name)
            self._tool.must("restart", name, seconds=_START_SECONDS)
        except BaseException:
            self._undo(path, name, before)
            raise
        return [] if self._system else self._linger()

    def _undo(self, path: Path, name: str, before: str) -> None:
        with suppress(BridgeError):
            self._tool.run("disable", "--now", name)
        with suppress(OSError):
            if before:
                write_whole(path, before.encode("utf-8", "surrogateescape"), 0o644)
            else:
                path.unlink(missing_ok=True)
        with suppress(BridgeError):
            self._tool.run("daemon-reload")

    def _linger(self) -> list[BridgeError]:
        """Let the user's manager run without a session."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        try:
            if "yes" not in self._logind.run("show-user", user, "--property=Linger", "--value")[1]:
                self._logind.must("enable-linger", user)
        except BridgeError:
            message = "The service ends when you log out: lingering could not be enabled."
            hint = f"Run `sudo loginctl enable-linger {user}`."
            return [BridgeError(message, code="schedule-linger", hint=hint)]
        return []

    def uninstall(self, network: str) -> None:
        """Stop, disable and remove the unit. Linger stays: other services of the user may need it."""
        path = self.path(network)
        if self._tool.exists:
            with suppress(BridgeError):
                self._tool.run("disable", "--now", _name(network), seconds=_START_SECONDS)
        try:
            path.unlink(missing_ok=True)
            # Without a running manager, `disable` removes no link.
            for target in ("default", "multi-user"):
                (path.parent / f"{target}.target.wants" / path.name).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(path, error) from None
        if self._tool.exists:
            with suppress(BridgeError):
                self._tool.run("daemon-reload")


def _name(network: str) -> str:
    return f"closte-bridge-{network}.service"


def _unusable(path: Path, error: OSError) -> BridgeError:
    return BridgeError(
        f'Could not use the unit "{path}" ({error.strerror}).',
        code="schedule-failed",
        hint="Check the owner and the mode of the file and its folder, then run `closte-bridge setup` again.",
    )
