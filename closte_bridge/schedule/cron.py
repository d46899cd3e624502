"""The crontab of this user."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from closte_bridge.schedule import marks
from closte_bridge.schedule.job import CRON_MINUTES, crontab_line
from closte_bridge.schedule.way import Tool, Way, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.errors import BridgeError
    from closte_bridge.schedule.job import Job


class Crontab(Way):
    """Runs `sync` every few minutes."""

    name = "cron"
    recorded = "cron"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._tool = Tool("crontab", environ)

    def is_available(self) -> bool:
        """Return whether `crontab` exists and lets this user read."""
        if not self._tool.exists:
            return False
        code, _, err = self._tool.run("-l")
        return code == 0 or "no crontab for" in err

    def title(self, network: str) -> str:
        """Return what setup writes, as a noun phrase."""
        del network
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f'a line in the crontab of "{user}", which runs a sync every {counted(CRON_MINUTES, "minute")}'

    def text(self, job: Job) -> str:
        """Return the line."""
        return crontab_line(job)

    def present(self, network: str) -> str:
        """Return the crontab; empty without one. Raises BridgeError if it cannot be read."""
        del network
        if not self._tool.exists:
            return ""
        code, out, err = self._tool.run("-l")
        if code and "no crontab for" not in err:
            raise failed("crontab -l", err.strip().split("\n")[-1])
        return "" if code else out

    def condition(self, job: Job) -> marks.Condition:
        """Compare the block in the crontab with the line for this job."""
        selector = crontab_line(job).partition(" sync ")[2]
        return marks.compare(self.present(job.network), job.network, self.text(job), selector)

    def install(self, job: Job) -> list[BridgeError]:
        """Add or replace the block. `crontab` replaces the whole table, or fails and changes nothing."""
        self._tool.must("-", stdin=marks.replaced(self.present(job.network), job.network, self.text(job)))
        return []

    def uninstall(self, network: str) -> None:
        """Remove the block, and a crontab that contains nothing else."""
        left = marks.removed(self.present(network), network)
        if left.strip():
            self._tool.must("-", stdin=left)
        else:
            self._tool.must("-r")
