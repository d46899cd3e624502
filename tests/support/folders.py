"""Temporary folders for special needs."""

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
    """Create a folder in memory if possible, because thousands of flushed commits are slow on a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="cb-", dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@contextmanager
def short_folder() -> Iterator[Path]:
    """Create a folder with a short path, because the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        yield Path(name)
