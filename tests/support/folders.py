"""Temporary folders of a special kind."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def in_memory() -> Iterator[Path]:
    """Make a folder in memory where there is such a thing: thousands of commits, each flushed, take long on a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="cb-", dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder whose path is short: that of a socket may have 107 bytes only."""
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        yield Path(name)
