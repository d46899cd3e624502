"""Helpers for processes: whether one has ended, and processes that cannot be ended."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def ended(pid: int) -> bool:
    """Return whether a process has ended; a zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextmanager
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse each request to end a process group, as for another user's; after the body, end the requested groups."""
    groups: list[int] = []

    def refuse(group: int, _signal: int) -> None:
        groups.append(group)
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        yield
    for group in set(groups):
        os.killpg(group, signal.SIGKILL)
    assert groups
