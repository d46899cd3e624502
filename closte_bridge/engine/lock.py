"""Exclusive lock on the state folder, with holder information.

The kernel releases the lock when the process ends. The file stays; without the lock its content has no meaning.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from closte_bridge.counts import counted
from closte_bridge.errors import BridgeError, ExitCode
from closte_bridge.ledger.folder import make_folder, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "lock"
_LONGEST = 2000
# Seconds between tries. `holder_since` of another process holds the lock for far less.
_PAUSES = (0.005, 0.02, 0.075)


def holder_since(folder: Path) -> float | None:
    """Return since when (epoch seconds) a running process holds the lock, or None if it is free."""
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
        return f"process {int(holder['pid'])} (`{holder['command']}`), running for {counted(round(minutes), 'minute')}"
    except (ValueError, KeyError, TypeError, OSError, OverflowError, RecursionError):
        return "another process"


def _taken(descriptor: int) -> bool:
    """Try to take the lock. Retry briefly, because a status check (`holder_since`) also holds it for a moment."""
    for pause in (*_PAUSES, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
    return False


@contextmanager
def held(folder: Path, command: str) -> Iterator[None]:
    """Context manager: hold the lock of the state folder.

    Raises BridgeError: with exit code 75 and the holder if another process has it, or about the directory.
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
                f"Another run is in progress: {_held_by(descriptor)}.",
                code="locked",
                hint="Wait for it to finish. The next run handles anything it leaves.",
                exit_code=ExitCode.LOCKED,
            )
        # Limit the length so that it is read back completely.
        holder = json.dumps({"pid": os.getpid(), "command": command[:80], "since": time.time()})
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        except OSError:
            pass  # a full disk only prevents writing the holder info
        yield
    finally:
        os.close(descriptor)
