"""Notifications to the service manager."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from closte_bridge.engine.sd_notify import Notifier

if TYPE_CHECKING:
    from pathlib import Path


def test_systemd_is_notified_and_children_do_not_inherit_the_socket(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(5)
        environ: dict[str, str] = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "HOME": "x"}
        notifier = Notifier(environ)
        notifier.send(READY="1", STATUS="3 in step.")
        assert listener.recv(1000) == b"READY=1\nSTATUS=3 in step."
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        notifier.reloading()
        states = dict(line.split("=") for line in listener.recv(1000).decode().splitlines())
        # systemd's `notify-reload` needs the time.
        assert states["RELOADING"] == "1"
        assert before - 1 <= int(states["MONOTONIC_USEC"]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    assert environ == {"HOME": "x"}
    notifier.send(READY="1")  # the socket is closed
