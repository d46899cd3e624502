"""Small, full and read-only disks for tests."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.parts import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="Only root may mount a small disk."
)


def _mount(folder: Path, options: str) -> None:
    argv = [find_program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a disk of `size` at `folder`, with the files that it has already; create the folder if it is missing.

    Raises MissingPartError or CalledProcessError if this is not possible.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    _mount(folder, f"mode=0700,size={size}")
    try:
        for name, data in kept.items():
            (folder / name).write_bytes(data)
        yield
    finally:
        subprocess.run([find_program("umount"), "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make the small disk at `folder` read-only while the body runs."""
    _mount(folder, "remount,ro")
    try:
        yield
    finally:
        _mount(folder, "remount,rw")


def fill(folder: Path, leave_kib: int) -> Path:
    """Fill the disk except for `leave_kib` KiB, and return the file that fills it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave_kib * 1024))
    return ballast
