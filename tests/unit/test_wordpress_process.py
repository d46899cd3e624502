"""`wp` processes: an interruption of closte-bridge ends them at any moment."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from closte_bridge.config.model import WpSettings
from closte_bridge.errors import UnreadableError
from closte_bridge.wordpress.process import Prestart
from closte_bridge.wordpress.wp import WpCall, WpCost
from tests.support.processes import ended, unkillable
from tests.support.running import wait_until, write_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("moment", ["start", "pump"])
def test_interruption_at_start_ends_wp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    command = str(write_script(tmp_path / "wp", "exec sleep 600"))
    pids: list[int] = []
    execute = subprocess.Popen._execute_child  # type: ignore[attr-defined]  # private in the standard library

    def interrupted(self: subprocess.Popen[bytes], *args: object) -> None:
        execute(self, *args)
        pids.append(self.pid)
        if moment == "start":
            raise KeyboardInterrupt

    def pump(self: WpCall, text: bytes) -> None:
        assert text
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "_execute_child", interrupted)
    if moment == "pump":
        monkeypatch.setattr(WpCall, "_pump", pump)
    with pytest.raises(KeyboardInterrupt):
        WpCall.start(WpSettings(command=(command,)), "snapshot", {}, WpCost())
    (pid,) = pids
    wait_until(lambda: ended(pid))


def test_unkillable_wp_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind `sudo`, the process belongs to another user, so closte-bridge cannot end it."""
    monkeypatch.setattr("closte_bridge.wordpress.process._EXIT_TIME", 0.01)
    command = (str(write_script(tmp_path / "wp", "exec sleep 60")),)
    with unkillable(monkeypatch):
        call = WpCall.start(WpSettings(command=command, timeout=0.1), "snapshot", {}, WpCost())
        with pytest.raises(UnreadableError) as caught:
            call.result()
        Prestart(command).drop()
    assert caught.value.code == "wp-timeout"
