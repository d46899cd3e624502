"""One run at a time: a lock on the state folder that says who holds it.

The kernel drops it when the process dies, however it dies; the file with the holder's name stays and means nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger.folder import make_folder, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "lock"
_LONGEST = 2000
# Seconds between tries: a look takes far less.
_MOMENTS = (0.005, 0.02, 0.075)


def holder_since(folder: Path) -> float | None:
    """Return since when (epoch seconds) a running process holds the lock, or None when nobody does."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return float(json.loads(file.read(_LONGEST))["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _held_by(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, _LONGEST, 0))
        minutes = max(0.0, time.time() - float(holder["since"])) / 60
        return f"process {int(holder['pid'])} (`{holder['command']}`), for {minutes:.0f} min"
    except (ValueError, KeyError, TypeError, OSError, OverflowError, RecursionError):
        return "another process"


def _taken(descriptor: int) -> bool:
    """Take the lock. Whoever only looks whether somebody has it (`holder_since`) has it for a moment, too."""
    for pause in (*_MOMENTS, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
    return False


@contextmanager
def held(folder: Path, command: str) -> Iterator[None]:
    """Hold the lock of the state folder while the body runs.

    Raises BridgeError (exit 75) that names the holder when somebody has it, or one about the folder.
    """
    try:
        make_folder(folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(folder / FILE_NAME, flags, 0o600)
    except OSError as error:
        raise unusable(folder, error) from None
    try:
        if not _taken(descriptor):
            raise BridgeError(
                f"Another run holds the lock: {_held_by(descriptor)}.",
                code="locked",
                hint="Wait for it to end; what it does not do, the next run does.",
                exit_code=ExitCode.LOCKED,
            )
        # Cut, so that the whole of it is read back.
        holder = json.dumps({"pid": os.getpid(), "command": command[:80], "since": time.time()})
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        except OSError:
            pass  # a full disk keeps the name out, not the lock
        yield
    finally:
        os.close(descriptor)
