"""Tell the service manager how we are: sd_notify, a datagram to the socket that systemd names (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_MICRO = 1_000_000


class Notifier:
    """Sends states to systemd; silent where nobody listens. Takes its variables out of `environ`: not for children."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        self.watchdog = _interval(environ)
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environ.pop(name, None)

    def reloading(self) -> None:
        """Say that the configuration is read again; systemd holds the time against its own (sd_notify(3))."""
        micro = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send(RELOADING="1", MONOTONIC_USEC=str(micro))

    def send(self, **states: str) -> None:
        """Send states such as READY=1 or STATUS=…; one that cannot be sent is dropped."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(f"{name}={value}" for name, value in states.items())
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.sendto(text.encode(), address)


def _interval(environ: Mapping[str, str]) -> float | None:
    """Return how often systemd wants a sign of life, in seconds: half of its limit, as it recommends."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    with contextlib.suppress(ValueError, KeyError):
        return max(1.0, int(environ["WATCHDOG_USEC"]) / _MICRO / 2)
    return None
